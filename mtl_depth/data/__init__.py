"""The built data set as batches of clips or of single frames; batch n of training is a function of (seed, n).

Keys of a batch are those of DESIGN 4. Only what `reads` names is decoded, beside the images.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mtl_depth.config import Data
from mtl_depth.data.records import Loader
from mtl_depth.errors import UserError
from tfds_kitti360 import clips as clip_rules
from tfds_kitti360.labels import LABELS, train_id_from_id

__all__ = ["LABELS", "Clip", "Dataset", "clips", "evaluation_batches", "frames", "open_dataset"]
__all__ += ["pair_batches", "train_batches", "train_id_from_id"]

# Of training only: labels of the neighbours b h w s, and the target's right image with `right_from_target` b 1 4 4.
READS = frozenset({"source_from_target", "semantic", "instance", "confidence", "depth"})
READS |= {"source_semantic", "image_right"}
PASSES = 2**31  # of a training over its clips, without end in practice; of endless ones grain cannot batch single clips
TRUTHS = ("depth", "semantic", "instance")  # a frame with one of those asked for can be evaluated


class Clip(NamedTuple):
    """Frames of one drive, by their positions in it, in temporal order; the middle one is the target."""

    drive: int
    positions: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Dataset:
    """An opened data set; planning needs its metadata only."""

    path: pathlib.Path
    metadata: dict[str, Any] = dataclasses.field(repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the stored images."""
        return tuple(self.metadata["size"])

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

    Raises:
        UserError: nothing is built there, it is unfinished or incomplete, its images are smaller than `data.size`, or
            a setting of `data` makes no sense.
    """
    import tensorflow_datasets as tfds

    from tfds_kitti360 import metadata
    from tfds_kitti360.kitti360_dataset_builder import Builder

    _check_settings(data)
    folder = pathlib.Path(data.data_dir) / "kitti360"
    path = folder / str(Builder.VERSION)
    if not path.is_dir():
        state = "an unfinished build only" if any(folder.glob("incomplete.*")) else "no built data set"
        raise UserError(f"{data.data_dir} holds {state}; build it with: {_build_command(data)}")
    if not (path / "dataset_info.json").exists() or not (path / "metadata.json").exists():
        raise UserError(f"{path} is not a finished data set; delete that folder and run: {_build_command(data)}")
    try:
        builder = tfds.builder_from_directory(str(path))
        found = dict(builder.info.metadata)
        fault = metadata.fault(found, {name: split.num_examples for name, split in builder.info.splits.items()})
    except Exception as error:  # TFDS meets a damaged file in a dozen ways
        fault = f"{type(error).__name__}: {error}".splitlines()[0][:120]
    if fault:
        raise UserError(f"{path} is damaged ({fault}); delete that folder and run: {_build_command(data)}")
    if missing := [file for split in builder.info.splits.values() for file in split.filepaths if not file.exists()]:
        raise UserError(f"{missing[0]} is missing; delete {path} and run: {_build_command(data)}")
    dataset = Dataset(path, found)
    if any(wanted > stored for wanted, stored in zip(data.size, dataset.size)):
        raise UserError(
            f"config.data.size={data.size[0]},{data.size[1]} is larger than the images stored in {path}, which have "
            f"{dataset.size[0]},{dataset.size[1]}; ask for less, or delete that folder and run: {_build_command(data)}"
        )
    return dataset


def clips(dataset: Dataset, data: Data, *, split: str, reads: frozenset[str]) -> list[Clip]:
    """The clips of a split, drive by drive, after the evenly spaced subset that `data` asks for.

    Every frame of a clip has a pose if `reads` has "source_from_target". Targets need no labels, but where `reads`
    names labels that no frame of the split has, there is no clip.

    Raises:
        UserError: there is no such split, or `reads` has "image_right" and the data set was built without.
    """
    from tfds_kitti360 import plan

    _check_request(split, reads)
    if "image_right" in reads and not dataset.metadata["stereo"]:  # the flags tell of files that the download had
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
    wanted = data.train_frames if split == "train" else data.eval_frames
    return [found[i] for i in clip_rules.evenly_spaced(len(found), wanted)]


def frames(dataset: Dataset, data: Data, *, split: str, reads: frozenset[str]) -> int:
    """How many frames `evaluation_batches` gives."""
    return len(_evaluation_frames(dataset, data, split=split, reads=reads))


def train_batches(
    dataset: Dataset,
    data: Data,
    *,
    reads: frozenset[str],
    batch_size: int,
    seed: int,
    start: int = 0,
    process_index: int = 0,
    process_count: int = 1,
) -> Iterator[dict[str, np.ndarray]]:
    """Endless batches of training clips, from batch `start` on.

    Clips come in an order shuffled anew for every pass. Each process gets its block of rows of the global batch:
    `batch_size // process_count` of them. Labels come at the size of the images.

    Raises:
        UserError: there is no clip, or `batch_size` does not divide among the processes.
    """
    import grain

    if batch_size < 1 or batch_size % process_count:
        raise UserError(
            f"config.train.batch_size={batch_size} is no multiple of {process_count}, the processes; choose one"
        )
    plan = clips(dataset, data, split="train", reads=reads)
    if not plan:
        raise UserError(
            f"{dataset.path} has no training clip with {', '.join(sorted(reads)) or 'images'}; build one that has"
        )
    order_seed = int(np.random.SeedSequence(seed % 2**63).generate_state(1)[0])
    loader = Loader(dataset.path, dataset.metadata, tuple(data.size), reads, labels_full_size=False)
    # Process p's batches are p, p + P, p + 2 P ... of the shuffled stream cut into blocks of its share.
    batches = grain.MapDataset.source(plan).shuffle(seed=order_seed).repeat(PASSES).map(loader)
    batches = batches.batch(batch_size // process_count)[process_index::process_count]
    return _iterate(batches[start:], data)


def evaluation_batches(
    dataset: Dataset, data: Data, *, split: str, reads: frozenset[str], batch_size: int, images: bool = True
) -> Iterator[dict[str, np.ndarray]]:
    """Batches of the single frames of a split that have some truth that `reads` asks for, in order, each once.

    `image` is b 1 h w 3, left out where `images` is false; labels and depth come at their full size; the last batch may
    be smaller.
    """
    import grain

    reads = reads - {"source_from_target"}
    loader = Loader(dataset.path, dataset.metadata, tuple(data.size), reads, labels_full_size=True, images=images)
    plan = _evaluation_frames(dataset, data, split=split, reads=reads)
    return _iterate(grain.MapDataset.source(plan).map(loader).batch(batch_size), data) if plan else iter(())


def pair_batches(dataset: Dataset, data: Data, *, split: str, batch_size: int) -> Iterator[dict[str, np.ndarray]]:
    """Batches of a split's neighbouring frames (f, f + 1) with poses, in order: `image` b 2 h w 3, `source_from_target`
    b 1 4 4 (first_from_second), `drive` and `frame` of the second. The last batch may be smaller."""
    import grain

    two = dataclasses.replace(data, clip_length=2, stride=1, train_frames=0, eval_frames=0)
    reads = frozenset({"source_from_target"})
    plan = clips(dataset, two, split=split, reads=reads)
    loader = Loader(dataset.path, dataset.metadata, tuple(data.size), reads, labels_full_size=False)
    return _iterate(grain.MapDataset.source(plan).map(loader).batch(batch_size), data) if plan else iter(())


def _iterate(batches: Any, data: Data) -> Iterator[dict[str, np.ndarray]]:
    import grain

    ahead = 2 * data.threads
    read = batches.to_iter_dataset(grain.ReadOptions(num_threads=data.threads, prefetch_buffer_size=ahead))
    if data.workers:
        read = read.mp_prefetch(grain.MultiprocessingOptions(num_workers=data.workers, per_worker_buffer_size=2))
    return iter(read)


def _evaluation_frames(dataset: Dataset, data: Data, *, split: str, reads: frozenset[str]) -> list[Clip]:
    _check_request(split, reads)
    truths = [dataset.has(kind) for kind in TRUTHS if kind in reads]
    pairs = dataset.splits[split]
    found = [Clip(drive, (position,)) for drive, position in pairs if any(has[drive][position] for has in truths)]
    return [found[i] for i in clip_rules.evenly_spaced(len(found), data.eval_frames)]


def _check_request(split: str, reads: frozenset[str]) -> None:
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
