"""Metrics of predicted instances: average precision and panoptic quality."""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mtl_depth.data import train_id_from_id
from mtl_depth.image import resize_nearest
from mtl_depth.metrics.instance import FALSE, THRESHOLDS, TRUE, average_precision, detections
from mtl_depth.metrics.overlap import Overlaps, map_overlaps
from mtl_depth.metrics.panoptic import panoptic_counts, qualities
from mtl_depth.metrics.pixels import check_confidence, confusions, pixel_weights, with_rows
from mtl_depth.tasks.base import Array, Batch, Metrics, Predictions, Sections, Sums, add
from mtl_depth.tasks.classes import (
    SCORED_CLASSES,
    TRAIN_CLASSES,
    VOID_INSTANCES,
    class_predictions,
    classes_at,
    stuff_classes,
)


def make(things: Mapping[str, int], *, official_void: bool = False) -> Metrics:
    """Builds the metrics of the thing classes, by name and label id.

    Void pixels are those with labels that are not scored as instances, or with ids outside the label table. With
    `official_void` they are those whose raw 16-bit value equals such an id, as in KITTI-360's script: in effect only
    those with value 0. If the network also predicts semantics, the panoptic quality includes the stuff classes, with
    the pixels of unscored classes as void, and `pq_things` is that of the things alone.
    """
    return Metrics(
        reads=frozenset({"instance", "confidence"}),
        studies=frozenset(),
        study=_study,
        measure=functools.partial(_measure, dict(things), official_void),
        summarise=_summarise,
    )


def _study(batches: Iterable[Batch]) -> None:
    """There is no trivial predictor of instances."""


def _measure(
    things: dict[str, int], official_void: bool, predictions: Predictions, batch: Batch, studied: None
) -> Sums:
    sums: Sums | None = None
    truths, confidence = np.asarray(batch["instance"]), np.asarray(batch["confidence"])
    check_confidence(confidence, truths)
    tables = None
    if "labels" in predictions:  # started first: the device counts while the host matches
        rows = len(predictions["instances"])
        tables = _class_tables(
            class_predictions(predictions), predictions["instances"],
            with_rows(truths, rows), with_rows(confidence, rows),
        )  # fmt: skip
    instances, scores = np.asarray(predictions["instances"]), np.asarray(predictions["scores"])
    values = resize_nearest(instances[: len(truths)], size=truths.shape[1:])
    weights = pixel_weights(confidence)
    for index, truth in enumerate(truths.astype(np.int64)):
        picture = thing_sums(truth, values[index], scores[index], weights[index], things, official_void=official_void)
        picture["stuff"] = {}
        if tables is not None:
            picture["stuff"] = stuff_sums(np.asarray(tables)[index], stuff_classes(list(things.values())))
        sums = add(sums, picture)
    return sums


@jax.jit
def _class_tables(predictions: Predictions, instances: Array, values: Array, confidence: Array) -> Array:
    """Weights by true and predicted train id, one table per frame; pixels of predicted things have no class."""
    size, truth = values.shape[1:], jnp.asarray(train_id_from_id)[values // 1000]
    classes = classes_at(predictions, size=size).astype(jnp.int32)
    classes = jnp.where(resize_nearest(instances, size=size) > 0, -1, classes)
    return confusions(truth, classes, pixel_weights(confidence), classes=TRAIN_CLASSES)


def thing_sums(
    truth: np.ndarray,
    values: np.ndarray,
    scores: np.ndarray,
    weight: np.ndarray,
    things: Mapping[str, int],
    *,
    official_void: bool = False,
) -> Sums:
    """Detections and panoptic counts of one picture by thing class; they merge by addition (of numbers or of lists).

    Args:
        truth: raw values.
        values: predicted raw values.
        scores: of the predicted instance numbers 1, 2, ...
        weight: of every pixel.
        things: label ids by name.
        official_void: see `make`.
    """
    is_thing = np.isin(np.arange(256), list(things.values()))
    if official_void:
        void = (truth < 256) & VOID_INSTANCES[np.minimum(truth, 255)]
    else:
        void = (VOID_INSTANCES & ~is_thing)[truth // 1000]
    overlaps = map_overlaps(np.where(is_thing[truth // 1000], truth, 0), values, weight, void)
    sums: Sums = {"things": {}, "detections": {}}
    for name, label_id in things.items():
        own = overlaps.of(overlaps.truths // 1000 == label_id, overlaps.guesses // 1000 == label_id)
        own_scores = np.asarray(scores, np.float64)[own.guesses % 1000 - 1]
        outcomes, missed, truths = detections(own, own_scores)
        sums["things"][name] = panoptic_counts(own)
        sums["detections"][name] = {
            "scores": own_scores.tolist(),
            "outcomes": outcomes.tolist(),
            "missed": missed,
            "truths": truths,
        }
    return sums


def stuff_sums(table: np.ndarray, stuff: Mapping[str, int]) -> Sums:
    """Panoptic counts of one picture by stuff class: all pixels of a class are one segment.

    Args:
        table: weights by true and predicted train id, [classes + 1, classes + 1] (see `confusions`).
        stuff: train ids by name.
    """
    table = table.astype(np.float64)
    scored = [train_id for members in SCORED_CLASSES.values() for train_id in members]
    void = np.delete(table, scored, axis=0).sum(axis=0)
    found = {}
    for name, train_id in stuff.items():
        number = np.array([train_id])
        areas = table[number].sum(axis=1), table[:, number].sum(axis=0)
        found[name] = panoptic_counts(Overlaps(number, number, *areas, table[np.ix_(number, number)], void[number]))
    return found


def _summarise(sums: Sums) -> Sections:
    per_class: dict[str, dict[str, float]] = {}
    for name, found in sums["detections"].items():
        if found["truths"]:  # a class without truth is left out of the mean
            precisions = [_average_precision(found, index) for index in range(len(THRESHOLDS))]
            per_class[name] = {"ap": float(np.mean(precisions)), "ap50": precisions[0]}
    quality = {name: qualities(counts) for name, counts in {**sums["things"], **sums["stuff"]}.items()}
    for name, numbers in quality.items():
        if numbers:
            per_class[name] = per_class.get(name, {}) | numbers
    if not any(counts[[1, 3]].any() for counts in (sums["things"] | sums["stuff"]).values()):
        return {}  # nothing is true anywhere
    section: dict[str, Any] = _means(per_class, ("ap", "ap50", "pq", "sq", "rq"))
    if sums["stuff"]:
        things = {name: quality[name] for name in sums["things"]}
        section |= {f"{key}_things": value for key, value in _means(things, ("pq", "sq", "rq")).items()}
    return {"instance": section | {"per_class": per_class}}


def _average_precision(found: Sums, index: int) -> float:
    """The average precision of one class at one threshold, over all pictures."""
    outcomes = [row[index] for row in found["outcomes"]]
    counted = [
        (score, outcome == TRUE) for score, outcome in zip(found["scores"], outcomes) if outcome in (TRUE, FALSE)
    ]
    scores, is_true = zip(*counted) if counted else ((), ())
    return average_precision(scores, is_true, int(found["missed"][index]))


def _means(per_class: Mapping[str, Mapping[str, float]], keys: tuple[str, ...]) -> dict[str, float]:
    """The means over the classes that have the score."""
    found = {key: [numbers[key] for numbers in per_class.values() if key in numbers] for key in keys}
    return {key: float(np.mean(values)) for key, values in found.items() if values}
