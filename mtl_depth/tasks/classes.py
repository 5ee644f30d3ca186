"""The classes of the segmentation tasks, derived from the label table."""

import difflib
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from mtl_depth.data import LABELS, train_id_from_id
from mtl_depth.errors import UserError
from mtl_depth.image import resize_nearest
from mtl_depth.metrics.pixels import enlarged_classes
from mtl_depth.tasks.base import Array, Predictions

TRAIN_CLASSES = 19
IGNORED = 255  # the train id of everything else
_UNEVALUATED = ("bus", "train")  # KITTI-360 has too few of them: the benchmark scores 17 of the 19 classes

_known = [label for label in LABELS if label.id >= 0]
_trained = [label for label in _known if label.train_id != IGNORED]
_scored = [label for label in _trained if not label.ignore_in_eval and label.name not in _UNEVALUATED]

PALETTE = np.zeros((256, 3), np.uint8)
PALETTE[[label.id for label in _known]] = [label.color for label in _known]
PALETTE.flags.writeable = False

# Several labels share a train id (building and garage, ...): the first of the table stands for all.
ID_FROM_TRAIN_ID = np.array(
    [next(label.id for label in _trained if label.train_id == train_id) for train_id in range(TRAIN_CLASSES)], np.uint8
)
SCORED_CLASSES = {label.name: (label.train_id,) for label in _scored}  # 17
SCORED_CATEGORIES = {
    category: tuple(label.train_id for label in _scored if label.category == category)
    for category in dict.fromkeys(label.category for label in _scored)
}
VOID_INSTANCES = np.ones(256, bool)  # by label id: not scored as an instance; ids outside the table are void
VOID_INSTANCES[[label.id for label in _known]] = [label.ignore_in_instance_eval for label in _known]


def thing_ids(names: Sequence[str]) -> dict[str, int]:
    """Label ids of the thing classes, in the given order.

    Raises:
        UserError: a name that is not in the label table, has no instances, or comes twice; or no name at all.
    """
    possible = {label.name: label.id for label in _known if label.has_instances}
    for name in names:
        if name not in possible:
            near = difflib.get_close_matches(str(name), possible, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(possible)}."
            known = any(name == label.name for label in _known)
            reason = "has no instances in KITTI-360" if known else "is not a class of KITTI-360"
            raise UserError(f"config.tasks.instance.things holds {name!r}, which {reason}; {hint}")
    if not names or len(set(names)) < len(names):
        raise UserError(f"config.tasks.instance.things is {tuple(names)}; it must name at least one class, each once.")
    return {name: possible[name] for name in names}


def stuff_classes(things: Sequence[int]) -> dict[str, int]:
    """Train ids of the scored classes that are not among the thing label ids."""
    taken = {int(train_id_from_id[label_id]) for label_id in things}
    return {name: train_id for name, (train_id,) in SCORED_CLASSES.items() if train_id not in taken}


def class_predictions(predictions: Predictions) -> Predictions:
    """The predictions that `classes_at` needs: the logits, or else the labels."""
    key = "semantic" if "semantic" in predictions else "labels"
    return {key: predictions[key]}


def classes_at(predictions: Predictions, *, size: tuple[int, int]) -> Array:
    """Predicted train ids [b h w] at the truth's size, jit-able: logits are interpolated, labels cannot be."""
    if "semantic" in predictions:
        return enlarged_classes(predictions["semantic"], size=size)
    return jnp.asarray(train_id_from_id)[resize_nearest(predictions["labels"], size=size).astype(jnp.int32)]
