"""Intersection over union of classes and categories, every pixel weighted by the confidence of its label."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Integer


def ious(matrix: Float[np.ndarray, "classes classes+1"], groups: Mapping[str, tuple[int, ...]]) -> dict[str, float]:
    """IoU = tp / (tp + fp + fn) of every group of classes, such as a single class or a category.

    Only pixels whose true class is in one of the groups count. A group that is neither true nor predicted on them is
    left out; one that is only predicted has 0.
    """
    scored = [index for members in groups.values() for index in members]
    found = {}
    for name, members in groups.items():
        predicted = matrix[np.ix_(scored, members)].sum()
        true_positive = matrix[np.ix_(members, members)].sum()
        union = predicted + matrix[list(members)].sum() - true_positive
        if union > 0:
            found[name] = float(true_positive / union)
    return found


def mean(scores: Mapping[str, float]) -> float:
    """The unweighted mean over the classes in `scores`."""
    return float(np.mean(list(scores.values())))


def majority(counts: Integer[np.ndarray, "h w classes"]) -> Integer[np.ndarray, "h w"]:
    """The most frequent class of every pixel; pixels without any label take the most frequent class overall."""
    best = counts.argmax(axis=-1)
    return np.where(counts.any(axis=-1), best, counts.sum(axis=(0, 1)).argmax())
