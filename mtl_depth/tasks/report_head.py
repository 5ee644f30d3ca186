"""The report's segmentation: one sigmoid channel regressed to the label value.

"The report" is Kinfu, He and Howe, "Multi-Task Learning of Monocular Depth and Segmentation from Video"
(CS482/682 final project report). It states neither the scaling of the labels nor its loss. From the ratio of its RMSE
and Sq Rel the targets are *inferred* to be label id / 255 for semantics and the 16-bit instance value / 65535; the
loss, mean |p - g| + 1e-3 * smoothness, is inferred too. As in the report, the value map is scored with the depth
errors, which says little about segmentation, because label ids are names and not quantities. This head exists to
reproduce the report's table; use the other heads for segmentation.
"""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mtl_depth.image import resize_nearest
from mtl_depth.losses.segmentation import value_error
from mtl_depth.losses.smoothness import edge_aware_smoothness
from mtl_depth.metrics.depth import NAMES, point_errors
from mtl_depth.metrics.pixels import enlarged, with_rows
from mtl_depth.models.heads import ValueHead
from mtl_depth.tasks.base import Array, Arrays, Batch, Metrics, Outputs, Predictions, Sections, Sums, Task, Terms

SMOOTHNESS_WEIGHT = 1e-3
_SMALLEST = 1e-6  # keeps the logarithm and the ratio finite where the sigmoid underflows


def make(
    name: str,
    *,
    weight: float,
    largest: int,
    prediction: str,
    pictures: Callable[[Arrays, Arrays], dict[str, np.ndarray]],
    width: float,
    dtype: Any,
) -> Task:
    """Builds a task whose label map is learned as one value per pixel.

    Args:
        name: of the task and of the label map in the batch, `semantic` or `instance`.
        weight: of the loss.
        largest: label value that p = 1 stands for.
        prediction: key of the decoded map, `labels` (uint8) or `instances` (int32).
        pictures: of the task's label maps.
        width: of the network.
        dtype: of the network.
    """
    decoded_dtype = {"labels": jnp.uint8, "instances": jnp.int32}[prediction]

    def loss(keys: Array | None, outputs: Outputs, batch: Batch) -> Terms:
        value, clip = outputs["value"], batch["image"]
        total, count = value_error(value, batch[name].astype(value.dtype) / largest)
        smoothness = edge_aware_smoothness(value, clip[:, clip.shape[1] // 2])
        return {
            f"{name}/value": (weight * total, count),
            f"{name}/smoothness": (weight * SMOOTHNESS_WEIGHT * smoothness.sum(), jnp.float32(value.shape[0])),
        }

    def decode(outputs: Outputs) -> Predictions:
        return {prediction: jnp.round(outputs["value"] * largest).astype(decoded_dtype)}

    return Task(
        name=name,
        reads=frozenset({name}),
        head=ValueHead(width=width, dtype=dtype),
        predicts_motion=False,
        loss=loss,
        decode=decode,
        metrics=_metrics(name, largest),
        pictures=pictures,
    )


def _metrics(name: str, largest: int) -> Metrics:
    def study(batches: Iterable[Batch]) -> np.ndarray | None:
        """The mean value of every pixel over the training frames in which it is labelled."""
        totals = counts = None
        for batch in batches:
            for labels in batch[name]:
                if totals is None:
                    totals, counts = np.zeros(labels.shape), np.zeros(labels.shape, np.int64)
                values = resize_nearest(labels, size=totals.shape)
                totals = totals + values / largest
                counts = counts + (values > 0)
        if totals is None or not counts.any():
            return None
        return np.where(counts > 0, totals / np.maximum(counts, 1), totals.sum() / counts.sum())

    @jax.jit
    def score(values: Array, labels: Array, mean_image: Array | None) -> Sums:
        """The depth errors over the pixels with a label, neither scaled nor clipped."""
        size, truth = labels.shape[1:], (labels / largest).reshape(len(labels), -1)
        guesses = {"ours": enlarged(values, size=size)}
        if mean_image is not None:
            guesses["mean_image"] = jnp.broadcast_to(enlarged(mean_image[None], size=size), labels.shape)
        sums = {}
        for guess, maps in guesses.items():
            errors, known = point_errors(truth, maps.reshape(truth.shape), nearest=_SMALLEST, farthest=jnp.inf)
            sums[guess] = {"frames": known.sum(), **dict(zip(NAMES, errors.sum(axis=0)))}
        return sums

    def measure(predictions: Predictions, batch: Batch, studied: np.ndarray | None) -> Sums:
        values, labels = predictions["value"], batch[name]
        mean_image = None if studied is None else studied.astype(np.float32)
        return score(values, with_rows(labels, len(values)), mean_image)

    def summarise(sums: Sums) -> Sections:
        means = {
            guess: {error: float(total / found["frames"]) for error, total in found.items() if error != "frames"}
            for guess, found in sums.items()
            if found["frames"]
        }
        if "ours" not in means:
            return {}
        return {"report_head": means.pop("ours") | means}

    reads = frozenset({name})
    return Metrics(reads=reads, studies=reads, study=study, measure=measure, summarise=summarise)
