"""Waiting for input: measured with a clock of the test's own, and told once."""

import itertools

import pytest

from mtl_depth.runtime.input_wait import advice, metered


def loop(*, wait, work, count=30, window=10, slow_start=0.0):
    """Runs a loop whose reader takes `wait` and whose body takes `work` seconds; returns the warnings."""
    now, warnings = [0.0], []

    def read():
        for number in itertools.count():
            now[0] += slow_start if number == 0 else wait
            yield number

    batches = metered(read(), warn=warnings.append, window=window, clock=lambda: now[0])
    for expected in range(count):
        assert next(batches) == expected
        now[0] += work
    batches.close()
    return warnings


def test_the_share_is_told_once():
    # 1 second of waiting and 3 of work an item
    assert loop(wait=1.0, work=3.0) == pytest.approx([0.25])


def test_a_fast_reader_and_a_slow_start_are_no_reason_to_warn():
    assert loop(wait=0.1, work=3.0) == []
    assert loop(wait=0.0, work=1.0, slow_start=100.0) == []
    assert loop(wait=1.0, work=1.0, count=10) == []  # fewer than a window


def test_items_errors_and_the_end_pass_through():
    closed = []

    def read(error):
        try:
            yield 1
            yield 2
            if error:
                raise OSError("gone")
        finally:
            closed.append(True)

    assert list(metered(read(False), warn=print)) == [1, 2]
    batches = metered(read(True), warn=print)
    assert [next(batches), next(batches)] == [1, 2]
    with pytest.raises(OSError, match="gone"):
        next(batches)
    batches = metered(read(False), warn=print)
    next(batches)
    batches.close()
    assert len(closed) == 3


def test_the_advice_holds_the_share_and_the_settings():
    sentence = advice(0.25, threads=2, workers=0)
    assert "25%" in sentence and "workers (now 0)" in sentence and "threads (now 2)" in sentence
