"""How predicted instances are scored: average precision and panoptic quality (SPEC 8)."""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mtl_depth.data import train_id_from_id
from mtl_depth.metrics.instance import FALSE, THRESHOLDS, TRUE, average_precision, detections
from mtl_depth.metrics.overlap import map_overlaps
from mtl_depth.metrics.panoptic import panoptic_counts, qualities
from mtl_depth.metrics.sizes import nearest, pixel_weights
from mtl_depth.tasks.base import Arrays, Metrics, Sums, add
from mtl_depth.tasks.classes import SCORED_CLASSES, VOID_INSTANCES, classes_at, stuff_classes


def make(things: Mapping[str, int], *, official_void: bool = False) -> Metrics:
    """Builds the metrics of the thing classes, by name and label id.

    Void are the pixels of labels that are not scored as instances, and of ids outside the label table. With
    `official_void` they are those whose raw 16-bit value equals such an id, as KITTI-360's script has it: in effect
    only those of value 0. Where the network also predicts semantics, the panoptic quality covers the stuff classes
    too, with the pixels of unscored classes as void, and `pq_things` is that of the things alone.
    """
    return Metrics(
        reads=frozenset({"instance", "confidence"}),
        study=_study,
        measure=functools.partial(_measure, dict(things), official_void),
        summarise=_summarise,
    )


def _study(batches: Iterable[Arrays]) -> None:
    """There is no trivial predictor of instances."""


def _measure(things: dict[str, int], official_void: bool, predictions: Arrays, batch: Arrays, studied: None) -> Sums:
    sums: Sums | None = None
    for index, truth in enumerate(batch["instance"]):
        truth = np.asarray(truth).astype(np.int64)
        weight = pixel_weights(batch["confidence"][index], truth)
        values = nearest(np.asarray(predictions["instances"][index]), truth.shape)
        picture = thing_sums(truth, values, predictions["scores"][index], weight, things, official_void=official_void)
        picture["stuff"] = {}
        if "labels" in predictions:
            classes = np.where(values > 0, -1, classes_at(predictions, index, truth.shape))
            picture["stuff"] = stuff_sums(truth, classes, weight, stuff_classes(list(things.values())))
        sums = add(sums, picture)
    return sums


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


def stuff_sums(truth: np.ndarray, classes: np.ndarray, weight: np.ndarray, stuff: Mapping[str, int]) -> Sums:
    """Panoptic counts of one picture by stuff class: all pixels of a class are one segment.

    Args:
        truth: raw values.
        classes: predicted train ids, -1 where a thing is predicted.
        weight: of every pixel.
        stuff: train ids by name.
    """
    scored = [train_id for members in SCORED_CLASSES.values() for train_id in members]
    true_classes = train_id_from_id[truth // 1000].astype(np.int64)
    numbered = [
        np.where(np.isin(image, list(stuff.values())), image + 1, 0)
        for image in (true_classes, classes.astype(np.int64))
    ]
    overlaps = map_overlaps(*numbered, weight, ~np.isin(true_classes, scored))
    return {
        name: panoptic_counts(overlaps.of(overlaps.truths == train_id + 1, overlaps.guesses == train_id + 1))
        for name, train_id in stuff.items()
    }


def _summarise(sums: Sums) -> dict[str, Any]:
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
    """Of one class at one threshold, over all pictures."""
    outcomes = [row[index] for row in found["outcomes"]]
    counted = [
        (score, outcome == TRUE) for score, outcome in zip(found["scores"], outcomes) if outcome in (TRUE, FALSE)
    ]
    scores, is_true = zip(*counted) if counted else ((), ())
    return average_precision(scores, is_true, int(found["missed"][index]))


def _means(per_class: Mapping[str, Mapping[str, float]], keys: tuple[str, ...]) -> dict[str, float]:
    """Means over the classes that have the number."""
    found = {key: [numbers[key] for numbers in per_class.values() if key in numbers] for key in keys}
    return {key: float(np.mean(values)) for key, values in found.items() if values}
