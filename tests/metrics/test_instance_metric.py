"""Average precision: the matching rules one by one, and the curve by hand."""

import numpy as np
import pytest
from metric_references import mask_overlaps

from mtl_depth.metrics.instance import FALSE, IGNORED, THRESHOLDS, TRUE, average_precision, detections
from mtl_depth.metrics.overlap import map_overlaps


def _row(*runs):
    """One row of pixels from (value, length) pairs."""
    return np.concatenate([np.full(length, value) for value, length in runs])[None]


def _detect(truth, predicted, scores, *, void=None, weight=None, smallest=0.0):
    void = np.zeros(truth.shape, bool) if void is None else void
    weight = np.ones(truth.shape) if weight is None else weight
    return detections(map_overlaps(truth, predicted, weight, void), np.array(scores), smallest=smallest)


def test_thresholds():
    np.testing.assert_array_equal(THRESHOLDS, [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95])


def test_a_match_lies_strictly_above_the_threshold():
    # Truth 10 pixels, prediction 6 of them: IoU 0.6 is above 0.5 and 0.55 and not above 0.6.
    outcomes, missed, truths = _detect(_row((1, 10)), _row((7, 6), (0, 4)), [0.9])
    np.testing.assert_array_equal(outcomes[0], [TRUE, TRUE] + [FALSE] * 8)
    np.testing.assert_array_equal(missed, [0, 0] + [1] * 8)
    assert truths == 1
    assert _detect(_row((1, 10)), _row((7, 5), (0, 5)), [0.9]).outcomes[0, 0] == FALSE  # IoU exactly 0.5


def test_duplicates_are_false_and_the_best_score_is_true():
    truth = _row((1, 10), (0, 2))
    masks = np.array([_row((1, 9), (0, 3)), _row((1, 10), (0, 2)), _row((1, 8), (0, 4))], bool)
    overlaps = mask_overlaps(truth, masks, np.ones(truth.shape), np.zeros(truth.shape, bool))
    outcomes = detections(overlaps, np.array([0.3, 0.8, 0.5]), smallest=0.0).outcomes
    np.testing.assert_array_equal(outcomes[:, 0], [FALSE, TRUE, FALSE])
    # Above 0.9 only the second (IoU 1) matches; the first has IoU 0.9.
    np.testing.assert_array_equal(outcomes[:, 8], [FALSE, TRUE, FALSE])


def test_masks_and_maps_agree_where_nothing_overlaps():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 4, (9, 9)), rng.integers(0, 5, (9, 9))
    weight, void = rng.random((9, 9)), rng.random((9, 9)) < 0.2
    by_map = map_overlaps(truth, predicted, weight, void)
    by_mask = mask_overlaps(truth, np.array([predicted == guess for guess in by_map.guesses]), weight, void)
    for name in ("truths", "truth_areas", "guess_areas", "intersections", "void"):
        np.testing.assert_allclose(getattr(by_map, name), getattr(by_mask, name))


def test_no_prediction_and_no_truth():
    empty = mask_overlaps(_row((0, 4)), np.zeros((0, 1, 4), bool), np.ones((1, 4)), np.zeros((1, 4), bool))
    found = detections(empty, np.zeros(0), smallest=0.0)
    assert found.outcomes.shape == (0, 10) and not found.missed.any() and found.truths == 0


def test_small_truths_are_not_asked_for():
    # The prediction fits the small truth: it is ignored. So is one mostly on small truths.
    found = _detect(_row((1, 5), (0, 5)), _row((7, 5), (0, 5)), [0.9], smallest=6.0)
    assert (found.outcomes == IGNORED).all() and not found.missed.any() and found.truths == 0
    found = _detect(_row((1, 5), (0, 4)), _row((7, 9)), [0.9], smallest=6.0)  # IoU 5/9 = 0.556, share 0.556
    np.testing.assert_array_equal(found.outcomes[0], [IGNORED, IGNORED] + [FALSE] * 8)


def test_predictions_mostly_on_void_are_ignored():
    void = _row((1, 6), (0, 4)).astype(bool)
    outcomes = _detect(_row((0, 10)), _row((7, 10)), [0.9], void=void).outcomes[0]
    np.testing.assert_array_equal(outcomes, [IGNORED, IGNORED] + [FALSE] * 8)  # 0.6 is not above 0.6


def test_areas_are_sums_of_confidence():
    # Truth 4 pixels, prediction 2 of them. Plain IoU 0.5; weighted (1 + 1) / (1 + 1 + 0.5 + 0.5) = 0.667.
    truth, predicted, weight = _row((1, 4)), _row((7, 2), (0, 2)), np.array([[1, 1, 0.5, 0.5]])
    assert _detect(truth, predicted, [0.9]).outcomes[0, 0] == FALSE
    np.testing.assert_array_equal(_detect(truth, predicted, [0.9], weight=weight).outcomes[0, :4], [TRUE] * 4)
    # A truth of 4 pixels is too small for 3.5 when its confidence is 3, and a prediction without weight does not exist.
    assert _detect(truth, predicted, [0.9], weight=weight, smallest=3.5).truths == 0
    assert (_detect(truth, predicted, [0.9], weight=np.array([[0, 0, 1.0, 1.0]])).outcomes == IGNORED).all()


def test_curve_by_hand():
    # Three truths, one never found. Falling scores: true, false, true -> (recall, precision) =
    # (0, 1), (1/3, 1), (1/3, 1/2), (2/3, 2/3); trapezoids 1/3 * 1 + 0 + 1/3 * (1/2 + 2/3) / 2 = 1/3 + 7/36 = 19/36.
    assert average_precision([0.9, 0.8, 0.7], [True, False, True], 1) == pytest.approx(19 / 36)
    # Equal scores are one point: (0, 1), (2/3, 2/3): 2/3 * (1 + 2/3) / 2 = 5/9, in any order.
    for is_true in ([True, False, True], [False, True, True]):
        assert average_precision([0.8, 0.8, 0.8], is_true, 1) == pytest.approx(5 / 9)
    assert average_precision([0.2], [True], 0) == 1
    assert average_precision([0.2], [False], 3) == 0
    assert average_precision([], [], 3) == 0
