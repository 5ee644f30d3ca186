"""Panoptic quality: hand values, and sets of pixels over 200 random maps."""

import numpy as np
import pytest

from mtl_depth.metrics.overlap import map_overlaps
from mtl_depth.metrics.panoptic import panoptic_counts, qualities


def _sets_of_pixels(truth, predicted, weight, void):
    """The definition, with Python sets: void pixels are taken out of predictions first."""

    def area(pixels):
        return sum(weight.flat[pixel] for pixel in pixels)

    def segments(values):
        return [set(np.flatnonzero(values == value)) for value in np.unique(values) if value]

    hidden = set(np.flatnonzero(void))
    truths = [pixels for pixels in segments(truth) if area(pixels) > 0]
    guesses = [pixels for pixels in segments(predicted) if area(pixels) > 0]
    iou, matched_truths, matched_guesses = 0.0, set(), set()
    for t, true in enumerate(truths):
        for g, guess in enumerate(guesses):
            union = area(true | (guess - hidden))
            if area(true & guess) / union > 0.5:
                iou += area(true & guess) / union
                matched_truths.add(t)
                matched_guesses.add(g)
    false = [
        g for g, guess in enumerate(guesses) if g not in matched_guesses and area(guess & hidden) / area(guess) <= 0.5
    ]
    return [iou, len(matched_truths), len(false), len(truths) - len(matched_truths)]


def test_200_random_maps_equal_sets_of_pixels():
    rng = np.random.default_rng(0)
    matches = 0
    for _ in range(200):
        size = tuple(rng.integers(2, 9, 2))
        void = rng.random(size) < 0.25
        truth = np.where(void, 0, rng.integers(0, 4, size))
        predicted = np.where(rng.random(size) < 0.7, truth * 2 % 7, rng.integers(0, 5, size))
        weight = rng.integers(0, 65536, size) / 65535 if rng.random() < 0.5 else np.ones(size)
        counts = panoptic_counts(map_overlaps(truth, predicted, weight, void))
        np.testing.assert_allclose(counts, _sets_of_pixels(truth, predicted, weight, void), atol=1e-9)
        matches += counts[1]
    assert matches > 100  # the maps are alike enough to test something


def test_by_hand():
    truth = np.array([[1, 1, 1, 1, 2, 2, 0, 0]])
    predicted = np.array([[5, 5, 5, 0, 6, 0, 8, 8]])
    # 1 and 5: IoU 3/4, a match. 2 and 6: IoU 1/2, none, so one false each way; 8 lies on void.
    void = np.array([[0, 0, 0, 0, 0, 0, 1, 1]], bool)
    counts = panoptic_counts(map_overlaps(truth, predicted, np.ones(truth.shape), void))
    np.testing.assert_allclose(counts, [0.75, 1, 1, 1])
    assert qualities(counts) == pytest.approx({"pq": 0.375, "sq": 0.75, "rq": 0.5})


def test_half_on_void_is_still_false():
    void = np.array([[0, 1]], bool)
    assert panoptic_counts(map_overlaps(np.array([[0, 0]]), np.array([[5, 5]]), np.ones((1, 2)), void))[2] == 1


def test_nothing_true_and_nothing_predicted_has_no_quality():
    assert qualities(np.zeros(4)) == {}
    assert qualities(np.array([0.0, 0, 2, 0])) == {"pq": 0, "sq": 0, "rq": 0}
