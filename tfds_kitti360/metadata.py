"""Whether the metadata of a built data set can be what `plan` wrote: a damaged file is never read half."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfds_kitti360.clips import CODES, NONE
from tfds_kitti360.images import STORAGES
from tfds_kitti360.survey import LABELS

FLAGS = ("pose", *LABELS, "scan", "right")


def fault(metadata: Mapping[str, Any], stored: Mapping[str, int]) -> str | None:
    """What is wrong with the metadata, in a few words, or None.

    Args:
      metadata: as read.
      stored: records by split (`drive_0000`).
    """
    try:
        return next(_faults(metadata, stored), None)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        return f"{type(error).__name__} {str(error)[:80]}"


def _faults(metadata: Mapping[str, Any], stored: Mapping[str, int]):
    for name in ("size", "image_size"):
        if len(metadata[name]) != 2 or not all(type(side) is int and 0 < side <= 1 << 14 for side in metadata[name]):
            yield f"{name} is no height and width"
    intrinsics = np.array(metadata["intrinsics"], np.float64)
    if intrinsics.shape != (3, 3) or not np.isfinite(intrinsics).all() or min(intrinsics[0, 0], intrinsics[1, 1]) <= 0:
        yield "intrinsics are no camera matrix"
    if not 0 < metadata["depth_scale"] < 1e6 or not np.isfinite(metadata["baseline"]):
        yield "depth_scale or baseline is no length"
    if type(metadata["stereo"]) is not bool or metadata["storage"] not in STORAGES:
        yield "stereo or storage is none that there is"
    if not isinstance(metadata["settings"]["manual_dir"], str):
        yield "settings name no folder"
    drives = metadata["drives"]
    if {f"drive_{name}": len(drive["frames"]) for name, drive in drives.items()} != dict(stored):
        yield "drives and frames are not those that are stored"
    for name, drive in drives.items():
        frames = np.array(drive["frames"])
        if frames.ndim != 1 or frames.dtype.kind != "i" or frames[0] < 0 or np.any(np.diff(frames) <= 0):
            yield f"the frames of drive {name} are no ascending numbers"
        if not set(drive["splits"]) <= {NONE, *CODES.values()} or any(set(drive[flag]) - {"0", "1"} for flag in FLAGS):
            yield f"splits or flags of drive {name} hold a letter that means nothing"
        if {len(drive[key]) for key in ("splits", "positions", *FLAGS)} != {len(frames)}:
            yield f"drive {name} has lists of different lengths"
        known = np.array([place for place in drive["positions"] if place is not None], np.float64)
        if known.size and (known.shape[1:] != (3,) or not np.isfinite(known).all()):
            yield f"positions of drive {name} are no points"
