"""A task is a value: a head and a few pure functions.

The network has one head per task, the objective is the sum of the tasks' terms, and the evaluator adds up the tasks'
metrics. Training and evaluation do not depend on which tasks a run has.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

Array = jax.Array | np.ndarray
Arrays = Mapping[str, Any]
# By the keys that docs/architecture.md lists: arrays, or where it says so tuples of them.
Batch, Outputs, Predictions = Arrays, Arrays, Arrays
Terms = dict[str, tuple[Any, Any]]  # by name, a sum and by what to divide it
Sums = dict[str, Any]  # accumulators: a tree of arrays that merges over batches and processes by addition
Sections = dict[str, Any]  # of evaluation.json
Images = dict[str, np.ndarray]  # uint8 b h w 3, by name


class Metrics(NamedTuple):
    """How a task is scored against the truth.

    Attributes:
        reads: batch keys that scoring needs (`depth`, `semantic`, ...), at the truth's own size.
        studies: those of them that `study` needs.
        study: labelled training batches of NumPy arrays -> what the trivial predictors learn from them (the constant,
            the mean image, the majority label image). The batches have the keys `studies` and no images.
        measure: (predictions, batch, studied) -> sums over the batch, to be added up. Predictions are arrays on the
            device or the host; the batch is on the host. Predictions may have more rows than the batch, because the
            last batch of an evaluation is padded so that one shape is compiled. Sums may stay on the device: the
            evaluator fetches them after it has started the device's next work.
        summarise: merged sums of NumPy arrays -> sections of evaluation.json, e.g. `{"depth": {"median_scaled": ...}}`.
    """

    reads: frozenset[str]
    studies: frozenset[str]
    study: Callable[[Iterable[Batch]], Any]
    measure: Callable[[Predictions, Batch, Any], Sums]
    summarise: Callable[[Sums], Sections]


class Health(NamedTuple):
    """Signs that a task has stopped learning, checked during training.

    Attributes:
        measure: (outputs, batch) -> `{"disparity_spread": (total, count), ...}` over this device's share of the batch,
            jit-able; the step divides after summing both over devices.
        signs: for each measured mean, the smallest healthy value, and the warning for lower values.
    """

    measure: Callable[[Outputs, Batch], Terms]
    signs: dict[str, tuple[float, str]]


class Task(NamedTuple):
    """One task: its head, loss, metrics and pictures.

    Attributes:
        name: `depth`, `semantic` or `instance`; the parameters of the head are `head_<name>`.
        reads: batch keys that the loss needs in addition to image and intrinsics.
        head: Flax module from encoder features to a dict of outputs.
        predicts_motion: whether the loss needs `source_from_target` of the pose network.
        loss: (keys[b], outputs, batch) -> terms `{"depth/photometric": (total, count), ...}`, weighted. `total` sums
            over the valid samples or pixels of this device's share of the batch, `count` is their number, which never
            depends on the outputs; the step divides after summing both over devices. `keys` is one PRNG key a sample;
            `batch` holds float32 images in [0, 1] under `image` (b t h w 3, unaugmented in colour), its other keys are
            those that docs/architecture.md lists.
        decode: outputs -> predictions, jit-able, static shapes: `depth` b h w; `labels` b h w uint8 label ids;
            `instances` b h w int32 raw values with `scores` b n (score of instance number k + 1 of the picture).
        metrics: how predictions are scored.
        pictures: (outputs and predictions, batch) of NumPy arrays -> `{"depth": uint8 b h w 3, ...}`.
        health: what to watch while training, or None.
        translation_unit: of the pose network, where the loss needs it.
        for_camera: (predictions, fx / width of each picture [b]) -> what of the predictions depends on the camera,
            jit-able; None where nothing does.
    """

    name: str
    reads: frozenset[str]
    head: Any
    predicts_motion: bool
    loss: Callable[[Array, Outputs, Batch], Terms]
    decode: Callable[[Outputs], Predictions]
    metrics: Metrics
    pictures: Callable[[Outputs, Batch], Images]
    health: Health | None = None
    translation_unit: float = 1.0
    for_camera: Callable[[Predictions, Array], Predictions] | None = None


def add(left: Sums | None, right: Sums) -> Sums:
    """Merges two trees of sums; None is the empty sum."""
    if left is None:
        return right
    return {
        name: add(left[name], right[name]) if isinstance(right[name], dict) else left[name] + right[name]
        for name in right
    }
