"""Records of the built data set as arrays: a record is read once, and only the requested parts are decoded."""

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mtl_depth.errors import UserError

LABELS = frozenset({"semantic", "instance", "confidence"})


class Records:
    """The records of one drive by position, each a mapping from feature to its protocol buffer.

    The reader of TFDS parses, copies and decodes every feature of a record. This one decodes a feature only on request,
    which reads a clip in a third of the time.
    """

    def __init__(self, path: pathlib.Path, drive: int):
        """Opens the shards of `drive` in the built data set at `path`.

        Raises:
            UserError: a shard is damaged or cannot be read.
        """
        import tensorflow_datasets as tfds
        from array_record.python import array_record_data_source

        split = tfds.builder_from_directory(str(path)).info.splits[f"drive_{drive:04d}"]
        # Its own threads make reading single records slower: 1.0 ms instead of 0.1 ms for half a megabyte.
        self._files = [str(file) for file in split.filepaths]
        with self._reporting_damage():
            self._source = array_record_data_source.ArrayRecordDataSource(
                self._files, reader_options={"max_parallelism": "0"}
            )

    def __getitem__(self, position: int) -> Mapping[str, Any]:
        from tensorflow_datasets.proto import tf_example_pb2

        with self._reporting_damage():
            return tf_example_pb2.Example.FromString(self._source[position]).features.feature

    @contextlib.contextmanager
    def _reporting_damage(self) -> Iterator[None]:
        from google.protobuf.message import DecodeError

        try:
            yield
        except (RuntimeError, ValueError, IndexError, OSError, DecodeError) as error:
            for file in self._files:
                _check_readable(file)
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"A shard in {os.path.dirname(self._files[0])} is damaged ({reason}); delete that folder and build it "
                "again."
            ) from None


def _check_readable(file: str) -> None:
    """Raises UserError if the system cannot read a file, which is then not necessarily damaged."""
    try:
        with open(file, "rb") as content:
            while content.read(1 << 24):
                pass
    except OSError as error:
        raise UserError(
            f"{file} cannot be read ({error.strerror}); make it readable, or check the disk, and start again: the "
            "data set may be intact."
        ) from None


@dataclasses.dataclass
class Loader:
    """Loads the arrays of a clip, one row of a batch. Can be pickled for worker processes, which open their own files.

    Attributes:
        path: of the built data set.
        metadata: of the built data set.
        size: height and width of the images.
        reads: the keys of the batch (docs/architecture.md) to read in addition to the images.
        labels_full_size: whether labels have their original size, instead of that of the images.
        images: whether `image` is read.
    """

    path: pathlib.Path
    metadata: dict[str, Any] = dataclasses.field(repr=False)
    size: tuple[int, int]
    reads: frozenset[str]
    labels_full_size: bool
    images: bool = True

    def __post_init__(self):
        from tfds_kitti360.resize import resize_intrinsics

        self._stored = tuple(self.metadata["size"])
        intrinsics = resize_intrinsics(np.array(self.metadata["intrinsics"]), old=self._stored, new=self.size)
        self._intrinsics = intrinsics.astype(np.float32)
        self._drives: dict[int, Records] = {}

    def __getstate__(self):
        return {**self.__dict__, "_drives": {}}

    def __call__(self, clip: Any) -> dict[str, Any]:
        """Loads the row of a clip, whose target is the middle one of its frames."""
        if clip.drive not in self._drives:
            self._drives[clip.drive] = Records(self.path, clip.drive)
        records = [self._drives[clip.drive][position] for position in clip.positions]
        middle = len(records) // 2
        target, others = records[middle], records[:middle] + records[middle + 1 :]
        row = {
            "intrinsics": self._intrinsics,
            "drive": np.int32(_number(target, "drive")),
            "frame": np.int32(_number(target, "frame")),
        }
        if self.images:
            row["image"] = self._images(records)
        if "source_from_target" in self.reads:
            known = all(_number(record, "has_pose") for record in records)
            # World coordinates are as large as kilometres, so the inverse is computed in float64.
            row["source_from_target"] = np.stack(
                [np.linalg.inv(_pose(other)) @ _pose(target) if known else np.eye(4) for other in others]
            ).astype(np.float32)
            row["has_pose"] = np.bool_(known)
        row |= {kind: self._labels(target, kind) for kind in self.reads & LABELS}
        if "source_semantic" in self.reads:  # 0 where a neighbour has no labels
            row["source_semantic"] = np.stack([self._labels(other, "semantic") for other in others], axis=-1)
        if "image_right" in self.reads:
            row["image_right"] = self._images([target], "image_right")[0]
            shift = -self.metadata["baseline"] * np.eye(4, k=3)
            row["right_from_target"] = (np.eye(4) + shift)[None].astype(np.float32)
        if "depth" in self.reads:
            depth = np.divide(_decode(target, "depth"), self.metadata["depth_scale"], dtype=np.float32)
            row["depth"] = depth if self.labels_full_size else at_centers(depth, self.size)
        return row

    def _images(self, records: list[Mapping[str, Any]], key: str = "image") -> np.ndarray:
        """uint8 [t h w 3], red first."""
        import cv2

        from tfds_kitti360.resize import reduce_image

        images = np.empty((len(records), *self.size, 3), np.uint8)
        for image, record in zip(images, records):
            if self.metadata.get("storage") == "raw":
                image[:] = reduce_image(_raw(record, key, (*self._stored, 3)), self.size)
            else:
                cv2.cvtColor(reduce_image(_decode(record, key), self.size), cv2.COLOR_BGR2RGB, dst=image)
        return images

    def _labels(self, record: Mapping[str, Any], kind: str) -> np.ndarray:
        """semantic uint8, instance int32 or confidence float32 in [0, 1]; [h w]."""
        from tfds_kitti360.resize import reduce_map

        reduced = f"{kind}_reduced"  # data sets of earlier versions have only the full size
        if self.labels_full_size or self.size != self._stored or reduced not in record:
            labels = _decode(record, kind)
            labels = labels if self.labels_full_size else reduce_map(labels, self.size)
        else:
            labels = _decode(record, reduced)
        if kind == "confidence":
            if not _number(record, "has_confidence"):  # a label without confidence counts in full
                return np.ones(labels.shape, np.float32)
            return np.divide(labels, np.float32(65535), dtype=np.float32)
        return labels.astype(np.int32) if kind == "instance" else labels


@dataclasses.dataclass
class Mixture:
    """Loads the clips of several data sets, each with the loader of its data set."""

    loaders: tuple[Loader, ...]

    def __call__(self, clip: Any) -> dict[str, Any]:
        """Loads the row of a clip."""
        return self.loaders[clip.part](clip)


def at_centers(depth: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resamples depth [h w], 0 where unknown, to `size`: every pixel takes the old value at its centre.

    Depth is neither averaged nor reduced to the nearest value, which would be too near on a road.
    """
    rows, columns = ((np.arange(new) * 2 + 1) * old // (2 * new) for old, new in zip(depth.shape, size))
    return depth[rows][:, columns]


def _decode(record: Mapping[str, Any], kind: str) -> np.ndarray:
    """uint8 [h w 3], blue first, or uint8 or uint16 [h w]."""
    import cv2

    picture = cv2.imdecode(np.frombuffer(_bytes(record, kind), np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise _damaged(record, kind)
    return picture


def _raw(record: Mapping[str, Any], key: str, shape: tuple[int, ...]) -> np.ndarray:
    values = np.frombuffer(_bytes(record, key), np.uint8)
    if values.size != np.prod(shape):
        raise _damaged(record, key)
    return values.reshape(shape)


def _damaged(record: Mapping[str, Any], kind: str) -> UserError:
    where = f"drive {_number(record, 'drive'):04d} frame {_number(record, 'frame')}"
    return UserError(f"the stored {kind} of {where} is damaged; delete the built data set and build it again")


def _bytes(record: Mapping[str, Any], key: str) -> bytes:
    return record[key].bytes_list.value[0]


def _number(record: Mapping[str, Any], key: str) -> int:
    return record[key].int64_list.value[0]


def _pose(record: Mapping[str, Any]) -> np.ndarray:
    """[4 4] float64, camera to world."""
    return np.frombuffer(_bytes(record, "pose"), np.float64).reshape(4, 4)
