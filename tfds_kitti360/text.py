"""Reads text files of numbers; each number is checked, and errors name the file and the line."""

import pathlib

import numpy as np

from tfds_kitti360.errors import DatasetError
from tfds_kitti360.files import read_bytes

RENEW_CALIBRATION = "unpack the official calibration archive again"
_MOST_TEXT_BYTES = 1 << 28  # no text file of KITTI-360 has a hundredth of it


def lines(path: pathlib.Path, *, keep_ends: bool = False) -> list[str]:
    """The lines of a file.

    Raises:
      DatasetError: it is missing, cannot be read, or is not a text file.
    """
    try:
        content = read_bytes(path, most=_MOST_TEXT_BYTES + 1)
        if len(content) > _MOST_TEXT_BYTES:
            raise DatasetError(f"{path} is far too large for the text file it should be; unpack its archive again")
        return content.decode("utf-8-sig").splitlines(keepends=keep_ends)
    except FileNotFoundError:
        raise DatasetError(
            f"{path} is missing; unpack the archive it belongs to (see tfds_kitti360/README.md)"
        ) from None
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); make it readable") from None
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not a text file ({error}); unpack its archive again") from None


def read_keyed(path: pathlib.Path) -> dict[str, str]:
    """Lines "key: values"."""
    return {key.strip(): values for key, _, values in (line.partition(":") for line in lines(path))}


def numbers(path: pathlib.Path, values: dict[str, str], key: str, count: int) -> np.ndarray:
    """The `count` numbers of a line of `read_keyed`; raises DatasetError."""
    if key not in values:
        raise DatasetError(f"{path} has no line {key}:; {RENEW_CALIBRATION}")
    return floats(values[key].split(), count, f"{path}: {key}")


def floats(words: list[str], count: int, where: str, remedy: str = RENEW_CALIBRATION) -> np.ndarray:
    """`count` finite numbers; raises DatasetError, which names `where` they stand."""
    if len(words) != count:
        raise DatasetError(f"{where} does not have the expected {count} numbers; {remedy}")
    try:
        numbers = np.array([float(word) for word in words])
    except ValueError as error:
        raise DatasetError(f"{where} holds a word that is not a number ({str(error)[:80]}); {remedy}") from None
    if not np.all(np.isfinite(numbers)) or np.any(np.abs(numbers) > 1e9):
        raise DatasetError(f"{where} holds NaN, infinity or an absurdly large number; {remedy}")
    return numbers


def rigid(numbers: np.ndarray) -> np.ndarray:
    """12 or 16 numbers, row by row, as a 4x4 matrix."""
    matrix = np.eye(4)
    matrix.reshape(-1)[: numbers.size] = numbers
    return matrix


def check_rigid(matrix: np.ndarray, where: str, remedy: str) -> None:
    """Raises DatasetError unless a 4x4 matrix is a rotation with a translation."""
    rotation = matrix[:3, :3]
    orthogonal = np.abs(rotation @ rotation.T - np.eye(3)).max() < 1e-3  # the files are written with 6 digits
    if not orthogonal or np.linalg.det(rotation) < 0 or not np.array_equal(matrix[3], [0, 0, 0, 1]):
        raise DatasetError(f"{where} is not a rotation with a translation; {remedy}")


def whole(values: np.ndarray) -> bool:
    """Whether all are whole numbers."""
    return bool(np.all(values == np.round(values)))
