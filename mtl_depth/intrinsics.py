"""The pinhole matrix of pictures that come from anywhere: from the command line, a file, or a stated guess."""

import math
import pathlib

import numpy as np
from jaxtyping import Float

from mtl_depth.errors import UserError

DEFAULT_FIELD = 70.0  # degrees across, of a usual dash camera or telephone
_FORMS = "fx,fy,cx,cy in pixels, or a file with those four numbers, a 3x3 matrix, or a P_rect_00 line of KITTI"
_SMALLEST_FOCAL = 10  # pixels; below, they are surely in widths of the picture


def parse(text: str) -> Float[np.ndarray, "3 3"]:
    """Intrinsics in pixels from `fx,fy,cx,cy` or from a file of 4, 9 or 12 numbers (the last a 3x4 projection).

    Of a KITTI or KITTI-360 calibration file (`name: numbers`), the line P_rect_00 (or P2 or K) is read.

    Raises:
        UserError: these are not intrinsics in pixels.
    """
    file, shown = pathlib.Path(text), " ".join(text.split())[:200]  # for messages: one line
    try:
        content = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else text
    except (OSError, ValueError):  # a name that no file can have, or a file that may not be read
        content = text
    lines = dict(line.split(":", 1) for line in content.splitlines() if ":" in line)
    content = next((lines[name] for name in ("P_rect_00", "P2", "K") if name in lines), content)
    try:
        numbers = [float(word) for word in content.replace(",", " ").replace("[", " ").replace("]", " ").split()]
    except ValueError:
        raise UserError(f"--intrinsics={shown} cannot be read; give {_FORMS}.") from None
    if len(numbers) == 4:
        fx, fy, cx, cy = numbers
        matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    elif len(numbers) in (9, 12):
        matrix = np.array(numbers).reshape(3, -1)[:, :3]
    else:
        raise UserError(f"--intrinsics={shown} has {len(numbers)} numbers; give {_FORMS}.")
    if not np.isfinite(matrix).all() or min(matrix[0, 0], matrix[1, 1]) < _SMALLEST_FOCAL:
        raise UserError(
            f"--intrinsics={shown}: focal lengths of {matrix[0, 0]:g} and {matrix[1, 1]:g} are not in pixels; "
            "multiply normalised ones by the picture's width and height."
        )
    return matrix


def from_field(size: tuple[int, int], *, degrees: float = DEFAULT_FIELD) -> Float[np.ndarray, "3 3"]:
    """Square pixels, the axis in the middle and a horizontal field of view; `size` is (height, width)."""
    height, width = size
    focal = width / 2 / math.tan(math.radians(degrees) / 2)
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])


def resized(
    matrix: Float[np.ndarray, "3 3"], *, old: tuple[int, int], new: tuple[int, int]
) -> Float[np.ndarray, "3 3"]:
    """Intrinsics of the same pictures at another size (height, width); pixel centres are at whole numbers."""
    y, x = (after / before for after, before in zip(new, old))
    half = np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])  # corners at whole numbers, where scaling is a product
    return np.diag([x, y, 1]) @ (matrix + half) - half


def field(intrinsics: Float[np.ndarray, "3 3"], *, width: int) -> float:
    """Horizontal field of view in degrees."""
    return math.degrees(2 * math.atan(width / 2 / intrinsics[0, 0]))
