"""Reads picture files as arrays, writes arrays as PNG files, and resizes arrays."""

import io
import pathlib

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
from jaxtyping import Float, Num, UInt8, UInt16

from mtl_depth.data import footage
from mtl_depth.errors import UserError

ENDINGS = footage.PICTURE_ENDINGS
UNITS_PER_METRE = 256.0  # of a 16-bit depth picture, as in KITTI
_FARTHEST_UNIT = 65535
FARTHEST_METRES = _FARTHEST_UNIT / UNITS_PER_METRE  # largest depth that such a picture can store


def read(path: str | pathlib.Path, *, white: float | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """Reads a picture upright, as RGB, with the function that the builder uses (`tfds_kitti360.pictures.read_picture`).

    Raises:
        UserError: the file cannot be decoded.
    """
    return footage.read_picture(path, white=white)


def from_pil(picture: PIL.Image.Image) -> UInt8[np.ndarray, "h w 3"]:
    """The colours of an opened picture, as `read` returns them.

    Raises:
        UserError: its file is damaged.
    """
    try:
        upright = PIL.ImageOps.exif_transpose(picture)
        if upright.mode.startswith(("I", "F")):  # deeper than Pillow can convert
            return from_deep(np.asarray(upright).astype(np.float32 if upright.mode == "F" else np.uint16))
        return np.asarray(upright.convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise UserError(f"{picture} cannot be read ({error}); give an intact file.") from error


def from_deep(samples: UInt16[np.ndarray, "h w *c"] | Float[np.ndarray, "h w *c"]) -> UInt8[np.ndarray, "h w 3"]:
    """The colours of grey or RGB samples of more than 8 bits, as `read` returns them for a file with these samples."""
    ending = ".tiff" if samples.dtype.kind == "f" else ".png"
    _, encoded = cv2.imencode(ending, samples if samples.ndim == 2 else np.ascontiguousarray(samples[..., ::-1]))
    return footage.read_picture(encoded.tobytes(), name="the picture")


def write(path: pathlib.Path, picture: UInt8[np.ndarray, "h w 3"]) -> None:
    """Writes a colour picture."""
    file = io.BytesIO()
    PIL.Image.fromarray(picture).save(file, "PNG")
    _write_bytes(path, file.getvalue())


def write_values(path: pathlib.Path, values: UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"]) -> None:
    """Writes a PNG of 8-bit or 16-bit values, such as label ids.

    Raises:
        UserError: the disk is full, or the path cannot be written.
    """
    _, encoded = cv2.imencode(".png", values)  # OpenCV sees no name: it ends the process where one is not UTF-8
    _write_bytes(path, encoded.tobytes())


def write_depth(path: pathlib.Path, depth: Float[np.ndarray, "h w"], *, units: float = UNITS_PER_METRE) -> None:
    """Writes depth as a 16-bit PNG of depth x `units`, at most 65535, which is 255.99 m for the default units."""
    write_values(path, np.clip(np.rint(depth * units), 0, _FARTHEST_UNIT).astype(np.uint16))


def units_of_range(depth: Float[np.ndarray, "h w"]) -> float:
    """The `units` with which depth without metric scale uses the range of 16 bits."""
    return _FARTHEST_UNIT / float(depth.max())


def _write_bytes(path: pathlib.Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); free space or give another folder.") from error


def resize(image: Num[np.ndarray, "h w *c"], *, size: tuple[int, int]) -> Num[np.ndarray, "H W *c"]:
    """The image resized to `size` = (height, width): area mean if it gets smaller, bilinear if it gets larger."""
    height, width = size
    if image.shape[:2] == (height, width):
        return image
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def resize_depth(depth: Float[np.ndarray, "h w"], *, size: tuple[int, int]) -> Float[np.ndarray, "H W"]:
    """The depth map resized to `size` = (height, width), interpolated in 1 / depth, as disparity is."""
    return 1 / resize(1 / depth, size=size)
