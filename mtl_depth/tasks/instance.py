"""Instance segmentation as a task: centres, offsets and thing classes, or the report's value map."""

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np

from mtl_depth import config
from mtl_depth.errors import UserError
from mtl_depth.losses.segmentation import center_error, cross_entropy, offset_error
from mtl_depth.media import visualize
from mtl_depth.models.heads import InstanceHead
from mtl_depth.tasks import instance_metrics, report_head
from mtl_depth.tasks.base import Array, Batch, Images, Outputs, Predictions, Task, Terms
from mtl_depth.tasks.centers import center_targets
from mtl_depth.tasks.classes import IGNORED, PALETTE, thing_ids
from mtl_depth.tasks.grouping import group

HEADS = ("panoptic", "report")


def make(section: config.InstanceTask, *, width: float, dtype: Any) -> Task:
    """Builds the instance task.

    The task uses only the instance image: class = value // 1000. If the semantic image differs from it, each task uses
    its own image. Values below 1000 are unlabelled; ids outside the label table count as "other".

    Raises:
        UserError: a setting has an invalid value.
    """
    if section.head not in HEADS:
        raise UserError(f"config.tasks.instance.head is {section.head!r}; choose one of {', '.join(HEADS)}.")
    if section.head == "report":
        return report_head.make(
            "instance",
            weight=section.weight,
            largest=65535,
            prediction="instances",
            pictures=_pictures,
            width=width,
            dtype=dtype,
        )
    things = thing_ids(section.things)
    ids = np.array(list(things.values()))
    is_thing = np.isin(np.arange(66), ids)  # a 16-bit value has ids up to 65
    class_from_id = np.zeros(66, np.int32)  # 0: other
    class_from_id[ids] = np.arange(1, len(ids) + 1)
    class_from_id[0] = IGNORED

    def loss(keys: Array | None, outputs: Outputs, batch: Batch) -> Terms:
        values = jnp.clip(batch["instance"].astype(jnp.int32), 0, 65535)
        targets = center_targets(values, jnp.asarray(is_thing))
        center = center_error(outputs["center"], targets.center, targets.labelled)
        offset = offset_error(outputs["offset"], targets.offset, targets.has_center)
        thing = cross_entropy(outputs["thing"], jnp.asarray(class_from_id)[values // 1000])
        return {
            "instance/center": _weighted(section.weight * section.center_weight, center),
            "instance/offset": _weighted(section.weight * section.offset_weight, offset),
            "instance/thing": _weighted(section.weight, thing),
        }

    def decode(outputs: Outputs) -> Predictions:
        values, scores = group(outputs["center"], outputs["offset"], outputs["thing"], jnp.asarray(ids))
        return {"instances": values, "scores": scores}

    return Task(
        name="instance",
        reads=frozenset({"instance"}),
        head=InstanceHead(thing_classes=1 + len(ids), width=width, dtype=dtype),
        predicts_motion=False,
        loss=loss,
        decode=decode,
        metrics=instance_metrics.make(things),
        pictures=functools.partial(_pictures, shown=is_thing),
    )


def _weighted(weight: float, sums: tuple[Any, Any]) -> tuple[Any, Any]:
    total, count = sums
    return weight * total, count


def _pictures(outputs: Outputs, batch: Batch, *, shown: np.ndarray | None = None) -> Images:
    """Draws predicted and, if known, true instances over the image; of the truth only the label ids `shown`."""
    image = np.asarray(batch["image"])
    frames = visualize.to_uint8(image[:, image.shape[1] // 2])
    maps = {"instance": np.asarray(outputs["instances"])}
    if "instance" in batch:
        truth = np.asarray(batch["instance"])
        maps["instance_truth"] = truth if shown is None else np.where(shown[truth // 1000], truth, 0)
    return {
        name: np.stack([visualize.instance_picture(v, PALETTE, image=frame) for v, frame in zip(values, frames)])
        for name, values in maps.items()
    }
