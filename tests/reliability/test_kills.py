"""A training that is killed anywhere and started again ends bit-identical to the one that was not."""

import random
import signal
import time

import pytest

from .conftest import arguments, assert_identical, send

pytestmark = pytest.mark.slow


def pytest_generate_tests(metafunc):
    if "trial" in metafunc.fixturenames:
        metafunc.parametrize("trial", range(metafunc.config.getoption("--count")))


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


def test_killed_and_started_again(trial, zygote, data_dir, whole, tmp_path, record_property):
    chance = random.Random(trial)
    workdir = tmp_path / "run"
    command = arguments(data_dir, workdir)
    if trial % 2:
        record_property("tried kill -9 in a checkpoint write", "identical end")
        killer = inside_a_checkpoint_write(
            workdir / "checkpoints", which=chance.randint(1, 4), delay=chance.uniform(0, 0.06)
        )
    else:
        record_property("tried kill -9 at a random moment", "identical end")
        killer = after(chance.uniform(0.1, 1.0) * whole.seconds, signal.SIGKILL)
    killed = zygote.run(command, meanwhile=killer)
    assert killed.status in (-signal.SIGKILL, 0), killed.printed
    ended = zygote.run(command)
    assert ended.status == 0, ended.printed
    assert_identical(workdir, whole.workdir)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_and_started_again(number, zygote, data_dir, whole, tmp_path, record_property):
    record_property(f"tried {number.name} in training", "saved, identical end")
    workdir = tmp_path / "run"
    command = arguments(data_dir, workdir)

    def meanwhile(child):
        deadline = time.monotonic() + 60
        while not (workdir / "metrics.jsonl").exists() or not (workdir / "metrics.jsonl").read_text().count("\n") > 2:
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
        send(child, number)

    stopped = zygote.run(command, meanwhile=meanwhile)
    assert stopped.status == 0 and f"{number.name}: saving, then leaving" in stopped.printed, stopped.printed
    assert "run again to resume" in stopped.printed
    ended = zygote.run(command)
    assert ended.status == 0 and "resumes at step" in ended.printed, ended.printed
    assert_identical(workdir, whole.workdir)
