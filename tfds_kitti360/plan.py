"""The plan of a build, checked before an image is opened, and its description in the metadata."""

import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tfds_kitti360 import clips, survey
from tfds_kitti360.errors import DatasetError
from tfds_kitti360.frames import DEPTH_SCALE, Recipe
from tfds_kitti360.layout import TEST_DRIVES, Calibration, Layout

Lists = dict[str, set[tuple[int, int]]]


class Plan(NamedTuple):
    """The frames of a build by drive, the official lists if there are any, and the settings of a record."""

    root: pathlib.Path
    recipe: Recipe
    drives: tuple[survey.Drive, ...]
    lists: Lists | None
    remarks: tuple[str, ...]  # sentences about anything that the user may not expect
    counts: tuple[str, ...]  # sentences that count what frames lack


def make_plan(
    root: pathlib.Path,
    *,
    size: tuple[int, int],
    drives: Sequence[int],
    stereo: bool,
    storage: str,
    skip_damaged: bool,
) -> Plan:
    """Surveys a KITTI-360 download.

    Args:
      root: the folder that holds data_2d_raw and calibration.
      size: height, width of the stored images.
      drives: numbers of the drives wanted; empty: all there are.
      stereo: whether right images are stored.
      storage: how images are stored, one of `images.STORAGES`.
      skip_damaged: leave damaged frames out instead of raising.

    Raises:
      DatasetError: there is nothing usable, a text file is malformed, or the settings cannot be satisfied.
    """
    layout = Layout(root)
    there = survey.find_drives(layout)
    if absent := sorted(set(drives) - set(there)):
        raise DatasetError(
            f"drive {absent[0]:04d} has no images below {root}, where the drives are "
            f"{', '.join(f'{drive:04d}' for drive in there)}; unpack its images or leave it out of --drives"
        )
    calibration = Calibration.load(root)
    if any(new > old for new, old in zip(size, calibration.size)):
        raise DatasetError(
            f"--size={size[0]}x{size[1]} is larger than the images of {root}, which have "
            f"{calibration.size[0]}x{calibration.size[1]}; images are never enlarged, choose that size or a smaller one"
        )
    if stereo:
        calibration.check_stereo(root)
    lists, remarks = survey.read_lists(layout)
    surveyed = tuple(
        survey.survey_drive(layout, drive, calibration, skip_damaged=skip_damaged)
        for drive in there
        if not drives or drive in drives
    )
    remarks += survey.unread_folders(layout, there) + [sentence for drive in surveyed for sentence in drive.unread]
    plan = Plan(
        root=root,
        recipe=Recipe(calibration, tuple(size), storage, stereo, skip_damaged),
        drives=surveyed,
        lists=lists,
        remarks=(),
        counts=tuple(sentence for drive in surveyed for sentence in drive.counts),
    )
    described = [describe(drive.id, drive.frames, plan.lists) for drive in plan.drives]
    check_clips(plan, described)
    if lists and not any(clips.TRAIN in drive["splits"] for drive in described):
        remarks.append("none of the frames is in the official train list, so this data set cannot be trained on")
    return plan._replace(remarks=tuple(remarks))


def describe(drive: int, frames: Sequence[survey.Frame], lists: Lists | None, *, content: str = "") -> dict[str, Any]:
    """The metadata of a drive, JSON values, every list in frame order.

    `content`: a digest of the frames; `frames`: ids; `splits`: a string with a code of `clips.CODES` or "-"
    for each frame; `pose`, `semantic`, `instance`, `confidence`, `scan`, `right`: a string with "1" for each frame that
    has it, else "0"; `positions`: [x, y, z] of the left camera in the world, metres, or None.
    """
    ids = [frame.id for frame in frames]
    return {
        "content": content,
        "frames": ids,
        "splits": _splits(drive, ids, lists),
        **{
            kind: "".join("0" if getattr(frame, kind) is None else "1" for frame in frames)
            for kind in ("pose", *survey.LABELS, "scan", "right")
        },
        "positions": [None if frame.pose is None else frame.pose[:3, 3].round(4).tolist() for frame in frames],
    }


def positions(description: dict[str, Any]) -> np.ndarray:
    """[n 3] metres, NaN where the pose is unknown, of a drive's metadata."""
    rows = [[np.nan] * 3 if row is None else row for row in description["positions"]]
    return np.array(rows, np.float64).reshape(-1, 3)


def has_clip(description: dict[str, Any], *, split: str | None = None) -> bool:
    """Whether three consecutive frames of a drive make a clip, of any split or of one."""
    frames, splits, where = np.array(description["frames"]), description["splits"], positions(description)
    return any(len(clips.clips(frames, splits, where, split=name)) for name in ([split] if split else clips.CODES))


def check_clips(plan: Plan, descriptions: Sequence[dict[str, Any]]) -> None:
    """Raises DatasetError unless one of the drives has a usable clip."""
    if not any(has_clip(description) for description in descriptions):
        frames = sum(len(description["frames"]) for description in descriptions)
        listed = " and listed in the official lists" if plan.lists is not None else ""
        raise DatasetError(
            f"no drive below {plan.root} has a usable clip among its {frames} frames: three frames that follow each "
            f"other{listed}, with neighbours 0.03 to 3 m apart where poses are known; unpack more images"
        )


def settings_of(
    root: pathlib.Path, *, size: tuple[int, int], drives: Sequence[int], stereo: bool, storage: str
) -> dict[str, Any]:
    """The settings that two equal builds have in common, as JSON values."""
    return {
        "manual_dir": str(root.resolve()),
        "size": list(size),
        "drives": sorted(drives),
        "stereo": stereo,
        "storage": storage,
    }


def metadata_of(plan: Plan, *, camera: str) -> dict[str, Any]:
    """The metadata of all drives together, before the first frame is read; JSON values. `camera`: how the intrinsics
    are known, one of `metadata.CAMERAS`."""
    calibration = plan.recipe.calibration
    return {
        "size": list(plan.recipe.size),
        "image_size": list(calibration.size),
        "intrinsics": plan.recipe.intrinsics.tolist(),
        "camera": camera,
        "baseline": calibration.baseline,
        "depth_scale": DEPTH_SCALE,
        "stereo": plan.recipe.stereo,
        "storage": plan.recipe.storage,
        "lists": plan.lists is not None,
        "remarks": list(plan.remarks),
        "counts": list(plan.counts),
        "drives": {},
        "skipped": [sentence for drive in plan.drives for sentence in drive.damaged],
    }


def _splits(drive: int, frames: Sequence[int], lists: Lists | None) -> str:
    if lists is None:
        return clips.split_by_time(len(frames))
    mine = {split: {frame for number, frame in pairs if number == drive} for split, pairs in lists.items()}
    return clips.split_by_lists(frames, train=mine["train"], val=mine["val"], test=drive in TEST_DRIVES)
