"""Opens and checks the built data set, and plans its clips and frames from the metadata, without reading a record."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from mtl_depth.config import Data
from mtl_depth.errors import UserError
from tfds_kitti360 import clips as clip_rules
from tfds_kitti360.errors import DatasetError

# Of training only: labels of the neighbours b h w s, and the target's right image with `right_from_target` b 1 4 4.
READS = frozenset({"source_from_target", "semantic", "instance", "confidence", "depth"})
READS |= {"source_semantic", "image_right"}
TRUTHS = ("depth", "semantic", "instance")  # a frame with one of these, if requested, can be evaluated

Reads = frozenset[str]


class Clip(NamedTuple):
    """Frames of one drive, by their positions in it, in temporal order; the middle one is the target."""

    drive: int
    positions: tuple[int, ...]
    part: int = 0  # of a mixture of data sets


@dataclasses.dataclass(frozen=True)
class Dataset:
    """An opened data set; planning needs only its metadata.

    Attributes:
        path: folder of the built data set.
        metadata: its metadata.
        others: further data sets, possibly of other cameras, that training clips are drawn from as well.
    """

    path: pathlib.Path
    metadata: Mapping[str, Any] = dataclasses.field(repr=False)
    others: tuple["Dataset", ...] = ()

    @property
    def parts(self) -> tuple["Dataset", ...]:
        """This data set and the others."""
        return (self, *self.others)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the stored images."""
        return tuple(self.metadata["size"])

    @property
    def camera(self) -> Literal["calibrated", "given", "guessed"]:
        """Source of the intrinsics: KITTI-360's files, the user who built it, or an assumed field of view."""
        return self.metadata.get("camera", "calibrated")

    @property
    def has_lists(self) -> bool:
        """Whether the official lists define train and val; otherwise every drive is split by time."""
        return self.metadata["lists"]

    @functools.cached_property
    def fingerprint(self) -> str:
        """A digest of the content, independent of location and build; see `tfds_kitti360.metadata`."""
        from tfds_kitti360 import metadata

        return "+".join(metadata.fingerprint(part.metadata) for part in self.parts)

    @functools.cached_property
    def splits(self) -> dict[str, list[tuple[int, int]]]:
        """train, val and test as (drive, position in the drive)."""
        codes = [(int(name), drive["splits"]) for name, drive in self.metadata["drives"].items()]
        return {
            split: [
                (drive, position) for drive, string in codes for position, code in enumerate(string) if code == wanted
            ]
            for split, wanted in clip_rules.CODES.items()
        }

    def has(self, kind: str) -> dict[int, np.ndarray]:
        """By drive, which frames have a `pose`, `semantic`, `instance`, `confidence` or `depth`; bool [frames]."""
        kind = "scan" if kind == "depth" else kind
        return {int(name): np.array(list(drive[kind])) == "1" for name, drive in self.metadata["drives"].items()}


def open_dataset(data: Data) -> Dataset:
    """Opens what `python -m tfds_kitti360.build` has built in `data.data_dir`.

    Several folders, separated by commas, are a mixture: training draws its clips from all of them, everything else uses
    the first.

    Raises:
        UserError: there is no built data set, it is unfinished, incomplete or changed, its images are smaller than
            `data.size`, or a setting of `data` is invalid.
    """
    _check_settings(data)
    folders = [data.data_dir] if os.path.isdir(data.data_dir) else data.data_dir.split(",")
    first, *others = (_open_one(dataclasses.replace(data, data_dir=folder)) for folder in folders)
    return dataclasses.replace(first, others=tuple(others))


def _open_one(data: Data) -> Dataset:
    import tensorflow_datasets as tfds

    from tfds_kitti360 import files, metadata
    from tfds_kitti360.kitti360_dataset_builder import Builder

    again = f"delete that folder and run: {_build_command(data)}"
    try:
        folder = files.expand(data.data_dir) / "kitti360"
        path = folder / str(Builder.VERSION)
        if not path.is_dir():
            state = "an unfinished build only" if any(folder.glob("incomplete.*")) else "no built data set"
            raise UserError(f"{data.data_dir} holds {state}; build it with: {_build_command(data)}")
        metadata.check_seal(path, again)
    except DatasetError as error:
        raise UserError(str(error)) from None
    except OSError as error:
        raise UserError(f"{data.data_dir} cannot be read ({error.strerror}); make it readable.") from None
    try:
        builder = tfds.builder_from_directory(str(path))
        found = dict(builder.info.metadata)
        fault = metadata.fault(found, {name: split.num_examples for name, split in builder.info.splits.items()})
    except Exception as error:  # TFDS raises many kinds of errors for a damaged file
        if isinstance(error, OSError) and error.strerror and not isinstance(error, FileNotFoundError):
            raise UserError(f"{path} cannot be read ({error.strerror}); the data set may be intact.") from None
        fault = f"{type(error).__name__}: {error}".splitlines()[0][:120]
    if fault:
        raise UserError(f"{path} is damaged ({fault}); {again}")
    if missing := [file for split in builder.info.splits.values() for file in split.filepaths if not file.exists()]:
        raise UserError(f"{missing[0]} is missing; delete {path} and run: {_build_command(data)}")
    dataset = Dataset(path, found)
    if any(wanted > stored for wanted, stored in zip(data.size, dataset.size)):
        raise UserError(
            f"config.data.size={data.size[0]},{data.size[1]} is larger than the images stored in {path}, which have "
            f"{dataset.size[0]},{dataset.size[1]}; choose a smaller size, or delete that "
            f"folder and run: {_build_command(data)}"
        )
    return dataset


def clips(dataset: Dataset, data: Data, *, split: str, reads: Reads) -> list[Clip]:
    """The clips of a split, drive by drive, reduced to the evenly spaced subset that `data` specifies.

    Every frame of a clip has a pose if `reads` has "source_from_target". Targets need no labels, but there are no clips
    if `reads` names labels that no frame of the split has.

    Raises:
        UserError: there is no such split, or `reads` has "image_right" and the data set was built without.
    """
    _check_request(split, reads)
    found = [
        clip._replace(part=index)
        for index, part in enumerate(dataset.parts if split == "train" else (dataset,))
        for clip in _all_clips(part, data, split=split, reads=reads)
    ]
    wanted = data.train_frames if split == "train" else data.eval_frames
    return [found[i] for i in clip_rules.evenly_spaced(len(found), wanted)]


def _all_clips(dataset: Dataset, data: Data, *, split: str, reads: Reads) -> list[Clip]:
    """The clips of a split of one data set."""
    from tfds_kitti360 import plan

    if "image_right" in reads and not dataset.metadata["stereo"]:  # the flags are about the files of the download
        raise UserError(
            f"{dataset.path} holds no right images, which config.tasks.depth.stereo needs; delete that folder and "
            "build again with --stereo, or leave the setting out"
        )
    found: list[Clip] = []
    posed, labelled = dataset.has("pose"), [dataset.has(kind) for kind in ("semantic", "instance") if kind in reads]
    for name, drive in dataset.metadata["drives"].items():
        number = int(name)
        ids, where = np.array(drive["frames"]), plan.positions(drive)
        rule = {"split": split, "length": data.clip_length, "stride": data.stride}
        index = clip_rules.clips(ids, drive["splits"], where, **rule)
        if "source_from_target" in reads:
            index = index[posed[number][index].all(axis=1)]
        if "image_right" in reads:
            index = index[dataset.has("right")[number][index[:, data.clip_length // 2]]]
        found += [Clip(number, tuple(row)) for row in index.tolist()]
    middle = data.clip_length // 2
    if any(not any(has[clip.drive][clip.positions[middle]] for clip in found) for has in labelled):
        return []
    return found


def why_no_clip(dataset: Dataset, data: Data, *, split: str, reads: Reads) -> str:
    """Why `clips` finds none and what to do about it, as a continuation of "there is no clip: "."""
    frames = len(dataset.splits[split])
    if not frames:
        others = ", ".join(f"{len(found)} {name}" for name, found in dataset.splits.items() if found)
        if not dataset.has_lists:
            return f"none of its frames is {split} ({others}); build more frames"
        return (
            f"none of its frames is {split} ({others}), as the official lists say, or because its drives are test "
            "drives of the benchmark; build drives that the lists name, or remove both lists to split drives by time"
        )
    if not clips(dataset, data, split=split, reads=frozenset()):
        return (
            f"no {data.clip_length} of its {frames} {split} frames follow each other at config.data.stride="
            f"{data.stride} with 0.03 to 3 m between neighbours where poses are known; build more frames"
        )
    if "source_from_target" in reads and not clips(dataset, data, split=split, reads=frozenset({"source_from_target"})):
        posed = sum(int(dataset.has("pose")[drive][position]) for drive, position in dataset.splits[split])
        return (
            f"{posed} of its {frames} {split} frames have poses, and no {data.clip_length} of these follow each other; "
            "set --config.tasks.depth.motion=predicted, or build with the official poses"
        )
    lacking = [kind for kind in ("semantic", "instance") if kind in reads and not _has_any(dataset, split, kind)]
    if lacking:
        return (
            f"none of its {frames} {split} frames has {' or '.join(lacking)} labels; choose tasks that it has truth "
            "for, or build with the official labels"
        )
    return f"none of its {frames} {split} frames has all of {', '.join(sorted(reads))}; choose other tasks"


def frames(dataset: Dataset, data: Data, *, split: str, reads: Reads) -> int:
    """The number of frames that `evaluation_batches` yields."""
    return len(evaluation_frames(dataset, data, split=split, reads=reads))


def evaluation_frames(dataset: Dataset, data: Data, *, split: str, reads: Reads) -> list[Clip]:
    """The single frames of a split that have some of the truth in `reads`, reduced to the subset that `data` specifies.

    Raises:
        UserError: there is no such split.
    """
    _check_request(split, reads)
    truths = [dataset.has(kind) for kind in TRUTHS if kind in reads]
    pairs = dataset.splits[split]
    found = [Clip(drive, (position,)) for drive, position in pairs if any(has[drive][position] for has in truths)]
    return [found[i] for i in clip_rules.evenly_spaced(len(found), data.eval_frames)]


def _has_any(dataset: Dataset, split: str, kind: str) -> bool:
    has = dataset.has(kind)
    return any(has[drive][position] for drive, position in dataset.splits[split])


def _check_request(split: str, reads: Reads) -> None:
    if split not in clip_rules.CODES:
        raise UserError(f"there is no split {split!r}; choose one of {', '.join(clip_rules.CODES)}")
    if unknown := reads - READS:
        raise ValueError(f"reads holds {sorted(unknown)}; known keys are {sorted(READS)}")


def _check_settings(data: Data) -> None:
    if len(data.size) != 2 or min(data.size) < 1:
        raise UserError(f"config.data.size={data.size} is not a height and a width, such as 192,640")
    if data.clip_length < 1 or data.clip_length % 2 == 0:
        raise UserError(f"config.data.clip_length={data.clip_length} has no middle frame; choose an odd one, such as 3")
    for name, least in (("stride", 1), ("threads", 0), ("workers", 0), ("train_frames", 0), ("eval_frames", 0)):
        if getattr(data, name) < least:
            raise UserError(f"config.data.{name}={getattr(data, name)} is too small; it has to be {least} or more")


def _build_command(data: Data) -> str:
    large = any(wanted > default for wanted, default in zip(data.size, (192, 640)))
    size = f" --size={data.size[0]}x{data.size[1]}" if large else ""
    root = data.manual_dir or "KITTI360_ROOT"
    return f"python -m tfds_kitti360.build --manual_dir={root} --data_dir={data.data_dir}{size}"
