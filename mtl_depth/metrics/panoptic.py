"""Panoptic quality (Kirillov et al., "Panoptic segmentation", CVPR 2019)."""

import numpy as np
from jaxtyping import Float

from mtl_depth.metrics.overlap import Overlaps

MATCH = 0.5  # IoU to be exceeded, which at most one segment can


def panoptic_counts(overlaps: Overlaps) -> Float[np.ndarray, "4"]:
    """Sum of IoU of the matches, true positives, false positives and false negatives of one class in one picture.

    Void pixels of a prediction count in no union, and an unmatched prediction of which more than half is void is not a
    false positive. Segments without any weight are ignored.
    """
    overlaps = overlaps.of(overlaps.truth_areas > 0, overlaps.guess_areas > 0)
    union = overlaps.truth_areas[:, None] + overlaps.guess_areas - overlaps.void - overlaps.intersections
    iou = overlaps.intersections / np.maximum(union, np.finfo(float).tiny)
    matches = iou > MATCH
    unmatched = ~matches.any(axis=0)
    false = unmatched & (overlaps.void / overlaps.guess_areas <= MATCH)
    return np.array([iou[matches].sum(), matches.sum(), false.sum(), (~matches.any(axis=1)).sum()], np.float64)


def qualities(counts: Float[np.ndarray, "4"]) -> dict[str, float]:
    """PQ = SQ * RQ, SQ = mean IoU of the matches, RQ = TP / (TP + FP/2 + FN/2); {} without any segment."""
    iou, true_positive, false_positive, false_negative = (float(count) for count in counts)
    size = true_positive + false_positive / 2 + false_negative / 2
    if size == 0:
        return {}
    return {"pq": iou / size, "sq": iou / max(true_positive, 1), "rq": true_positive / size}
