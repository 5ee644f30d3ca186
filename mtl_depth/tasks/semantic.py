"""Semantic segmentation as a task: 19 logits per pixel, or the report's value map."""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mtl_depth import config
from mtl_depth.data import train_id_from_id
from mtl_depth.errors import UserError
from mtl_depth.image import resize_nearest
from mtl_depth.losses.segmentation import cross_entropy
from mtl_depth.media import visualize
from mtl_depth.metrics import semantic as metrics
from mtl_depth.metrics.pixels import check_confidence, confusions, pixel_weights, with_rows
from mtl_depth.models.heads import SemanticHead
from mtl_depth.tasks import report_head
from mtl_depth.tasks.base import Array, Batch, Images, Metrics, Outputs, Predictions, Sections, Sums, Task, Terms
from mtl_depth.tasks.classes import (
    ID_FROM_TRAIN_ID,
    PALETTE,
    SCORED_CATEGORIES,
    SCORED_CLASSES,
    TRAIN_CLASSES,
    class_predictions,
    classes_at,
)

HEADS = ("classes", "report")


def make(section: config.SemanticTask, *, width: float, dtype: Any) -> Task:
    """Builds the semantic task.

    Label ids outside the table count as unlabelled.

    Raises:
        UserError: a setting has an invalid value.
    """
    if section.head not in HEADS:
        raise UserError(f"config.tasks.semantic.head is {section.head!r}; choose one of {', '.join(HEADS)}.")
    if not 0 < section.hardest <= 1:
        raise UserError(f"config.tasks.semantic.hardest is {section.hardest}; it is a share, above 0 and at most 1.")
    if section.head == "report":
        return report_head.make(
            "semantic",
            weight=section.weight,
            largest=255,
            prediction="labels",
            pictures=_pictures,
            width=width,
            dtype=dtype,
        )

    def loss(keys: Array | None, outputs: Outputs, batch: Batch) -> Terms:
        classes = jnp.asarray(train_id_from_id)[batch["semantic"].astype(jnp.int32)].astype(jnp.int32)
        total, count = cross_entropy(outputs["semantic"], classes, hardest=section.hardest)
        return {"semantic/cross_entropy": (section.weight * total, count)}

    def decode(outputs: Outputs) -> Predictions:
        return {"labels": jnp.asarray(ID_FROM_TRAIN_ID)[outputs["semantic"].argmax(axis=-1)]}

    return Task(
        name="semantic",
        reads=frozenset({"semantic"}),
        head=SemanticHead(classes=TRAIN_CLASSES, width=width, dtype=dtype),
        predicts_motion=False,
        loss=loss,
        decode=decode,
        metrics=Metrics(
            reads=frozenset({"semantic", "confidence"}),
            studies=frozenset({"semantic"}),
            study=_study,
            measure=_measure,
            summarise=_summarise,
        ),
        pictures=_pictures,
    )


def _pictures(outputs: Outputs, batch: Batch) -> Images:
    maps = {"semantic": outputs["labels"]} | ({"semantic_truth": batch["semantic"]} if "semantic" in batch else {})
    return {name: visualize.label_picture(np.asarray(labels), PALETTE) for name, labels in maps.items()}


def _study(batches: Iterable[Batch]) -> np.ndarray | None:
    """The majority label image of the training frames, as train ids; None where no frame is labelled."""
    counts = None
    for batch in batches:
        for labels in batch["semantic"]:
            if counts is None:
                counts = np.zeros((*labels.shape, TRAIN_CLASSES), np.int32)
            classes = resize_nearest(train_id_from_id[labels], size=counts.shape[:2])
            rows, columns = np.nonzero(classes < TRAIN_CLASSES)
            counts[rows, columns, classes[rows, columns]] += 1  # a pixel comes once, so nothing is lost in +=
    return None if counts is None or not counts.any() else metrics.majority(counts)


def _measure(predictions: Predictions, batch: Batch, studied: np.ndarray | None) -> Sums:
    labels, confidence = batch["semantic"], batch["confidence"]
    check_confidence(confidence, labels)
    size, predicted = labels.shape[1:], class_predictions(predictions)
    trivial = np.full(size, TRAIN_CLASSES) if studied is None else resize_nearest(studied, size=size)
    rows = len(next(iter(predicted.values())))
    return _score(predicted, with_rows(labels, rows), with_rows(confidence, rows), trivial.astype(np.uint8))


@jax.jit
def _score(predictions: Predictions, labels: Array, confidence: Array, trivial: Array) -> Sums:
    truth, weight = jnp.asarray(train_id_from_id)[labels.astype(jnp.int32)], pixel_weights(confidence)
    guesses = {"ours": classes_at(predictions, size=labels.shape[1:]), "majority": trivial}
    return {
        name: confusions(truth, jnp.broadcast_to(guess, truth.shape), weight, classes=TRAIN_CLASSES)[:, :-1].sum(axis=0)
        for name, guess in guesses.items()
    }


def _summarise(sums: Sums) -> Sections:
    scores = {name: _scores(np.asarray(matrix)) for name, matrix in sums.items()}
    if not scores["ours"]["per_class"]:
        return {}
    majority = {name: scores["majority"][name] for name in ("miou", "miou_category")}
    return {"semantic": {**scores["ours"], "majority": majority}}


def _scores(matrix: np.ndarray) -> dict[str, Any]:
    per_class, per_category = (metrics.ious(matrix, groups) for groups in (SCORED_CLASSES, SCORED_CATEGORIES))
    if not per_class:
        return {"per_class": {}}
    return {
        "miou": metrics.mean(per_class),
        "miou_category": metrics.mean(per_category),
        "per_class": per_class,
        "per_category": per_category,
    }
