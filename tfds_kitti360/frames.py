"""Encodes the files of a frame as a record: images are checked, resized and encoded, and the scan is projected."""

import functools
import hashlib
import pathlib
from typing import Any, NamedTuple

import cv2
import numpy as np

from tfds_kitti360.errors import DatasetError
from tfds_kitti360.images import REMEDY, read_png, write_map, write_photo
from tfds_kitti360.labels import LABELS
from tfds_kitti360.layout import Calibration
from tfds_kitti360.pictures import read_picture
from tfds_kitti360.resize import reduce_image, reduce_map, resize_intrinsics
from tfds_kitti360.survey import Frame
from tfds_kitti360.velodyne import depth_image, read_scan

DEPTH_SCALE = 256  # stored depth is round(metres * 256) as uint16
_BITS = {"semantic": 8, "instance": 16, "confidence": 16}
_KNOWN = np.isin(np.arange(256), [label.id for label in LABELS])  # not -1, the licence plate: no picture has it
_LAST_TRAIN_ID, _IGNORED_TRAIN_ID = 18, 255
_MOST_DISAGREEMENT = 0.01  # share of the pixels where semantic and instance image may differ: each task reads its own


Map = tuple[bytes, np.ndarray | None]  # a file's bytes and its image, or b"" and None if there is none


class Recipe(NamedTuple):
    """The settings by which frames are encoded."""

    calibration: Calibration
    size: tuple[int, int]  # height, width of the stored images
    storage: str  # of the photographs: one of images.STORAGES
    stereo: bool
    skip_damaged: bool

    @property
    def intrinsics(self) -> np.ndarray:
        """[3 3] float64 of the stored left image."""
        return resize_intrinsics(self.calibration.projection[0, :, :3], old=self.calibration.size, new=self.size)


def encode_frame(frame: Frame, recipe: Recipe) -> dict[str, Any] | str:
    """The record of a frame, or with `skip_damaged` the sentence that says what is damaged.

    The record has a `digest` of the frame's content, which is not stored.

    Raises:
      DatasetError: a file is damaged and `skip_damaged` is not set, or labels have another meaning.
    """
    try:
        maps = {kind: _map(getattr(frame, kind), recipe, bits) for kind, bits in _BITS.items()}
    except DatasetError as error:
        if not recipe.skip_damaged:
            raise
        return str(error)
    _check_kind(frame, maps)
    try:
        return _encode(frame, recipe, maps)
    except DatasetError as error:
        if not recipe.skip_damaged:
            raise
        return str(error)


def encode_depth(depth: np.ndarray) -> np.ndarray:
    """Converts metres [h w] to uint16, metres x 256; only unknown depth (0) and depth beyond 255.99 m become 0."""
    scaled = np.rint(depth * DEPTH_SCALE)
    scaled[(depth > 0) & (scaled < 1)] = 1
    scaled[scaled > 65535] = 0
    return scaled.astype(np.uint16)


def _encode(frame: Frame, recipe: Recipe, maps: dict[str, Map]) -> dict[str, Any]:
    calibration, full = recipe.calibration, recipe.calibration.size
    digest = hashlib.sha256(np.round(np.eye(4) if frame.pose is None else frame.pose, 5).tobytes())
    record: dict[str, Any] = {
        "image": _photo(frame.image, recipe, digest),
        "intrinsics": recipe.intrinsics,
        "pose": np.eye(4) if frame.pose is None else frame.pose,
        "frame": frame.id,
        "has_pose": frame.pose is not None,
        "has_depth": frame.scan is not None,
    }
    if recipe.stereo:
        record["image_right"] = _black(recipe) if frame.right is None else _photo(frame.right, recipe, digest)
        record["has_right"] = frame.right is not None
    for kind, (data, labels) in maps.items():
        bits = _BITS[kind]
        record[kind] = data or _blank(full, bits)
        record[f"has_{kind}"] = labels is not None
        # Stored again at the size of the images: decoding the full-size labels would take longer than the images.
        small = recipe.size
        record[f"{kind}_reduced"] = _blank(small, bits) if labels is None else write_map(reduce_map(labels, small))
        digest.update(kind.encode() if labels is None else labels)
    _check_classes(frame, maps["semantic"][1], maps["instance"][1])
    if frame.scan is None:
        record["depth"] = _blank(full, 16)
    else:
        depth = depth_image(
            read_scan(frame.scan),
            velo_from_previous=frame.velo_from_previous,
            camera_from_velo=np.linalg.inv(calibration.velo_from_camera),
            projection=calibration.projection[0],
            size=full,
        )
        record["depth"] = write_map(encode_depth(depth))
        digest.update(encode_depth(depth))
    return record | {"digest": digest.digest()}


def _map(path: pathlib.Path | None, recipe: Recipe, bits: int) -> Map:
    return (b"", None) if path is None else read_png(path, size=recipe.calibration.size, bits=bits)


def _check_kind(frame: Frame, maps: dict[str, Map]) -> None:
    """Raises DatasetError for images that are intact but have another meaning, even with `skip_damaged`."""
    semantic, instance, confidence = (maps[kind][1] for kind in _BITS)
    if semantic is not None:
        most, some = semantic.max(), np.mean((semantic >= 1) & (semantic <= 6))  # as label ids: void, ego vehicle
        if most == _IGNORED_TRAIN_ID or (most <= _LAST_TRAIN_ID and some > _MOST_DISAGREEMENT):
            raise DatasetError(
                f"{frame.semantic} holds train ids (0 to 18, and 255 for the rest), and KITTI-360's label pictures "
                "hold label ids (7 road, 26 car); unpack the official semantics again, or map the ids back"
            )
    if instance is not None and np.mean((instance > 0) & (instance < 1000)) > _MOST_DISAGREEMENT:
        raise DatasetError(
            f"{frame.instance} holds values below 1000 as Cityscapes has them, and KITTI-360's instance pictures hold "
            "label id * 1000 + number at every pixel; unpack the official instances again"
        )
    if confidence is not None and 0 < confidence.max() <= 255:
        raise DatasetError(
            f"{frame.confidence} holds values up to {confidence.max()}, and KITTI-360's full confidence is 65535; "
            "unpack the official confidence again, or scale it to 16 bits"
        )


def _check_classes(frame: Frame, semantic: np.ndarray | None, instance: np.ndarray | None) -> None:
    """Raises DatasetError for a class that does not exist, or images that disagree about the classes."""
    for path, classes in ((frame.semantic, semantic), (frame.instance, None if instance is None else instance // 1000)):
        if classes is not None and not _KNOWN[classes].all():
            unknown = ", ".join(str(number) for number in np.unique(classes[~_KNOWN[classes]])[:5])
            raise DatasetError(f"{path} holds label ids that KITTI-360 does not have ({unknown}); {REMEDY}")
    if semantic is not None and instance is not None:
        share = np.mean(semantic != instance // 1000)
        if share > _MOST_DISAGREEMENT:
            raise DatasetError(
                f"{frame.instance} names another class than {frame.semantic} at {share:.0%} of the pixels; {REMEDY}"
            )


def _photo(path: pathlib.Path, recipe: Recipe, digest: Any) -> bytes | np.ndarray:
    height, width = recipe.calibration.size
    data = None
    if path.suffix.lower() == ".png":
        data, image = read_png(path, size=(height, width), channels=3)
    else:
        image = read_picture(path)
        if image.shape[:2] != (height, width):
            raise DatasetError(
                f"{path} is {image.shape[0]}x{image.shape[1]} where calibration/perspective.txt says {height}x{width} "
                f"(height x width); "
                f"{REMEDY}"
            )
    reduced = reduce_image(image, recipe.size)
    digest.update(np.ascontiguousarray(reduced))
    if data is not None and recipe.storage == "png" and recipe.size == recipe.calibration.size:
        return data
    return write_photo(reduced, recipe.storage)


@functools.lru_cache
def _blank(size: tuple[int, int], bits: int) -> bytes:
    """An all-zero map, stored for a frame without labels or depth."""
    return write_map(np.zeros(size, np.uint8 if bits == 8 else np.uint16))


def _black(recipe: Recipe) -> bytes | np.ndarray:
    """A black image, stored for a frame without a right image."""
    return write_photo(np.zeros((*recipe.size, 3), np.uint8), recipe.storage)


def use_one_thread() -> None:
    """Disables OpenCV's threads, which would compete with each other in worker processes."""
    cv2.setNumThreads(1)
