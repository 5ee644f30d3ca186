"""The intrinsics of input pictures: those given, those of the run's data set, or an assumption that is printed."""

import functools
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from mtl_depth import data as dataset_reader
from mtl_depth.config import Config
from mtl_depth.data import intrinsics
from mtl_depth.errors import UserError
from mtl_depth.geometry.camera import scale_focal
from mtl_depth.runtime import log, record

# Relative difference of width / height up to which pictures may come from the data set's camera: what a data set stores
# of a video has sides in multiples of 32.
SAME_SHAPE = 0.05
Camera = Callable[[tuple[int, int]], np.ndarray]  # (height, width) of a picture -> its intrinsics [3 3]


def find(
    trained: Config, given: str | None, *, speak: bool, focal_scale: float = 1.0, run: pathlib.Path | None = None
) -> Camera:
    """The camera of pictures of any size.

    Args:
        trained: the run's configuration, which has the location of its data set.
        given: `fx,fy,cx,cy` or a file with them; None: those of the camera that the run was trained with if the
            pictures have its aspect ratio, otherwise an assumed field of view.
        speak: whether to print, once, where the intrinsics come from.
        focal_scale: learned factor on the focal length of the data set.
        run: folder of the run, which records the camera; the data set of the configuration is used only if it is the
            recorded one. None: it is always used.
    """
    known = functools.cache(lambda: _recorded(trained, run))  # read when the first picture needs it
    told, sizes = set(), set()

    def camera(size: tuple[int, int]) -> np.ndarray:
        own, warnings = None if given is not None else known(), ()
        if given is not None:
            made, origin, warnings = intrinsics.read(given, size=size)
            origin, place = f"are those of {origin}", ""
            sizes.add(size)
            if len(sizes) == 2 and given.count(",") == 3:
                warnings += (f"--intrinsics={given} are pixels of each picture, and the pictures differ in size",)
        elif own is not None and _same_shape(size, tuple(own.image_size)):
            made = intrinsics.resize_intrinsics(np.array(own.matrix), old=tuple(own.size), new=size)
            made = np.asarray(scale_focal(made, focal_scale))
            origin = "are those of the data set" + (", the focal length as learned" if focal_scale != 1 else "")
            place = f" ({own.place})"
        else:
            made, _, _ = intrinsics.read(None, size=size)
            origin, place = "are assumed (give --intrinsics=fx,fy,cx,cy for exact ones)", ""
        if speak and origin not in told:
            told.add(origin)
            degrees = intrinsics.field_of_view(made[0, 0], size[1])
            view = f"a field of view of {degrees:.0f} degrees for pictures {size[1]} wide"
            log.say(f"The intrinsics {origin}: {view}{place}.")
        for warning in warnings:
            if speak and warning not in told:
                told.add(warning)
                log.say(f"warning: {warning}.")
        return made

    return camera


class _Recorded(NamedTuple):
    """The camera of a data set: its matrix for stored images of `size`, which were reduced from `image_size`."""

    matrix: Any
    size: tuple[int, int]
    image_size: tuple[int, int]
    place: str


def _recorded(trained: Config, run: pathlib.Path | None) -> _Recorded | None:
    """The camera that the run was trained with; None if it is unknown."""
    found = {}
    if run is not None:
        try:
            found = record.read(run / "dataset.json")
            matrix = np.asarray(found["intrinsics"], np.float64).reshape(3, 3)
            size, image_size = (tuple(int(side) for side in found[name]) for name in ("size", "image_size"))
            if min(*size, *image_size) < 1:
                raise ValueError
            return _Recorded(matrix, size, image_size, f"as {run} records them")
        except (OSError, ValueError, TypeError, KeyError):
            pass  # of weights, or of a run that recorded only how many frames there were
    try:
        dataset = None if trained.weights else dataset_reader.open_dataset(trained.data)
    except UserError:  # gone, or on another machine
        return None
    if dataset is None or (run is not None and found.get("frames") != _frames(dataset.metadata)):
        return None
    place = str(pathlib.Path(trained.data.data_dir).absolute())
    return _Recorded(dataset.metadata["intrinsics"], dataset.size, dataset.metadata["image_size"], place)


def _frames(metadata: Mapping[str, Any]) -> int:
    return sum(len(drive["frames"]) for drive in metadata["drives"].values())


def for_each(given: Any, sizes: Sequence[tuple[int, int]]) -> list[Float[np.ndarray, "3 3"]]:
    """The intrinsics of pictures of `sizes` = (height, width) that Python hands over, in pixels of the pictures.

    Args:
        given: 3x3, (fx, fy, cx, cy) or a value of --intrinsics, for all pictures; or an array or list with one for each
            picture; None: a field of view is assumed, and a message is printed once.
        sizes: of the pictures.

    Raises:
        UserError: these are not intrinsics, or their number is not that of the pictures.
    """
    if given is None or isinstance(given, str | pathlib.Path):
        texts = [None if given is None else str(given)] * len(sizes)
    else:
        cameras = _numbers(given, len(sizes))
        if cameras is None:
            raise UserError(
                f"intrinsics={str(given)[:60]!r} are not those of {len(sizes)} pictures; give a 3x3 matrix or (fx, fy, "
                "cx, cy) in pixels of the picture, or one for each picture."
            )
        texts = [",".join(map(repr, camera)) for camera in cameras]
    found = [intrinsics.read(text, size=size) for text, size in zip(texts, sizes)]
    if given is None:
        _say_once(
            f"No intrinsics were given: a horizontal field of view of "
            f"{intrinsics.field_of_view(found[0].matrix[0, 0], sizes[0][1]):.0f} degrees is assumed, so shapes and "
            "metres are approximate; pass intrinsics=(fx, fy, cx, cy) for exact ones."
        )
    return [each.matrix for each in found]


def _numbers(given: Any, count: int) -> list[list[float]] | None:
    """fx, fy, cx, cy of each of `count` pictures; None if `given` is something else."""
    try:
        values = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        return None
    if values.shape in ((4,), (3, 3)):
        values = np.broadcast_to(values, (count, *values.shape))
    if values.shape == (count, 3, 3) and np.allclose(values[:, 2], (0, 0, 1)) and not values[:, 1, 0].any():
        values = values[:, (0, 1, 0, 1), (0, 1, 2, 2)]
    return values.tolist() if values.shape == (count, 4) else None


@functools.cache
def _say_once(sentence: str) -> None:
    log.say(sentence)


def _same_shape(size: tuple[int, int], other: tuple[int, int]) -> bool:
    return abs(size[1] / size[0] * other[0] / other[1] - 1) < SAME_SHAPE
