"""Skipped updates are told with their clips, too many in a row end the run, collapse is said once in plain words."""

import numpy as np
import pytest

from mtl_depth import config
from mtl_depth.tasks import depth
from mtl_depth.tasks.base import Health
from mtl_depth.training import monitor

BATCH = {"drive": np.array([3, 5]), "frame": np.array([120, 7])}


class Journal:
    def __init__(self):
        self.rows, self.said = [], []

    def row(self, step, values):
        self.rows.append((step, values))

    def say(self, sentence):
        self.said.append(sentence)


def metrics(in_row, **more):
    return {"loss": np.nan if in_row else 0.5, "gradient_norm": 1.0, "skipped": in_row, "skipped_in_row": in_row} | more


def make(*, max_skipped=2, tasks=(), in_row=0):
    journal = Journal()
    return journal, monitor.Watch(tasks, row=journal.row, say=journal.say, max_skipped=max_skipped, in_row=in_row)


def test_steps_are_met_one_late():
    journal, watch = make()
    assert watch.observe(1, metrics(0), BATCH) is None  # nothing has been waited for
    assert watch.observe(2, metrics(1), BATCH) == 0.5
    assert not journal.rows
    watch.finish()
    assert journal.rows == [
        (2, {"skipped_clips": ["drive_0003/0000000120", "drive_0005/0000000007"], "found": "loss nan, gradient norm 1"})
    ]
    assert "step 2 is skipped" in journal.said[0] and "drive_0003/0000000120" in journal.said[0]


def test_steps_are_met_at_once_where_asked():
    journal, watch = make()
    watch.observe(1, metrics(1), BATCH, now=True)
    assert len(journal.rows) == 1


def test_too_many_in_a_row_break_the_run_at_the_step_itself():
    journal, watch = make(max_skipped=2)
    watch.observe(1, metrics(0), BATCH)
    watch.observe(2, metrics(1), BATCH)  # met when step 3 has been started; from then on every step at once
    watch.observe(3, metrics(2), BATCH)
    with pytest.raises(monitor.Broken) as broken:
        watch.observe(4, metrics(3), BATCH)
    assert (broken.value.step, broken.value.in_row, broken.value.batch) == (4, 3, BATCH)
    assert [step for step, _ in journal.rows] == [2, 3, 4]


def test_none_allowed_breaks_at_the_first():
    _, watch = make(max_skipped=0)
    with pytest.raises(monitor.Broken):
        watch.observe(1, metrics(1), BATCH)


def test_a_restart_inside_a_row_of_skips_goes_on_counting():
    _, watch = make(max_skipped=2, in_row=2)
    with pytest.raises(monitor.Broken):
        watch.observe(9, metrics(3), BATCH)


def test_collapse_is_said_once_and_only_when_it_lasts():
    task = depth.make(config.DepthTask(), width=0.125, dtype=np.float32)
    sign = Health(measure=task.health.measure, signs={"spread": (0.1, "the depth is flat")})
    journal, watch = make(tasks=[task._replace(health=sign), task._replace(health=None)])
    for step, spread in enumerate([0.0] * 3 + [0.0, 0.0, 0.5] + [0.0] * 6):
        watch.check_health(step + monitor.YOUNG - 2, {"spread": spread})
    assert len(journal.said) == 1
    assert "step 106" in journal.said[0] and "the depth is flat" in journal.said[0] and "0 < 0.1" in journal.said[0]
