"""The paired median and its interval by hand values, and that the command runs."""

import itertools

import numpy as np
import pytest

from mtl_depth.benchmarks import safety


def test_median_interval_by_hand():
    # 100 ratios 1.00, 1.01, ... 1.99: ranks 50 - 9.8 -> 40 and 50 + 9.8 -> 60
    low, high = safety.median_interval([1 + n / 100 for n in reversed(range(100))])
    np.testing.assert_allclose([low, high], [40, 60], atol=1e-9)


def test_pairs_alternate_and_the_first_do_not_count(monkeypatch):
    clock, calls = itertools.count(), []
    monkeypatch.setattr(safety.time, "perf_counter", lambda: next(clock))
    ratios, seconds = safety.paired(lambda: calls.append("a"), lambda: calls.append("b"), pairs=4)
    assert ratios == [1] * 4 and seconds == 1
    assert "".join(calls) == "ba" + "ab" + "ba" + "ab" + "ba" + "ab"


@pytest.mark.slow
def test_the_command_prints_its_table(capsys, tmp_path):
    path = tmp_path / "safety.json"
    assert safety.main(["--pairs=4", "--size=64x64", "--width=0.125", "--batch=1", f"--json={path}"]) == 0
    assert "checks of a step" in capsys.readouterr().out and path.exists()
