"""The camera of pictures to look at: the one given, the one that the run was trained with, or a stated guess."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from mtl_depth import data as dataset_reader
from mtl_depth.config import Config
from mtl_depth.data import intrinsics
from mtl_depth.errors import UserError
from mtl_depth.geometry.camera import scale_focal
from mtl_depth.runtime import log

# Relative difference of width / height up to which pictures may come from the data set's camera: what a data set stores
# of a video has sides in multiples of 32.
SAME_SHAPE = 0.05
Camera = Callable[[tuple[int, int]], np.ndarray]  # (height, width) of a picture -> its intrinsics [3 3]


def find(trained: Config, given: str | None, *, speak: bool, focal_scale: float = 1.0) -> Camera:
    """The camera of pictures of any size.

    Args:
        trained: the run's configuration, which says where its data set lies.
        given: `fx,fy,cx,cy` or a file of them; None: those of the data set's camera where the pictures have its
            proportions, otherwise a guess.
        speak: whether to say, once, where they come from.
        focal_scale: what the run has learned to multiply the focal length of the data set with.
    """

    @functools.cache
    def dataset() -> Any:
        """Opened when the first picture asks: it takes half a second."""
        try:
            return None if trained.weights else dataset_reader.open_dataset(trained.data)
        except UserError:  # gone, or on another machine
            return None

    told = set()

    def camera(size: tuple[int, int]) -> np.ndarray:
        own = None if given is not None else dataset()
        if given is not None:
            made, origin, _ = intrinsics.read(given, size=size)
            origin = f"are those of {origin}"
        elif own is not None and _same_shape(size, tuple(own.metadata["image_size"])):
            made = intrinsics.resize_intrinsics(np.array(own.metadata["intrinsics"]), old=own.size, new=size)
            made = np.asarray(scale_focal(made, focal_scale))
            origin = "are those of the data set" + (", the focal length as learned" if focal_scale != 1 else "")
        else:
            made, _, _ = intrinsics.read(None, size=size)
            origin = "are a guess (give --intrinsics=fx,fy,cx,cy for true shapes)"
        if speak and origin not in told:
            told.add(origin)
            degrees = intrinsics.field_of_view(made[0, 0], size[1])
            log.say(f"The intrinsics {origin}: a field of view of {degrees:.0f} degrees for pictures {size[1]} wide.")
        return made

    return camera


def _same_shape(size: tuple[int, int], other: tuple[int, int]) -> bool:
    return abs(size[1] / size[0] * other[0] / other[1] - 1) < SAME_SHAPE
