"""Means and paired differences by hand values, and against scipy."""

import math

import numpy as np
import pytest
import scipy.stats

from mtl_depth.experiments.statistics import mean, paired


def test_mean_by_hand():
    # mean 2; deviations -1, 0, 1; spread sqrt(2 / 2) = 1
    assert mean([1.0, 2.0, 3.0]) == (2.0, 1.0, 3)
    single = mean([5.0])
    assert single.mean == 5 and math.isnan(single.spread)
    with pytest.raises(ValueError):
        mean([])


def test_a_seed_s_own_level_cancels():
    # differences -1, -2, -3: mean -2, spread 1, standard error 1 / sqrt(3); 2 < 4.303 / sqrt(3) = 2.48
    pair = paired([9.0, 98.0, 997.0], [10.0, 100.0, 1000.0])
    assert pair.mean == -2 and not pair.significant
    np.testing.assert_allclose(pair.error, 3**-0.5)
    assert paired([9.0, 99.0, 998.9], [10.0, 100.0, 1000.0]).significant


def test_one_seed_resolves_nothing():
    pair = paired([1.0], [2.0])
    assert pair.mean == -1 and math.isnan(pair.error) and not pair.significant


@pytest.mark.parametrize("count", [2, 3, 5, 10])
def test_significant_is_the_t_test_at_five_percent(count):
    generator = np.random.default_rng(count)
    seen = set()
    for _ in range(60):
        ours, others = generator.normal(0.8, 1, count), generator.normal(0, 1, count)
        pair = paired(ours.tolist(), others.tolist())
        probability = scipy.stats.ttest_rel(ours, others).pvalue
        assert pair.significant == (probability < 0.05)
        seen.add(pair.significant)
    assert seen == {True, False} or count == 2


def test_what_cannot_be_paired_is_refused():
    with pytest.raises(ValueError, match="2 values cannot be paired with 1"):
        paired([1.0, 2.0], [1.0])
