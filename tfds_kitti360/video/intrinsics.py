"""The intrinsics of a video, from numbers, a file or a field of view, with warnings about implausible values."""

import math
from typing import NamedTuple

import numpy as np

from tfds_kitti360.errors import DatasetError
from tfds_kitti360.resize import resize_intrinsics
from tfds_kitti360.video import camera_files

GUESSED_FOV = 70.0  # degrees: a telephone's main camera; dashboard cameras have 90 to 140
_OTHER_SHAPE = math.log(1.2)  # between two aspect ratios: more than pictures are stretched by on purpose
PLAUSIBLE_FOV = (20.0, 150.0)  # degrees; a pinhole camera of a vehicle is within this range


class Intrinsics(NamedTuple):
    """The camera matrix [3 3] in pixels, centre of the top left pixel (0, 0); its origin; warnings about it."""

    matrix: np.ndarray
    origin: str
    warnings: tuple[str, ...]


def choose(text: str | None, fov: float | None, *, size: tuple[int, int]) -> Intrinsics:
    """The intrinsics of frames of `size` (height, width).

    Args:
      text: the value of --intrinsics: `fx,fy,cx,cy` or a file; None: not given.
      fov: the value of --fov: the horizontal field of view in degrees; None: not given.
      size: of the frames.

    Raises:
      DatasetError: both are given, or what is given is no camera.
    """
    if text is not None and fov is not None:
        raise DatasetError("--intrinsics and --fov are alternatives; give only one of them")
    if text is not None:
        camera = camera_files.read(text)
        return _from_numbers(camera, size)
    if fov is not None:
        if not 1 <= fov < 180:
            raise DatasetError(f"--fov={fov:g} is not a field of view in degrees; it must be between 20 and 150")
        origin, warnings = f"--fov={fov:g}", ()
    else:
        fov, origin = GUESSED_FOV, "a guess"
        warnings = (
            f"THE INTRINSICS ARE GUESSED: a horizontal field of view of {fov:g} degrees. Wrong intrinsics ruin depth; "
            "give --intrinsics or --fov, or train with --config.camera.learn=True",
        )
    focal = size[1] / 2 / math.tan(math.radians(fov) / 2)
    matrix = np.array([[focal, 0, (size[1] - 1) / 2], [0, focal, (size[0] - 1) / 2], [0, 0, 1]])
    return Intrinsics(matrix, origin, (*warnings, *oddities(matrix, size=size)))


def lens(text: str | None) -> tuple[float, ...]:
    """The coefficients of OpenCV's lens model (k1, k2, p1, p2, k3, ...) that --intrinsics gives, none for a pinhole."""
    return () if text is None else camera_files.read(text).distortion


def field_of_view(focal: float, side: int) -> float:
    """The field of view in degrees of `side` pixels, for a focal length in pixels."""
    return math.degrees(2 * math.atan(side / 2 / focal))


def oddities(matrix: np.ndarray, *, size: tuple[int, int]) -> list[str]:
    """Warnings about an implausible camera matrix for frames of `size` (height, width)."""
    (height, width), found = size, []
    fx, fy, cx, cy = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
    fov = field_of_view(fx, width)
    if not PLAUSIBLE_FOV[0] <= fov <= PLAUSIBLE_FOV[1]:
        found.append(
            f"a focal length of {fx:.0f} pixels means a field of view of {fov:.0f} degrees for frames {width} wide; "
            "cameras have 20 to 150: are the intrinsics those of another resolution?"
        )
    off_x, off_y = (cx + 0.5) / width - 0.5, (cy + 0.5) / height - 0.5
    if abs(off_x) > 0.1 or abs(off_y) > 0.2:  # cropping above or below is usual, left or right is not
        sentence = (
            f"the principal point ({cx:.0f}, {cy:.0f}) is far from the centre of {height}x{width} frames "
            f"({off_x:+.0%} of the width, {off_y:+.0%} of the height)"
        )
        ratio_x, ratio_y = (cx + 0.5) * 2 / width, (cy + 0.5) * 2 / height
        if abs(ratio_x / ratio_y - 1) < 0.1:
            sentence += (
                f"; it fits frames of about {height * ratio_y:.0f}x{width * ratio_x:.0f}: are the intrinsics those of "
                "another resolution?"
            )
        found.append(sentence)
    if abs(fx / fy - 1) > 0.05:
        found.append(f"fx {fx:.0f} and fy {fy:.0f} differ by {abs(fx / fy - 1):.0%}; most cameras have square pixels")
    return found


def _from_numbers(camera: camera_files.Camera, size: tuple[int, int]) -> Intrinsics:
    numbers, given_size, origin, distortion = camera
    fx, fy, cx, cy = numbers
    if not all(math.isfinite(number) and abs(number) < 1e6 for number in numbers) or min(fx, fy) <= 0:
        raise DatasetError(f"{origin}: {fx:g}, {fy:g}, {cx:g}, {cy:g} are not a camera's fx, fy, cx, cy")
    warnings = []
    if max(abs(number) for number in numbers) < 3:
        height, width = given_size = size
        warnings.append(
            f"{origin}: {fx:g}, {fy:g}, {cx:g}, {cy:g} are taken as fractions of width and height (all are below 3), "
            "not as pixels"
        )
        fx, fy, cx, cy = fx * width, fy * height, cx * width - 0.5, cy * height - 0.5
    elif min(fx, fy) < 3:
        raise DatasetError(
            f"{origin} mixes fractions with pixels ({fx:g}, {fy:g}, {cx:g}, {cy:g}); give fx, fy, cx, cy in pixels"
        )
    matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
    if given_size is not None and given_size != size:
        if abs(math.log(size[1] / size[0] * given_size[0] / given_size[1])) > _OTHER_SHAPE:
            raise DatasetError(
                f"{origin} is for {given_size[0]}x{given_size[1]} pictures (height x width) and these are "
                f"{size[0]}x{size[1]}: one is cropped or rotated; give the intrinsics of these pictures as fx,fy,cx,cy"
            )
        warnings.append(
            f"{origin} is for {given_size[0]}x{given_size[1]} pictures (height x width) and is scaled to the frames', "
            f"{size[0]}x{size[1]}; this is right if these are resized, and wrong if they are cropped"
        )
        matrix = resize_intrinsics(matrix, old=given_size, new=size)
    if distortion:
        warnings.append(f"{origin} has lens distortion; frames are undistorted, which crops them slightly")
    return Intrinsics(matrix, origin, (*warnings, *oddities(matrix, size=size)))
