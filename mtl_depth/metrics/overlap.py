"""Overlaps between the instances of a truth map and of a prediction, with pixels weighted by confidence."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer


class Overlaps(NamedTuple):
    """The overlaps in one picture.

    Attributes:
        truths: raw values of the true instances, [t].
        guesses: raw values of the predicted instances, [p].
        truth_areas: sums of weight, [t].
        guess_areas: sums of weight, [p].
        intersections: sums of weight, [t p].
        void: sums of weight of every prediction over void pixels, [p].
    """

    truths: Integer[np.ndarray, "t"]
    guesses: Integer[np.ndarray, "p"]
    truth_areas: Float[np.ndarray, "t"]
    guess_areas: Float[np.ndarray, "p"]
    intersections: Float[np.ndarray, "t p"]
    void: Float[np.ndarray, "p"]

    def of(self, truths: Bool[np.ndarray, "t"], guesses: Bool[np.ndarray, "p"]) -> "Overlaps":
        """The chosen truths and predictions, for instance those of one class."""
        return Overlaps(
            self.truths[truths],
            self.guesses[guesses],
            self.truth_areas[truths],
            self.guess_areas[guesses],
            self.intersections[np.ix_(truths, guesses)],
            self.void[guesses],
        )


def map_overlaps(
    truth: Integer[np.ndarray, "h w"],
    predicted: Integer[np.ndarray, "h w"],
    weight: Float[np.ndarray, "h w"],
    void: Bool[np.ndarray, "h w"],
) -> Overlaps:
    """Overlaps of two maps; value 0 is no instance."""
    truths, truth_index = _compact(truth)
    guesses, guess_index = _compact(predicted)
    shape = (len(truths), len(guesses))
    cells = truth_index.astype(np.int64) * shape[1] + guess_index
    table = np.bincount(cells, weight.ravel(), shape[0] * shape[1]).reshape(shape)
    over_void = np.bincount(guess_index, np.where(void, weight, 0).ravel(), shape[1])
    return Overlaps(truths, guesses, table.sum(axis=1), table.sum(axis=0), table, over_void).of(truths > 0, guesses > 0)


def _compact(values: Integer[np.ndarray, "h w"]) -> tuple[Integer[np.ndarray, "n"], Integer[np.ndarray, "h*w"]]:
    """The distinct values in ascending order, and the index of every pixel's value among them."""
    flat = values.ravel()
    occurring = np.flatnonzero(np.bincount(flat))
    place = np.zeros(occurring[-1] + 1, np.int64)
    place[occurring] = np.arange(len(occurring))
    return occurring, place[flat]
