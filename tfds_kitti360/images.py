"""Reads PNG files, which are checked for damage before they are decoded, and encodes images for storage."""

import io
import pathlib
import struct

import cv2
import numpy as np
import PIL.Image

from tfds_kitti360.errors import DatasetError
from tfds_kitti360.files import read_bytes

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MODES = {(3, 8): (2, np.uint8), (1, 8): (0, np.uint8), (1, 16): (0, np.uint16)}  # (channels, bits): colour type, dtype
_MODE_NAMES = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
REMEDY = "unpack its archive again, or pass --skip_damaged to leave the frame out"

STORAGES = ("png", "jpeg", "raw")  # how photographs may be stored; labels and depth are PNG always

# Photographs: no string matching, 40 % less time to write than the default and 5 % smaller.
_PHOTO = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY]
# Colours at full size: at half size, as is usual, the mean error is one and a half times as large.
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
_MAP = [cv2.IMWRITE_PNG_COMPRESSION, 1]  # run lengths would be smaller by a third and take half as long again to read


def read_png(
    path: pathlib.Path, *, size: tuple[int, int], channels: int = 1, bits: int = 8
) -> tuple[bytes, np.ndarray]:
    """Reads one PNG of the given size, channels and bits.

    Args:
      path: the file.
      size: height, width it must have.
      channels: 3 for RGB, 1 for grey.
      bits: 8 or 16 a channel.

    Returns:
      The file's bytes, and the picture as [h w 3] (red first) or [h w] of uint8 or uint16.

    Raises:
      DatasetError: the file is unreadable, no PNG, truncated, damaged, or of another size, mode or bit depth. Sizes are
        compared before anything is decoded, so a header that lies costs no memory.
    """
    color_type, dtype = _MODES[channels, bits]
    height, width = size
    most = 2 * (height * (width * channels * bits // 8 + 1)) + (1 << 20)  # stored deflate is larger by a permille
    try:
        data = read_bytes(path, most=most + 1)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); {REMEDY}") from None
    if len(data) < 33 or not data.startswith(_SIGNATURE) or data[12:16] != b"IHDR":
        raise DatasetError(f"{path} is not a PNG image ({len(data)} bytes); {REMEDY}")
    found_width, found_height, found_bits, found_type = struct.unpack(">IIBB", data[16:26])
    if (found_height, found_width) != (height, width):
        raise DatasetError(
            f"{path} is {found_height}x{found_width} where calibration/perspective.txt says {height}x{width} (height x "
            f"width); {REMEDY}"
        )
    if (found_type, found_bits) != (color_type, bits):
        raise DatasetError(
            f"{path} is a {found_bits}-bit {_MODE_NAMES.get(found_type, 'unknown')} image where {bits}-bit "
            f"{_MODE_NAMES[color_type]} belongs; {REMEDY}"
        )
    if len(data) > most:
        raise DatasetError(f"{path} is larger than any image of its size; {REMEDY}")
    _check_chunks(data, path)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    shape = (height, width, 3) if channels == 3 else (height, width)
    if image is None or image.shape != shape or image.dtype != dtype:
        raise DatasetError(f"{path} cannot be decoded; {REMEDY}")
    return data, image[..., ::-1] if channels == 3 else image


def write_photo(image: np.ndarray, storage: str = "png") -> bytes | np.ndarray:
    """Encodes uint8 [h w 3], RGB, as one of `STORAGES`: PNG that is fast to read, JPEG of quality 95, or raw bytes."""
    if storage == "raw":
        return np.ascontiguousarray(image)
    ending, options = {"png": (".png", _PHOTO), "jpeg": (".jpg", _JPEG)}[storage]
    return cv2.imencode(ending, image[..., ::-1], options)[1].tobytes()


def write_map(image: np.ndarray) -> bytes:
    """Encodes uint8 or uint16 [h w], labels or sparse depth, as PNG."""
    return cv2.imencode(".png", image, _MAP)[1].tobytes()


def _check_chunks(data: bytes, path: pathlib.Path) -> None:
    """Checks that every chunk up to the end chunk is complete and has the right checksum."""
    try:
        PIL.Image.open(io.BytesIO(data), formats=["PNG"]).verify()
    except SyntaxError:
        raise DatasetError(f"{path} is damaged (a checksum differs); {REMEDY}") from None
    except (OSError, ValueError):
        raise DatasetError(f"{path} is truncated; {REMEDY}") from None
