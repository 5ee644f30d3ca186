"""Means over seeds, and differences between trainings that share a seed."""

import math
from collections.abc import Sequence
from typing import NamedTuple

# Two-sided 95 % point of Student's t by degrees of freedom (any table of it); beyond, the normal distribution's.
_T95 = (math.inf, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
_NORMAL = 1.960


class Mean(NamedTuple):
    """A mean and the sample's standard deviation (NaN of a single value)."""

    mean: float
    spread: float
    count: int


class Paired(NamedTuple):
    """The mean of differences, its standard error (NaN of a single one), and whether p < 0.05 (t-test)."""

    mean: float
    error: float
    count: int
    significant: bool


def mean(values: Sequence[float]) -> Mean:
    """Mean and spread; the spread divides by n - 1.

    Raises:
        ValueError: there is no value.
    """
    count = len(values)
    if not count:
        raise ValueError("the mean of no values")
    middle = math.fsum(values) / count
    if count == 1:
        return Mean(middle, math.nan, 1)
    return Mean(middle, math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (count - 1)), count)


def paired(values: Sequence[float], others: Sequence[float]) -> Paired:
    """values - others, pair by pair: what the pairs share (a seed's weights, its batches) cancels.

    Raises:
        ValueError: not as many of the one as of the other, or none.
    """
    if len(values) != len(others):
        raise ValueError(f"{len(values)} values cannot be paired with {len(others)}")
    middle, spread, count = mean([value - other for value, other in zip(values, others)])
    error = spread / math.sqrt(count)
    limit = _T95[count - 1] if count <= len(_T95) else _NORMAL
    return Paired(middle, error, count, count > 1 and abs(middle) > limit * error)
