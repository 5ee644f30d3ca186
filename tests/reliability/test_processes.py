"""Two processes over jax.distributed do what one does; when one dies, the other stops and says so."""

import json
import signal
import socket
import time

import numpy as np
import pytest

from mtl_depth.runtime.log import read_metrics

from .conftest import STEPS, arguments, final_state, send

pytestmark = pytest.mark.slow
AT_MOST = 60  # seconds until the others of a dead process have stopped


def start(zygote, argv, folder, *, processes, devices):
    """Process ids of a training by several, each with `devices` forced CPU devices; what they print is in `folder`."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    folder.mkdir(exist_ok=True)
    # Each of them compiles, so XLA does not optimise.
    flags = f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0"
    started = []
    for index in range(processes):
        several = {
            "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
            "JAX_NUM_PROCESSES": str(processes),
            "JAX_PROCESS_ID": str(index),
        }
        environment = {"XLA_FLAGS": flags} | (several if processes > 1 else {})
        started.append(zygote.start(argv, folder / f"{index}.txt", **environment))
    return started


def finish(zygote, started, folder, *, timeout=600):
    """(exit statuses, what each printed)."""
    statuses = [zygote.wait(child, timeout=timeout) for child in started]
    return statuses, [(folder / f"{index}.txt").read_text() for index in range(len(started))]


def train(zygote, argv, folder, *, processes=2, devices=1):
    """The same of a training that nothing disturbs."""
    return finish(zygote, start(zygote, argv, folder, processes=processes, devices=devices), folder)


def command(data_dir, workdir):
    return arguments(data_dir, workdir, "--config.train.batch_size=4", "--config.train.devices=0")


@pytest.fixture(scope="module")
def one(zygote, data_dir, tmp_path_factory):
    """The run of one process with two devices."""
    folder = tmp_path_factory.mktemp("one")
    statuses, printed = train(zygote, command(data_dir, folder / "run"), folder, processes=1, devices=2)
    assert statuses == [0], printed
    return folder / "run"


def assert_close(workdir, expected):
    rows, wanted = (read_metrics(each / "metrics.jsonl") for each in (workdir, expected))
    assert [row["step"] for row in rows] == [row["step"] for row in wanted]
    largest = 0.0
    for row, other in zip(rows[:STEPS], wanted[:STEPS]):
        np.testing.assert_allclose(row["loss"], other["loss"], rtol=1e-3)
        largest = max(largest, abs(row["loss"] - other["loss"]) / other["loss"])
    found, kept = final_state(workdir), final_state(expected)
    assert found.keys() == kept.keys()
    return largest


def wait_for_checkpoint(workdir, step):
    """Until the training has saved this step."""
    deadline = time.monotonic() + 300
    while not (workdir / "checkpoints" / str(step)).is_dir() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_two_processes_are_one(zygote, data_dir, one, tmp_path, record_property):
    statuses, printed = train(zygote, command(data_dir, tmp_path / "run"), tmp_path / "log")
    assert statuses == [0, 0], printed
    largest = assert_close(tmp_path / "run", one)
    record_property("tried two processes against one", f"largest difference of a loss {largest:.0e}")
    assert "saved in" in printed[0] and "saved in" not in printed[1]  # one writes
    shared = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    argv = [*command(data_dir, tmp_path / "run"), "--mode=evaluate"]
    started = start(zygote, argv, tmp_path / "log", processes=1, devices=1)
    statuses, printed = finish(zygote, started, tmp_path / "log")
    assert statuses == [0], printed
    alone = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert all(alone[name] == shared[name] for name in ("split", "frames", "depth", "recipe"))


def test_the_other_stops_when_one_dies_and_the_restart_works(zygote, data_dir, one, tmp_path, record_property):
    """First process 0 is killed, then, once both have resumed, process 1."""
    argv, workdir = command(data_dir, tmp_path / "run"), tmp_path / "run"
    for victim, step in ((0, 2), (1, 5)):
        outcome = "the other says so and stops, same losses after restart"
        record_property(f"tried kill -9 of process {victim} of 2", outcome)
        log = tmp_path / f"log{victim}"
        started = start(zygote, argv, log, processes=2, devices=1)
        wait_for_checkpoint(workdir, step)
        send(started[victim], signal.SIGKILL)
        begun = time.monotonic()
        statuses, printed = finish(zygote, started, log, timeout=AT_MOST)
        assert time.monotonic() - begun < AT_MOST
        assert statuses[victim] == -signal.SIGKILL
        assert statuses[1 - victim] != 0
        assert "another process of this run is gone" in printed[1 - victim], printed[1 - victim]
    statuses, printed = train(zygote, argv, tmp_path / "log")
    assert statuses == [0, 0], printed
    assert "resumes at step" in printed[0]
    assert_close(workdir, one)


def test_asked_to_stop_they_stop_at_the_same_step(zygote, data_dir, tmp_path, record_property):
    record_property("tried SIGTERM to one process of 2", "both save at the same step")
    workdir = tmp_path / "run"
    argv = [*command(data_dir, workdir), "--config.train.steps=500"]
    started = start(zygote, argv, tmp_path / "log", processes=2, devices=1)
    wait_for_checkpoint(workdir, 2)
    send(started[1], signal.SIGTERM)
    statuses, printed = finish(zygote, started, tmp_path / "log", timeout=60)
    assert statuses == [0, 0], printed
    assert "run again to resume" in printed[0]
    assert json.loads((workdir / "metrics.jsonl").read_text().splitlines()[-1])["step"] < 500
