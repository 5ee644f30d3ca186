"""The picture itself as a task without labels: what any second task does for depth, labels apart."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mtl_depth import config
from mtl_depth.media import visualize
from mtl_depth.models.heads import ReconstructionHead
from mtl_depth.tasks.base import Array, Batch, Metrics, Outputs, Predictions, Sums, Task, Terms


def make(section: config.ReconstructionTask, *, width: float, dtype: Any) -> Task:
    """Builds the task: the mean absolute error of the target's colours, seen by the encoder with their augmentation."""

    def loss(keys: Array | None, outputs: Outputs, batch: Batch) -> Terms:
        found = outputs["reconstruction"]
        errors = jnp.abs(found - batch["image"][:, batch["image"].shape[1] // 2])
        return {"reconstruction/colour": (section.weight * errors.sum(), jnp.float32(found.size))}

    return Task(
        name="reconstruction",
        reads=frozenset(),
        head=ReconstructionHead(width=width, dtype=dtype),
        predicts_motion=False,
        loss=loss,
        decode=lambda outputs: {"reconstruction": outputs["reconstruction"]},
        metrics=Metrics(
            reads=frozenset(),
            studies=frozenset(),
            study=lambda batches: None,  # no trivial predictor
            measure=_measure,
            summarise=lambda sums: {"reconstruction": {"error": float(sums["error"] / sums["values"])}},
        ),
        pictures=lambda outputs, batch: {"reconstruction": visualize.to_uint8(np.asarray(outputs["reconstruction"]))},
    )


def _measure(predictions: Predictions, batch: Batch, studied: None) -> Sums:
    image = batch["image"][:, 0].astype(np.float64) / 255
    found = np.asarray(jax.device_get(predictions["reconstruction"]))[: len(image)]
    return {"error": np.abs(found - image).sum(), "values": np.int64(image.size)}
