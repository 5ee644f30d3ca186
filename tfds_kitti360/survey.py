"""Surveys the drives of a download: frames, their files and poses, by listing folders, without opening an image."""

import itertools
import os
import pathlib
import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from tfds_kitti360.errors import DatasetError
from tfds_kitti360.files import list_folder, present, remark
from tfds_kitti360.layout import TEST_DRIVES, Calibration, Layout, cam0_to_world, read_list

LABELS = ("semantic", "instance", "confidence")
_DRIVE = re.compile(r"2013_05_28_drive_([0-9]{4})_sync", re.ASCII)
_NUMBER = re.compile(r"[0-9]{10}", re.ASCII)
_LARGEST = 2**31 - 1  # largest frame number, which is stored in 32 bits
_PHOTOS, _MAPS, _SCANS = (".png", ".jpg", ".jpeg"), (".png",), (".bin",)


class Frame(NamedTuple):
    """The files of one frame, None for missing ones, and its poses."""

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
    """A drive's frames in order, and sentences: about damaged pose rows, about files that are there and not read, and
    counts of what frames lack."""

    id: int
    frames: tuple[Frame, ...]
    damaged: tuple[str, ...]
    unread: tuple[str, ...]
    counts: tuple[str, ...]


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
                if _pictures(layout, drive)[0]:
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
    images, unread = _pictures(layout, drive)
    right, unread_right = _pictures(layout, drive, camera=1)
    labels, scans = {}, {}
    for kind in LABELS:
        labels[kind], sentences = _numbered(layout.labels(drive, kind), _MAPS)
        unread += sentences
    scans, unread_scans = _numbered(layout.scans(drive), _SCANS)
    damaged: dict[str, int | None] = {}
    poses = cam0_to_world(layout, drive, calibration, damaged=damaged if skip_damaged else None)
    camera_from_velo = np.linalg.inv(calibration.velo_from_camera)
    frames = []
    for frame in sorted(set(images) - set(damaged.values())):
        motion = None
        if frame in poses and frame - 1 in poses:
            # float64 throughout: world coordinates are as large as kilometres
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
    return Drive(
        id=drive,
        frames=tuple(frames),
        damaged=tuple(damaged),
        unread=(*unread, *unread_right, *unread_scans),
        counts=tuple(_lacking(drive, images, labels, scans, poses)),
    )


def read_lists(layout: Layout) -> tuple[dict[str, set[tuple[int, int]]] | None, list[str]]:
    """The official lists as (drive, frame) pairs by split, or None unless both are there.

    Returns:
      The lists; and sentences for the user about frames that the lists do not cover.

    Raises:
      DatasetError: a list is malformed or empty, or a frame is in both.
    """
    there = [layout.frame_list(split) for split in ("train", "val") if present(layout.frame_list(split))]
    if len(there) < 2:
        alone = "is there without the other official list, so every drive was split by time"
        return None, [f"{path} {alone}" for path in there]
    lists = {split: read_list(layout.frame_list(split)) for split in ("train", "val")}
    if not lists["train"]:
        raise DatasetError(
            f"{layout.frame_list('train')} lists no frame; unpack the official lists again, or remove both to split "
            "every drive by time"
        )
    if both := lists["train"] & lists["val"]:
        drive, frame = min(both)
        raise DatasetError(
            f"{layout.frame_list('val')} and {layout.frame_list('train').name} both list frame {frame} of drive "
            f"{drive:04d}; unpack the official lists again, or remove both to split every drive by time"
        )
    named = [drive for drive, _ in lists["train"] | lists["val"]]
    empty = [] if lists["val"] else [f"{layout.frame_list('val')} lists no frame, so nothing is val"]
    return lists, empty + [
        f"the lists of train and val name {named.count(drive)} frames of drive {drive:04d}, a test drive of the "
        "benchmark: all of its frames are test, and none is trained on"
        for drive in TEST_DRIVES
        if drive in named
    ]


def unread_folders(layout: Layout, drives: Iterable[int]) -> list[str]:
    """Sentences about folders next to the drives that are not read."""
    found = []
    for folder in (layout.root / "data_2d_raw", layout.root / "data_2d_test"):
        matches = {name: _DRIVE.fullmatch(name) for name in _names(folder)}
        strange = sorted(name for name, match in matches.items() if match is None or int(match[1]) not in drives)
        if strange:
            found.append(
                f"not read in {folder}: {len(strange)} without pictures in 2013_05_28_drive_*_sync/image_00/data_rect "
                f"({', '.join(strange[:3])}{', ...' if len(strange) > 3 else ''})"
            )
    return found


def _lacking(
    drive: int,
    images: dict[int, pathlib.Path],
    labels: dict[str, dict[int, pathlib.Path]],
    scans: dict[int, pathlib.Path],
    poses: dict[int, np.ndarray],
) -> list[str]:
    """Sentences that count what a drive's frames lack, and what has no picture."""
    found = []
    gaps = [(before + 1, after - 1) for before, after in itertools.pairwise(sorted(images)) if after > before + 1]
    if gaps:
        absent = sum(last - first + 1 for first, last in gaps)
        found.append(
            f"drive {drive:04d}: {absent} frame numbers between the first and the last picture have none, in "
            f"{len(gaps)} stretches (the first: {gaps[0][0]} to {gaps[0][1]}); no clip reaches over them"
        )
    for name, there in (
        *((f"{kind} labels", maps) for kind, maps in labels.items()),
        ("scans", scans),
        ("poses", poses),
    ):
        lacking, alone = len(images.keys() - there.keys()), len(there.keys() - images.keys())
        if there and lacking:
            found.append(f"drive {drive:04d}: {lacking} of {len(images)} pictures have no {name}")
        if alone:
            found.append(f"drive {drive:04d}: {alone} {name} have no picture and are left out")
    return found


def _pictures(layout: Layout, drive: int, *, camera: int = 0) -> tuple[dict[int, pathlib.Path], list[str]]:
    """frame -> image of a camera, and sentences about other files; data_2d_raw has priority over data_2d_test."""
    test, unread_test = _numbered(layout.test_images(drive, camera=camera), _PHOTOS)
    raw, unread = _numbered(layout.images(drive, camera=camera), _PHOTOS)
    return test | raw, unread + unread_test


def _names(folder: pathlib.Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DatasetError(f"{folder} cannot be listed ({error.strerror}); make it readable") from None


def _numbered(folder: pathlib.Path, endings: tuple[str, ...]) -> tuple[dict[int, pathlib.Path], list[str]]:
    """frame -> path of the files in a folder whose names have ten digits, and a sentence about other files.

    A missing folder has no frames. If a frame exists twice, the extension that comes first is read.
    """
    if not present(folder):
        return {}, []
    listing = list_folder(folder, endings)
    found: dict[int, pathlib.Path] = {}
    for path in sorted(listing.files, key=lambda path: endings.index(path.suffix.lower())):
        frame = int(path.stem) if _NUMBER.fullmatch(path.stem) else -1
        if frame < 0:
            listing.unread.setdefault("not named by ten digits", []).append(path.name)
        elif frame > _LARGEST:
            listing.unread.setdefault(f"with a number above {_LARGEST}", []).append(path.name)
        elif frame in found:
            listing.unread.setdefault("there twice with another ending", []).append(path.name)
        else:
            found[frame] = path
    return found, [remark(folder, listing.unread)] if listing.unread else []
