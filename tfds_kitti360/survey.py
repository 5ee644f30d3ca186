"""What there is of each drive: frames, their files and poses, found by listing folders; no image is opened."""

import os
import pathlib
import re
from typing import NamedTuple

import numpy as np

from tfds_kitti360.errors import DatasetError
from tfds_kitti360.layout import Calibration, Layout, cam0_to_world, read_list

LABELS = ("semantic", "instance", "confidence")
_DRIVE = re.compile(r"2013_05_28_drive_([0-9]{4})_sync", re.ASCII)
_IMAGE = re.compile(r"([0-9]{10})\.png", re.ASCII)
_SCAN = re.compile(r"([0-9]{10})\.bin", re.ASCII)


class Frame(NamedTuple):
    """The files of one frame, None where there is none, and its poses."""

    id: int
    image: pathlib.Path
    right: pathlib.Path | None
    semantic: pathlib.Path | None
    instance: pathlib.Path | None
    confidence: pathlib.Path | None
    scan: pathlib.Path | None
    pose: np.ndarray | None  # [4 4] rectified camera 0 to world, float64
    velo_from_previous: np.ndarray | None  # [4 4] motion of the scanner since the frame before


class Drive(NamedTuple):
    """A drive's frames in order, and the sentences about damaged pose rows."""

    id: int
    frames: tuple[Frame, ...]
    damaged: tuple[str, ...]


def find_drives(layout: Layout) -> list[int]:
    """Drives that have images.

    Raises:
      DatasetError: there is none.
    """
    found = set()
    for folder in ("data_2d_raw", "data_2d_test"):
        for name in _names(layout.root / folder):
            if match := _DRIVE.fullmatch(name):
                drive = int(match[1])
                if _numbered(layout.images(drive), _IMAGE) or _numbered(layout.test_images(drive), _IMAGE):
                    found.add(drive)
    if not found:
        there = ", ".join(sorted(_names(layout.root))[:8]) or "nothing"
        raise DatasetError(
            f"no drive found below {layout.root}: there is {there}, but no image in "
            "data_2d_raw/2013_05_28_drive_*_sync/image_00/data_rect/; --manual_dir has to be the folder that holds "
            "data_2d_raw and calibration"
        )
    return sorted(found)


def survey_drive(layout: Layout, drive: int, calibration: Calibration, *, skip_damaged: bool) -> Drive:
    """Lists a drive.

    Raises:
      DatasetError: a pose row is malformed, unless `skip_damaged`: then its frame is left out.
    """
    images = _numbered(layout.test_images(drive), _IMAGE) | _numbered(layout.images(drive), _IMAGE)
    right = _numbered(layout.test_images(drive, camera=1), _IMAGE) | _numbered(layout.images(drive, camera=1), _IMAGE)
    labels = {kind: _numbered(layout.labels(drive, kind), _IMAGE) for kind in LABELS}
    scans = _numbered(layout.scans(drive), _SCAN)
    damaged: dict[str, int | None] = {}
    poses = cam0_to_world(layout, drive, calibration, damaged=damaged if skip_damaged else None)
    camera_from_velo = np.linalg.inv(calibration.velo_from_camera)
    frames = []
    for frame in sorted(set(images) - set(damaged.values())):
        motion = None
        if frame in poses and frame - 1 in poses:
            # float64 throughout: world coordinates are kilometres
            camera_motion = np.linalg.inv(poses[frame]) @ poses[frame - 1]
            motion = calibration.velo_from_camera @ camera_motion @ camera_from_velo
        frames.append(
            Frame(
                id=frame,
                image=images[frame],
                right=right.get(frame),
                **{kind: labels[kind].get(frame) for kind in LABELS},
                scan=scans.get(frame),
                pose=poses.get(frame),
                velo_from_previous=motion,
            )
        )
    return Drive(drive, tuple(frames), tuple(damaged))


def read_lists(layout: Layout) -> tuple[dict[str, set[tuple[int, int]]] | None, str]:
    """The official lists as (drive, frame) pairs by split, or None unless both are there.

    Returns:
      The lists; and a sentence for the user where one is there without the other, else "".

    Raises:
      DatasetError: a list is malformed, or a frame stands in both.
    """
    there = [layout.frame_list(split) for split in ("train", "val") if layout.frame_list(split).exists()]
    if len(there) < 2:
        alone = (
            f"{there[0]} is there without the other official list, so every drive was split by time" if there else ""
        )
        return None, alone
    lists = {split: read_list(layout.frame_list(split)) for split in ("train", "val")}
    if both := lists["train"] & lists["val"]:
        drive, frame = min(both)
        raise DatasetError(
            f"{layout.frame_list('val')} and {layout.frame_list('train').name} both list frame {frame} of drive "
            f"{drive:04d}; unpack the official lists again, or remove both to split every drive by time"
        )
    return lists, ""


def _names(folder: pathlib.Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DatasetError(f"{folder} cannot be listed ({error.strerror}); make it readable") from None


def _numbered(folder: pathlib.Path, pattern: re.Pattern[str]) -> dict[int, pathlib.Path]:
    """frame -> path of the files in a folder whose whole name fits; an absent folder has none."""
    return {int(match[1]): folder / name for name in _names(folder) if (match := pattern.fullmatch(name))}
