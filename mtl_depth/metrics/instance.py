"""Average precision of instances as Cityscapes and KITTI-360 define it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mtl_depth.metrics.overlap import Overlaps

THRESHOLDS = np.arange(50, 100, 5) / 100  # of IoU, to be exceeded
SMALLEST = 100.0  # weighted pixels; smaller true instances are ignored
TRUE, FALSE, IGNORED = 1, 0, -1  # outcome of a prediction at a threshold


class Detections(NamedTuple):
    """The matches of the predictions and true instances of one class in one picture.

    Attributes:
        outcomes: `TRUE`, `FALSE` or `IGNORED` for every prediction and threshold, [p thresholds].
        missed: number of true instances without a match at each threshold, [thresholds].
        truths: number of true instances that are not ignored.
    """

    outcomes: Int[np.ndarray, "p thresholds"]
    missed: Int[np.ndarray, "thresholds"]
    truths: int


def detections(overlaps: Overlaps, scores: Float[np.ndarray, "p"], *, smallest: float = SMALLEST) -> Detections:
    """Matches the predictions of one class with the true instances of the class.

    A prediction matches a true instance where their IoU is strictly above the threshold. Of several predictions that
    match one truth, the best score is true and the others are false. One that matches none is false, unless the share
    of it that lies on void or on true instances below `smallest` exceeds the threshold; one that matches a small one
    is ignored.
    """
    asked = overlaps.truth_areas >= smallest
    union = overlaps.truth_areas[:, None] + overlaps.guess_areas - overlaps.intersections
    iou = overlaps.intersections / np.maximum(union, np.finfo(float).tiny)
    excused = overlaps.void + overlaps.intersections[~asked].sum(axis=0)
    share = excused / np.maximum(overlaps.guess_areas, np.finfo(float).tiny)

    seen = overlaps.guess_areas > 0  # a prediction without a confident pixel does not count
    outcomes = np.full((len(scores), len(THRESHOLDS)), IGNORED)
    missed = np.zeros(len(THRESHOLDS), np.int64)
    for index, threshold in enumerate(THRESHOLDS):
        matches = iou > threshold
        outcomes[seen & ~matches.any(axis=0) & (share <= threshold), index] = FALSE
        for matching in matches[asked]:
            candidates = np.flatnonzero(matching)
            if not len(candidates):
                missed[index] += 1
                continue
            outcomes[candidates, index] = FALSE
            outcomes[candidates[scores[candidates].argmax()], index] = TRUE
    return Detections(outcomes, missed, int(asked.sum()))


def average_precision(scores: Sequence[float], is_true: Sequence[bool], missed: int) -> float:
    """Area under the curve of precision over recall, by the trapezoid rule from the point (recall 0, precision 1).

    The curve has a point for every distinct score s: the predictions scored s or better are accepted. `missed` truths
    have no match at any score. Without predictions or truths the area is 0.
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    falling, hit = np.asarray(scores, np.float64)[order], np.asarray(is_true, bool)[order]
    truths = int(hit.sum()) + missed
    if not truths or not len(order):
        return 0.0
    last_of_score = np.append(falling[1:] != falling[:-1], True)
    true_positives = hit.cumsum()[last_of_score]
    accepted = np.arange(1, len(hit) + 1)[last_of_score]
    precision = np.append(1.0, true_positives / accepted)
    recall = np.append(0.0, true_positives / truths)
    return float(np.trapezoid(precision, recall))
