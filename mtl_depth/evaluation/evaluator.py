"""Scores a network on a split of the data set."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import jax
import numpy as np

from mtl_depth import data as dataset_reader
from mtl_depth.config import Data
from mtl_depth.errors import UserError
from mtl_depth.prediction.loading import load_perceiver
from mtl_depth.prediction.predictor import Perceiver, fill_up, make_perceive, perceive_padded, to_float
from mtl_depth.runtime import log
from mtl_depth.runtime.devices import prefetch
from mtl_depth.tasks.base import Arrays, Sums, Task, add

__all__ = ["Perceiver", "check_split", "load_perceiver", "make_perceive", "measure", "perceive_padded", "study"]
__all__ += ["to_float"]

Item = TypeVar("Item")
SPLITS = ("train", "val", "test")
RECIPE = (
    "Depth truth: one laser scan per frame, corrected for the motion during the sweep, projected to the rectified left "
    "camera, pixel = floor(u + 0.5), nearest return wins, z in metres, 0 unknown. Predicted disparity resized "
    "bilinearly to the truth's size. Scored where 1e-3 < truth < 80 m ({crop} crop), prediction clipped to that range, "
    "errors per frame, then averaged over the frames. median_scaled: prediction times median(truth) / "
    "median(prediction) of the frame; unscaled: as predicted."
)
_MEAN = " Disparity is the mean of that predicted for the picture and, mirrored back, for the mirrored picture."
_BLENDED = _MEAN[:-1] + "; near the left border only the latter is used, near the right border only the former."
FLIPPED = {False: "", True: _MEAN, "mean": _MEAN, "monodepth2": _BLENDED}


def measure(
    perceive: Callable[[Any, Any], Arrays],
    tasks: tuple[Task, ...],
    dataset: Any,
    data: Data,
    *,
    split: str,
    batch_size: int,
    studied: dict[str, Any] | None = None,
    crop: str = "",
    flip: bool | str = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Scores predictions on the frames of a split that have any truth the tasks are scored against.

    Args:
        perceive: (image[b h w 3] in [0, 1], fx / width [b]) -> predictions; called with `batch_size` images each time.
        tasks: the tasks whose `metrics` are computed.
        dataset: an opened data set.
        data: the section of the configuration that it was opened with.
        split: train, val or test.
        batch_size: frames at a time.
        studied: the result of `study`; None: it is computed now.
        crop: the crop that depth is scored inside, to be stated in the recipe.
        flip: how `perceive` averages with the prediction for the mirrored picture, to be stated there too.
        progress: whether to show a progress bar.

    Returns:
        The content of evaluation.json; docs/architecture.md lists its keys.

    Raises:
        UserError: there is no such split, or it has no truth.
    """
    check_split(split)
    reads = frozenset().union(*(task.metrics.reads for task in tasks))
    total = dataset_reader.frames(dataset, data, split=split, reads=reads)
    if not total:
        truths = " or ".join(sorted(reads - {"confidence"}))
        raise UserError(
            f"The split {split} of {data.data_dir} has no frame with {truths} to score against; "
            "choose another one with --config.evaluation.split."
        )
    if studied is None:
        studied = study(tasks, dataset, data, batch_size=batch_size, progress=progress)
    sums: Sums = {task.name: None for task in tasks}
    read = prefetch(
        dataset_reader.evaluation_batches(dataset, data, split=split, reads=reads, batch_size=batch_size),
        lambda batch: (*seen(batch, batch_size=batch_size), batch),
    )
    with log.progress(total=total, desc=f"evaluate {split}", unit="frame", disable=not progress) as bar:
        perceived = ((dict(perceive(image, focal)), batch) for image, focal, batch in read)
        measured = (
            ({task.name: task.metrics.measure(predictions, batch, studied[task.name]) for task in tasks}, batch)
            for predictions, batch in delayed_by_one(perceived)
        )
        for found, batch in delayed_by_one(measured):
            for name, entry in _on_host(found).items():
                sums[name] = add(sums[name], entry)
            bar.update(len(batch["image"]))
    sections = {}
    for task in tasks:
        sections |= task.metrics.summarise(sums[task.name])
    return {"split": split, "frames": total, **sections, "recipe": RECIPE.format(crop=crop or "no") + FLIPPED[flip]}


def seen(batch: Arrays, *, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """The pictures of a batch in [0, 1] and their fx / width, filled up to `batch_size`."""
    image = batch["image"][:, 0]
    focal = (batch["intrinsics"][:, 0, 0] / image.shape[2]).astype(np.float32)
    return tuple(fill_up(values, batch_size=batch_size) for values in (to_float(image), focal))


def delayed_by_one(items: Iterable[Item]) -> Iterator[Item]:
    """Yields every item only after the next one was requested, so that the device already works on that one."""
    items = iter(items)
    for before in items:
        for item in items:
            yield before
            before = item
        yield before


def _on_host(sums: Sums) -> Sums:
    """Arrays of the device as NumPy arrays, floats in double precision, so that batches can be added up."""

    def fetch(leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array):
            return leaf
        values = np.asarray(leaf)[()]
        return values.astype(np.float64) if np.issubdtype(values.dtype, np.floating) else values

    return jax.tree.map(fetch, sums)


def study(
    tasks: tuple[Task, ...], dataset: Any, data: Data, *, batch_size: int = 8, progress: bool = True
) -> dict[str, Any]:
    """What the trivial predictors learn from the training frames (docs/numbers.md), by task name.

    One pass over the frames for every task that has such predictors, which reads only the task's truth.
    """
    data = dataclasses.replace(data, eval_frames=data.train_frames)

    def batches(task: Task) -> Iterator[Arrays]:
        reads = task.metrics.studies
        total = dataset_reader.frames(dataset, data, split="train", reads=reads)
        with log.progress(
            total=total, desc=f"trivial baselines of {task.name}", unit="frame", disable=not (progress and total)
        ) as bar:
            for batch in dataset_reader.evaluation_batches(
                dataset, data, split="train", reads=reads, batch_size=batch_size, images=False
            ):
                yield batch
                bar.update(len(batch["frame"]))

    return {task.name: task.metrics.study(batches(task)) for task in tasks}


def check_split(split: str) -> None:
    """Raises UserError for a split that does not exist."""
    if split not in SPLITS:
        raise UserError(f"config.evaluation.split is {split!r}; choose one of {', '.join(SPLITS)}.")
