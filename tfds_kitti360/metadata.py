"""The metadata of a built data set, which is protected by checksums."""

import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfds_kitti360.clips import CODES, NONE
from tfds_kitti360.errors import DatasetError
from tfds_kitti360.files import read_bytes
from tfds_kitti360.images import STORAGES
from tfds_kitti360.survey import LABELS

FLAGS = ("pose", *LABELS, "scan", "right")
FILES = ("dataset_info.json", "features.json", "metadata.json")
SEAL = "checksums.json"
CAMERAS = ("calibrated", "given", "guessed")  # by KITTI-360's files; by the user; an assumed field of view
_SEALED_SINCE = b'"content":'  # in metadata.json: a key of drives that was introduced together with the checksums


def fingerprint(metadata: Mapping[str, Any]) -> str:
    """A digest of a built data set, 16 hexadecimal digits: frames and their content, intrinsics, splits and sizes. It
    does not depend on the location, nor on the paths, flags or number of workers of the build.
    """
    drives = {}
    for name, drive in metadata["drives"].items():
        places = [None if place is None else np.round(place, 3).tolist() for place in drive["positions"]]
        drives[name] = {key: drive.get(key) for key in ("frames", "splits", "content", *FLAGS)} | {"positions": places}
        if not metadata["stereo"]:
            del drives[name]["right"]
    described = {
        "sizes": [metadata["size"], metadata["image_size"]],
        "intrinsics": [f"{value:.9g}" for value in np.ravel(metadata["intrinsics"])],
        "depth_scale": metadata["depth_scale"],
        "baseline": f"{metadata['baseline']:.9g}" if metadata["stereo"] else None,
        "lossy": metadata["storage"] == "jpeg",
        "drives": drives,
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]


def seal(folder: pathlib.Path) -> None:
    """Writes the checksums of the metadata and of TFDS's records next to them."""
    sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    (folder / SEAL).write_text(json.dumps(sums, indent=1) + "\n", encoding="utf-8")


def check_seal(folder: pathlib.Path, remedy: str) -> None:
    """Compares the files with the checksums.

    Args:
      folder: of the built data set.
      remedy: what to do if the data set has to be built again.

    Raises:
      DatasetError: a file is missing, cannot be read, or is not what the build wrote.
    """
    contents = {}
    for name in (*FILES, SEAL):
        try:
            contents[name] = read_bytes(folder / name)
        except FileNotFoundError:
            if name == SEAL and _SEALED_SINCE not in contents["metadata.json"]:
                return  # built before there were checksums
            raise DatasetError(f"{folder} is not a finished data set, {name} is missing; {remedy}") from None
        except OSError as error:
            raise DatasetError(
                f"{folder / name} cannot be read ({error.strerror}); make it readable; the data set may be intact"
            ) from None
    try:
        sums = dict(json.loads(contents[SEAL]))
    except (ValueError, TypeError, RecursionError):
        sums = {}
    for name in FILES:
        if sums.get(name) != hashlib.sha256(contents[name]).hexdigest():
            raise DatasetError(
                f"{folder / name} was edited or damaged: its checksum is not the one in {SEAL}; restore it, or {remedy}"
            )


def fault(metadata: Mapping[str, Any], stored: Mapping[str, int]) -> str | None:
    """Describes what is wrong with the metadata; None if nothing is.

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
            yield f"{name} is not a height and a width"
    intrinsics = np.array(metadata["intrinsics"], np.float64)
    if intrinsics.shape != (3, 3) or not np.isfinite(intrinsics).all() or min(intrinsics[0, 0], intrinsics[1, 1]) <= 0:
        yield "intrinsics are no camera matrix"
    if not 0 < metadata["depth_scale"] < 1e6 or not np.isfinite(metadata["baseline"]):
        yield "depth_scale or baseline is not a length"
    if type(metadata["stereo"]) is not bool or metadata["storage"] not in STORAGES:
        yield "stereo or storage is none that there is"
    if metadata.get("camera", "calibrated") not in CAMERAS or type(metadata["lists"]) is not bool:
        yield "camera or lists is none that there is"
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
