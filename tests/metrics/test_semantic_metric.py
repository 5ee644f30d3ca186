"""Intersection over union: hand values, a loop over pixels, merging."""

import numpy as np
import pytest
from metric_references import confusion

from mtl_depth.metrics import semantic

GROUPS = {"a": (0,), "b": (1,), "cd": (2, 3)}  # class 4 is not scored


def _loop_ious(pairs):
    """IoU of every group from sets of pixels, straight from the definition."""
    found = {}
    scored = [member for members in GROUPS.values() for member in members]
    for name, members in GROUPS.items():
        intersection = union = 0.0
        for truth, predicted, weight in pairs:
            for t, p, w in zip(truth.ravel(), predicted.ravel(), weight.ravel()):
                if t in scored:
                    intersection += w * (t in members and p in members)
                    union += w * (t in members or p in members)
        if union:
            found[name] = intersection / union
    return found


def _picture(rng):
    size = rng.integers(1, 9, 2)
    truth = rng.choice([0, 1, 2, 3, 4, 255], size)
    predicted = np.where(rng.random(size) < 0.5, truth, rng.choice([0, 1, 2, 3, 4, 255], size))
    return truth, predicted, rng.integers(0, 65536, size) / 65535


def test_by_hand():
    # One row of truth and prediction with weights; 255 is void.
    truth, predicted = np.array([[0, 0, 1, 1, 255]]), np.array([[0, 1, 1, 4, 0]])
    weight = np.array([[1.0, 0.5, 0.25, 1.0, 1.0]])
    ious = semantic.ious(confusion(truth, predicted, weight, classes=5), GROUPS)
    # a: tp 1, fn 0.5, no fp (the void pixel counts nowhere). b: tp 0.25, fp 0.5, fn 1. cd: neither true nor predicted.
    assert ious == pytest.approx({"a": 1 / 1.5, "b": 0.25 / 1.75})
    assert semantic.mean(ious) == pytest.approx((1 / 1.5 + 0.25 / 1.75) / 2)


def test_within_a_category_a_wrong_class_is_right():
    matrix = confusion(np.array([[2, 3]]), np.array([[3, 2]]), np.ones((1, 2)), classes=5)
    assert semantic.ious(matrix, GROUPS) == {"cd": 1.0}
    assert semantic.ious(matrix, {"c": (2,), "d": (3,)}) == {"c": 0.0, "d": 0.0}


def test_200_random_pictures_equal_a_loop_over_pixels_merged_in_any_order():
    rng = np.random.default_rng(0)
    pictures = [_picture(rng) for _ in range(200)]
    matrices = [confusion(*picture, classes=5) for picture in pictures]
    for picture, matrix in zip(pictures, matrices):
        expected = _loop_ious([picture])
        assert semantic.ious(matrix, GROUPS) == pytest.approx(expected, abs=1e-9)
    expected = _loop_ious(pictures)
    for _ in range(3):
        order = rng.permutation(200)
        halves = [sum(matrices[i] for i in part) for part in (order[:77], order[77:])]
        assert semantic.ious(halves[1] + halves[0], GROUPS) == pytest.approx(expected, abs=1e-9)


def test_majority_falls_back_to_the_most_frequent_class():
    counts = np.zeros((1, 3, 4), np.int32)
    counts[0, 0], counts[0, 1] = [0, 2, 1, 0], [5, 0, 0, 0]  # the third pixel was never labelled
    np.testing.assert_array_equal(semantic.majority(counts), [[1, 0, 0]])
