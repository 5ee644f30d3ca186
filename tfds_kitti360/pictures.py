"""Reads pictures of any common format as upright RGB."""

import io
import os
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import PIL.TiffImagePlugin

from tfds_kitti360.errors import DatasetError
from tfds_kitti360.files import read_bytes

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
FORMATS = ("PNG", "JPEG", "BMP", "DIB", "WEBP", "TIFF", "PPM")  # as Pillow calls them; no others are decoded
MOST_PIXELS = 1 << 26  # of one picture: more than any camera that drives around gives
PIL.Image.init()  # else formats that Pillow has not loaded yet are unknown
_MOST_BYTES = MOST_PIXELS * 12 + (1 << 20)
_BITS = (8, 10, 12, 14, 16, 32)  # that cameras have; a picture says with how many bytes it is stored, not which it uses
_SAMPLED = 8  # pictures of a folder that are read to find the number of bits in use
_SIGNATURES = (
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftyphev", "HEIC"),
    (4, b"ftypmif", "HEIF"),
    (0, b"DDS ", "DDS"),
    (0, b"GIF8", "GIF"),
    (4, b"jP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"JXL ", "JPEG XL"),
    (0, b"8BPS", "Photoshop"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"%PDF", "PDF"),
    (0, b"qoif", "QOI"),
    (0, b"<svg", "SVG"),
    (0, b"<!DOCTYPE", "web page"),
    (0, b"<html", "web page"),
    (0, b"version https://git-lfs", "Git LFS pointer"),
)
_REMEDY = "remove it, or save it again as PNG or JPEG"
_TURNS = {  # EXIF orientation: how the stored picture becomes the upright one
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: np.rot90(image),
}


class _Samples(NamedTuple):
    """Samples [h w] or [h w 3], RGB, upright; and the value of white, None if it is unknown."""

    values: np.ndarray
    white: float | None


def read_picture(source: str | os.PathLike[str] | bytes, *, name: str = "", white: float | None = None) -> np.ndarray:
    """One picture.

    Samples of 8 bits are unchanged; opacity is dropped; grey, palettes and CMYK are converted to RGB; the EXIF
    orientation is applied. Samples of more bits are divided by the largest value of the bits in use: the smallest of
    8, 10, 12, 14, 16 or 32 that can represent the brightest sample. Floats are in [0, 1], and larger ones are white; if
    half of the positive ones are larger than 1, they are scaled like integers.

    Args:
      source: a path, or the content of a file.
      name: name for error messages, if `source` is given as bytes.
      white: the value of white in a picture of more than 8 bits, from `white_level`, so that all frames of a sequence
        have the same brightness. None: as above, from this picture alone.

    Returns:
      uint8 [h w 3], RGB.

    Raises:
      DatasetError: it cannot be read, has an unsupported format, is damaged, animated or larger than 67 million pixels;
        sizes are checked before anything is decoded.
    """
    data, name = _bytes_of(source, name)
    found = _decoded(data, name)
    if found.values.dtype == np.uint8:
        image = found.values
    else:
        image = _eight_bits(found.values, found.white or white or _white(found.values))
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=-1)
    return np.ascontiguousarray(image)


def white_level(paths: Sequence[str | os.PathLike[str]]) -> float | None:
    """The value of white in a sequence of pictures of more than 8 bits, from a few of them; None for 8 bits."""
    chosen = sorted({len(paths) * n // _SAMPLED for n in range(_SAMPLED)}) if paths else []
    return max((white for index in chosen if (white := _white_of(paths[index])) is not None), default=None)


def time_taken(path: str | os.PathLike[str]) -> str | None:
    """When a JPEG was taken by its camera's clock, such as `2024:09:01 23:59:59.123`; None where it does not say."""
    if not os.fsdecode(path).lower().endswith((".jpg", ".jpeg")):
        return None
    try:
        with PIL.Image.open(path, formats=["JPEG"]) as picture:
            noted = picture.getexif().get_ifd(0x8769)
        taken, fraction = (str(noted.get(tag, "")).strip("\0 ") for tag in (36867, 37521))
    except Exception:  # whoever reads the picture says what is wrong with it
        return None
    return f"{taken}.{fraction}" if taken and fraction else taken or None


def _white_of(path: str | os.PathLike[str]) -> float | None:
    try:
        found = _decoded(*_bytes_of(path, ""))
    except DatasetError:  # whoever reads it says so
        return None
    return None if found.values.dtype == np.uint8 else found.white or _white(found.values)


def _white(samples: np.ndarray) -> float:
    if samples.dtype.kind == "f":
        bright = samples[samples > 0]
        if not bright.size or np.median(bright) <= 1:
            return 1.0
    brightest = int(samples.max())
    return float(next(2**bits - 1 for bits in _BITS if brightest < 2**bits or bits == _BITS[-1]))


def _eight_bits(samples: np.ndarray, white: float) -> np.ndarray:
    if samples.dtype.kind == "f":
        return np.rint(np.clip(samples * (255 / white), 0, 255)).astype(np.uint8)
    return (np.clip(samples.astype(np.int64), 0, int(white)) * 255 // int(white)).astype(np.uint8)


def _bytes_of(source: str | os.PathLike[str] | bytes, name: str) -> tuple[bytes, str]:
    if isinstance(source, bytes):
        return source, name or "the picture"
    name = name or str(source)
    try:
        data = read_bytes(source, most=_MOST_BYTES + 1)
    except OSError as error:
        raise DatasetError(f"{name} cannot be read ({error.strerror}); make it readable, or remove it") from None
    if len(data) > _MOST_BYTES:
        raise DatasetError(f"{name} is larger than any picture that is read; {_REMEDY}")
    return data, name


def _decoded(data: bytes, name: str) -> _Samples:
    try:
        if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            deep = _tiff(data, name)
            if deep is not None:
                return deep
        with PIL.Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            _check_size(*picture.size, name)
            if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
                raise DatasetError(
                    f"{name} holds {picture.n_frames} pictures in one file; save each as a separate file"
                )
            upright = PIL.ImageOps.exif_transpose(picture)
            if upright.mode in ("I", "F"):  # of a portable grey map, whose range Pillow has brought to 16 bits
                return _Samples(_finite(np.asarray(upright)), 65535.0 if upright.mode == "I" else None)
            if picture.format == "PNG" and data[24] == 16:
                turn = _TURNS.get(picture.getexif().get(0x0112), lambda image: image)
                return _Samples(turn(_opencv(data)), None)
            return _Samples(np.asarray(upright.convert("RGB")), None)
    except DatasetError:
        raise
    except Exception as error:  # decoders raise many kinds of errors
        raise DatasetError(f"{name} cannot be read as a picture ({_reason(error, data)}); {_REMEDY}") from None


def _tiff(data: bytes, name: str) -> _Samples | None:
    """A TIFF of more than 8 bits per sample, which Pillow supports only in part; None for other TIFF files."""
    tags = PIL.TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if data[2] == 43 or data[3] == 43 else 8])
    file = io.BytesIO(data)
    file.seek(tags.next)
    tags.load(file)
    if 50706 in tags or tags.get(254, 0) & 1:  # DNGVersion; a reduced picture comes first
        raise ValueError("it is the raw file of a camera")
    if 2 in tags.get(339, ()):
        raise ValueError("its samples have a sign")
    bits = max(tags.get(258, (1,)))
    if bits <= 8:
        return None
    _check_size(int(tags[256]), int(tags[257]), name)
    if tags.next:
        raise DatasetError(f"{name} holds several pictures in one file; save each as a separate file")
    if tags.get(262) not in (1, 2):
        raise ValueError("of more than 8 bits a sample, grey and RGB are read")
    if tags.get(284) == 2 and tags.get(277, 1) > 1:  # OpenCV would take the red plane for the picture
        raise ValueError("its colours lie in planes of more than 8 bits, one after the other")
    if 3 in tags.get(339, ()) and bits < 32:
        raise ValueError(f"it holds floats of {bits} bits")
    starts, counts = (tags.get(273, ()), tags.get(279, ())) if 273 in tags else (tags.get(324, ()), tags.get(325, ()))
    if any(start + count > len(data) for start, count in zip(starts, counts)):
        raise ValueError("it is cut off")
    return _Samples(_opencv(data), None)  # OpenCV obeys the orientation of TIFF, of no other kind


def _opencv(data: bytes) -> np.ndarray:
    samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None:
        raise ValueError("it cannot be decoded")
    return _finite(samples if samples.ndim == 2 else samples[..., 2::-1])


def _finite(samples: np.ndarray) -> np.ndarray:
    if samples.dtype.kind == "f" and not np.isfinite(samples).all():
        raise ValueError("it holds NaN or infinity")
    return samples


def _check_size(width: int, height: int, name: str) -> None:
    if not 0 < width * height <= MOST_PIXELS:
        raise DatasetError(
            f"{name} claims to be {height}x{width} (height x width), and pictures of up to {MOST_PIXELS / 1e6:.0f} "
            "million pixels are read; reduce it, or remove it"
        )


def _reason(error: Exception, data: bytes) -> str:
    if not data:
        return "it is empty"
    known = next((kind for start, mark, kind in _SIGNATURES if data[start : start + len(mark)] == mark), None)
    if known:
        return f"its content is {known}"
    if not data.strip(b"\0"):
        return "it holds nothing but zeros"
    if isinstance(error, PIL.UnidentifiedImageError):
        return "it is damaged, or of a kind that is not read"
    return (str(error).splitlines() or [type(error).__name__])[0][:100]
