"""The settings of a city, their checks, and the check of the output folder."""

import json
import pathlib
from typing import Any, NamedTuple

from tfds_kitti360.errors import DatasetError

DRIVES = (0, 2, 3, 4, 5, 6, 7, 9, 10)  # the numbers of the real drives that have labels
_SMALLEST, _LARGEST = 32, 4096
_SHORTEST, _LONGEST = 0.2, 2.0
_VERSION = 1  # raise it when the pictures change


class Settings(NamedTuple):
    drives: int
    frames: int
    size: tuple[int, int]  # height, width
    seed: int
    stereo: bool
    truth: bool = True  # whether the exact depth and the moving masks of every frame are written
    scans: bool = True  # whether the scanner runs
    traps: bool = False  # whether labels and pictures are missing where they are in the real data set
    variety: bool = False  # whether every drive has its own light, camera response, kind of street and plants
    focal: float | None = None  # fx / width of the cameras; None is the real one, or drawn where there is variety

    def as_json(self) -> dict[str, Any]:
        values = {"version": _VERSION, **self._asdict(), "size": list(self.size)}
        for name in ("truth", "scans", "traps", "variety", "focal"):
            if values[name] == self._field_defaults[name]:
                del values[name]  # as in the cities drawn before there was a choice
        return values


def parse_size(text: str) -> tuple[int, int]:
    """`376x1408` -> (376, 1408), height first.

    Raises:
      DatasetError: not of this form or not a size that can be drawn.
    """
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdecimal() and len(part) < 6 for part in parts):
        raise DatasetError(f"--size={text} is not of the form HEIGHTxWIDTH, such as 376x1408")
    height, width = (int(part) for part in parts)
    if not (_SMALLEST <= height <= _LARGEST and _SMALLEST <= width <= _LARGEST):
        raise DatasetError(f"--size={text} has a side outside {_SMALLEST} to {_LARGEST}; the real size is 376x1408")
    return height, width


def check(settings: Settings) -> None:
    """Raises DatasetError for settings that are invalid."""
    if not 1 <= settings.drives <= len(DRIVES):
        raise DatasetError(
            f"--drives={settings.drives}: the city has 1 to {len(DRIVES)} drives, as many as the real set has "
            "with labels; pass more --frames for more data"
        )
    if settings.frames < 3:
        raise DatasetError(f"--frames={settings.frames}: a drive needs 3 frames or more to make a clip")
    if settings.focal is not None and not _SHORTEST <= settings.focal <= _LONGEST:
        raise DatasetError(
            f"--focal={settings.focal:g}: the focal length is a share of the image's width, {_SHORTEST} to {_LONGEST}; "
            "that of the real cameras is 0.39"
        )
    if settings.seed < 0:
        raise DatasetError(f"--seed={settings.seed}: the seed must be a whole number, 0 or larger")


def check_folder(out: pathlib.Path, settings: Settings) -> None:
    """Raises DatasetError if `out` contains anything but a city with the same settings, finished or not."""
    record = out / "city.json"
    if record.exists():
        try:
            found = json.loads(record.read_text())
        except ValueError:
            found = None
        if found != settings.as_json():
            raise DatasetError(f"{out} holds a city with other settings ({record}); choose another folder or delete it")
    elif out.is_dir() and any(out.iterdir()):
        raise DatasetError(f"{out} is not empty and was not written by this command; choose another folder")
    elif out.exists() and not out.is_dir():
        raise DatasetError(f"{out} is a file; --out needs a folder")
