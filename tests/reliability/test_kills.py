"""A training that is killed anywhere and started again ends bit-identical to the one that was not."""

import random
import shutil
import signal
import time

import pytest

from .conftest import arguments, assert_identical, send

pytestmark = pytest.mark.slow


def after(seconds, number):
    def meanwhile(child):
        time.sleep(seconds)
        send(child, number)

    return meanwhile


def inside_a_checkpoint_write(checkpoints, *, which, delay):
    """Kills when the `which`-th unfinished checkpoint has been there for `delay` seconds."""

    def meanwhile(child):
        seen, deadline = set(), time.monotonic() + 60
        while len(seen) < which and time.monotonic() < deadline:
            seen |= {path.name for path in checkpoints.glob("*.part")}
            time.sleep(0.001)
        time.sleep(delay)
        send(child, signal.SIGKILL)

    return meanwhile


def test_killed_and_started_again(request, zygote, data_dir, whole, tmp_path, record_property):
    """One run is killed again and again, each time after another start; where it ends all the same, another begins."""
    chance, workdir = random.Random(0), tmp_path / "run"
    for trial in range(request.config.getoption("--count")):
        if trial % 2:
            record_property("tried kill -9 in a checkpoint write", "identical end")
            killer = inside_a_checkpoint_write(
                workdir / "checkpoints", which=chance.randint(1, 2), delay=chance.uniform(0, 0.06)
            )
        else:
            record_property("tried kill -9 at a random moment", "identical end")
            killer = after(chance.uniform(0.1, 1.0) * whole.seconds, signal.SIGKILL)
        killed = zygote.run(arguments(data_dir, workdir), meanwhile=killer)
        assert killed.status in (-signal.SIGKILL, 0), killed.printed
        if killed.status == 0:
            assert_identical(workdir, whole.workdir)
            shutil.rmtree(workdir)
    ended = zygote.run(arguments(data_dir, workdir))
    assert ended.status == 0, ended.printed
    assert_identical(workdir, whole.workdir)


def test_asked_to_stop_and_started_again(zygote, data_dir, whole, tmp_path, record_property):
    """First by SIGTERM, then, once resumed, by SIGINT."""
    workdir = tmp_path / "run"
    rows = workdir / "metrics.jsonl"

    def steps_done():
        return rows.read_text().count("\n") if rows.exists() else 0

    for number in (signal.SIGTERM, signal.SIGINT):
        record_property(f"tried {number.name} in training", "saved, identical end")
        before = steps_done()

        def meanwhile(child, before=before, number=number):
            deadline = time.monotonic() + 60
            while steps_done() <= before and time.monotonic() < deadline:
                time.sleep(0.01)
            send(child, number)

        stopped = zygote.run(arguments(data_dir, workdir), meanwhile=meanwhile)
        assert stopped.status == 0 and f"{number.name}: saving, then leaving" in stopped.printed, stopped.printed
        assert "run again to resume" in stopped.printed
    ended = zygote.run(arguments(data_dir, workdir))
    assert ended.status == 0 and "resumes at step" in ended.printed, ended.printed
    assert_identical(workdir, whole.workdir)
