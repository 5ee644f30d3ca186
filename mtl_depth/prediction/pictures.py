"""Reads pictures that are passed to the Python API: paths, PIL images, arrays, and lists and batches of them."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
from jaxtyping import Float, Num, UInt8

from mtl_depth.errors import UserError
from mtl_depth.media import image_files

Picture = UInt8[np.ndarray, "h w 3"] | Float[np.ndarray, "h w 3"]
_WANTED = (
    "a picture is a path, a PIL image, or an array of height x width x 3 (uint8: 0 to 255, uint16: 0 to 65535, "
    "float: 0 to 1), or a list or batch of them"
)
_CHANNELS = (1, 3, 4)  # grey, RGB, RGBA
_ROUNDING = 1e-3  # tolerance for floats that interpolation has moved beyond 0 and 1


class Pictures(NamedTuple):
    """Pictures, and the form in which they were given.

    Attributes:
        each: the pictures: uint8, or float32 in [0, 1]; RGB, of any sizes.
        came_as: "one", "list" or "batch".
    """

    each: list[np.ndarray]
    came_as: str

    def like(self, answers: Sequence[np.ndarray]) -> Any:
        """The results, one per picture, in the form in which the pictures were given."""
        if self.came_as == "one":
            return answers[0]
        return np.stack(answers) if self.came_as == "batch" else list(answers)


def read(given: Any) -> Pictures:
    """Reads pictures of any kind; floats that are bytes divided by 255 are converted back to bytes.

    Raises:
        UserError: it is not a picture, such as an array with floats above 1, or a file cannot be read.
    """
    if isinstance(given, list | tuple):
        if not given:
            raise _refusal("an empty list", "which has no pictures")
        return Pictures([_one(each) for each in given], "list")
    if getattr(given, "ndim", None) == 4:
        batch = _array(given)
        if not len(batch):
            raise _refusal(_described(batch), "which is an empty batch")
        return Pictures([_from_array(each) for each in batch], "batch")
    return Pictures([_one(given)], "one")


def fitted(picture: Picture, *, size: tuple[int, int]) -> Float[np.ndarray, "H W 3"]:
    """The picture at `size` = (height, width), float32 in [0, 1]."""
    resized = image_files.resize(picture, size=size)
    return to_float(resized) if resized.dtype == np.uint8 else resized


def to_float(image: UInt8[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Bytes as float32 in [0, 1]."""
    return image.astype(np.float32) / 255


def _one(given: Any) -> Picture:
    if isinstance(given, str | pathlib.Path):
        return image_files.read(os.path.expanduser(given))
    if isinstance(given, PIL.Image.Image):
        return image_files.from_pil(given)
    return _from_array(_array(given))


def _array(given: Any) -> np.ndarray:
    """Converts an array of any library to NumPy; raises UserError for other objects."""
    if not hasattr(given, "__array__"):
        raise _refusal(f"of type {type(given).__name__}", "which is not supported")
    values = np.asarray(given)
    if values.dtype.name in ("bfloat16", "float16"):
        values = values.astype(np.float32)
    if values.dtype.kind not in "uif":
        raise _refusal(_described(values), "which has the wrong dtype")
    return values


def _from_array(values: Num[np.ndarray, "..."]) -> Picture:
    """Converts one array to RGB, according to its shape, dtype and range of values."""
    shape = values.shape
    if values.ndim == 3 and shape[0] in _CHANNELS and shape[2] not in _CHANNELS:
        raise _refusal(_described(values), "with channels first: transpose(1, 2, 0) puts them last")
    if values.ndim not in (2, 3) or (values.ndim == 3 and shape[2] not in _CHANNELS) or not values.size:
        raise _refusal(_described(values), "which has the wrong shape")
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise _refusal(_described(values), "with values that are not finite")
    if low < (-_ROUNDING if values.dtype.kind == "f" else 0):
        raise _refusal(_described(values), f"with negative values, down to {low:.4g}")
    colours = values[..., None] if values.ndim == 2 else values[..., :3]
    if values.dtype.kind == "f":
        if high > 1 + _ROUNDING:
            raise _refusal(_described(values), f"with values up to {high:.4g}: floats above 1 are not colours")
        colours = _from_floats(np.clip(colours, 0, 1), _described(values))
    elif values.dtype == np.uint16:
        return image_files.from_deep(colours[..., 0] if colours.shape[2] == 1 else colours)
    elif high > 255:
        raise _refusal(_described(values), f"with values up to {high:.4g}")
    else:
        colours = colours.astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(colours, (*shape[:2], 3)))


def _from_floats(colours: Float[np.ndarray, "h w c"], described: str) -> Num[np.ndarray, "h w c"]:
    """Bytes if all values are bytes divided by 255, so that both give the same results; otherwise float32."""
    rounded = np.rint(colours * 255)
    if rounded.max() <= 1 and ((colours > 0) & (colours < 0.9 / 255)).any():
        raise _refusal(described, "with no value above 1/255: it seems to have been divided by 255 twice")
    if np.abs(rounded - colours * 255).max() < 1e-3:
        return rounded.astype(np.uint8)
    return colours.astype(np.float32)


def _described(values: np.ndarray) -> str:
    return f"an array of {values.dtype} [{' '.join(str(side) for side in values.shape)}]"


def _refusal(what: str, reason: str) -> UserError:
    return UserError(f"The given picture is {what}, {reason}; {_WANTED}.")
