"""Picture files of any kind to arrays, arrays to PNG files, and the changes of size between."""

import pathlib

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
from jaxtyping import Float, Integer, Num, UInt8

from mtl_depth.errors import UserError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm")
METRES_PER_UNIT = 1 / 256  # of a 16-bit depth picture, as in KITTI
_FARTHEST_UNIT = 65535


def read(path: str | pathlib.Path) -> UInt8[np.ndarray, "h w 3"]:
    """The colours, turned as the camera's orientation mark says; grey becomes RGB and opacity is dropped.

    Raises:
        UserError: the file cannot be decoded.
    """
    try:
        with PIL.Image.open(path) as file:
            picture = PIL.ImageOps.exif_transpose(file)
            if picture.mode.startswith(("I", "F")):  # 16-bit grey, which PIL would clip at 255
                grey = np.asarray(picture, np.float32)
                grey = (grey * (255 / max(grey.max(), 255.0))).astype(np.uint8)
                return np.repeat(grey[..., None], 3, axis=-1)
            return np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise UserError(f"{path} cannot be read as a picture ({error}); take it away or make it anew.") from error


def write(path: str | pathlib.Path, picture: UInt8[np.ndarray, "h w 3"]) -> None:
    """Writes a colour picture."""
    PIL.Image.fromarray(picture).save(path)


def write_depth(path: str | pathlib.Path, depth: Float[np.ndarray, "h w"]) -> None:
    """Writes depth as a 16-bit PNG of metres x 256; what lies beyond 255.99 m is stored as 255.99 m."""
    units = np.clip(np.rint(depth / METRES_PER_UNIT), 0, _FARTHEST_UNIT).astype(np.uint16)
    if not cv2.imwrite(str(path), units):
        raise UserError(f"{path} cannot be written; free space or give another folder.")


def resize(image: Num[np.ndarray, "h w *c"], *, size: tuple[int, int]) -> Num[np.ndarray, "H W *c"]:
    """The image at `size` = (height, width): the mean of the covered area where it shrinks, bilinear where it grows."""
    height, width = size
    if image.shape[:2] == (height, width):
        return image
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def resize_nearest(labels: Integer[np.ndarray, "h w"], *, size: tuple[int, int]) -> Integer[np.ndarray, "H W"]:
    """The label map at `size` = (height, width), each pixel the value at its centre."""
    rows, columns = (((np.arange(new) + 0.5) * old / new).astype(np.int64) for new, old in zip(size, labels.shape))
    return labels[rows[:, None], columns]


def resize_depth(depth: Float[np.ndarray, "h w"], *, size: tuple[int, int]) -> Float[np.ndarray, "H W"]:
    """The depth map at `size` = (height, width), interpolated in 1 / depth, as disparity is (SPEC 8)."""
    return 1 / resize(1 / depth, size=size)
