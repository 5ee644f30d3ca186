"""Times, memory, compile times and tables of the benchmarks, on programs whose answers are known."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtl_depth.benchmarks import measure


def test_candidates_run_in_turn_and_the_first_round_does_not_count():
    order, now = [], [0.0]

    def run(name, seconds):
        order.append(name)
        now[0] += 100 if len(order) <= 2 else seconds

    candidates = {"a": lambda: run("a", 1.0), "b": lambda: run("b", 2.0)}
    times = measure.alternate(candidates, rounds=3, clock=lambda: now[0])
    assert order == ["a", "b"] * 4
    assert times == {"a": measure.Timing(1.0, 0.0), "b": measure.Timing(2.0, 0.0)}


def test_spread_is_the_interquartile_range():
    assert measure.timing([5.0, 1.0, 2.0, 4.0, 3.0]) == measure.Timing(3.0, 2.0)  # quartiles 2 and 4
    assert measure.timing([7.0]) == measure.Timing(7.0, 0.0)


def test_the_second_compilation_comes_from_the_cache_and_settings_are_put_back():
    before = jax.config.jax_compilation_cache_dir
    square = jnp.ones((40, 40))
    compiled, cold, cached = measure.compile_twice(lambda: jax.jit(lambda x: jnp.linalg.svd(x)[1]).lower(square))
    assert cached < cold
    np.testing.assert_allclose(compiled(square)[0], 40, rtol=1e-5)
    assert jax.config.jax_compilation_cache_dir == before


def test_memory_of_a_run_is_what_it_holds():
    size = 200_000_000
    used = measure.memory_of(lambda: np.ones(size, np.uint8).sum())
    if used is None:
        pytest.skip("this system does not tell")
    assert 0.9 * size < used < 1.5 * size


def test_roofline_is_the_slower_of_operations_and_bytes():
    square = jnp.ones((256, 256))
    compiled = jax.jit(jnp.matmul).lower(square, square).compile()
    operations = 2 * 256**3
    assert measure.roofline(compiled, measure.Peaks(1e9, 1e15)) == pytest.approx(operations / 1e9, rel=0.01)
    assert measure.roofline(compiled, measure.Peaks(1e15, 1e6)) >= 3 * square.nbytes / 1e6


def test_table_and_json_hold_the_same_rows(tmp_path, capsys):
    rows = [{"what": "ours", "ms": 12.345, "frames": 4}, {"what": "theirs", "ms": 1234.5, "frames": None}]
    measure.show(measure.report("step", rows, ratio=0.5), path=tmp_path / "deep" / "step.json")
    printed = capsys.readouterr().out
    assert "| what   | ms   | frames |" in printed
    assert "| ours   | 12.3 | 4      |" in printed
    assert "| theirs | 1234 | -      |" in printed
    assert "ratio: 0.500" in printed
    written = json.loads((tmp_path / "deep" / "step.json").read_text())
    assert written["rows"] == rows
    assert written["machine"]["jax"] == jax.__version__
