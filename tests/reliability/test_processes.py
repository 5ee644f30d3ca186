"""Two processes over jax.distributed do what one does; when one dies, the other stops and says so."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from mtl_depth.runtime.log import read_metrics

from .conftest import STEPS, arguments, final_state

pytestmark = pytest.mark.slow
ROOT = pathlib.Path(__file__).resolve().parents[2]
AT_MOST = 60  # seconds until the others of a dead process have stopped


def start(argv, folder, *, processes, devices):
    """Processes that train together, each with `devices` forced CPU devices."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    folder.mkdir(exist_ok=True)
    started = []
    for index in range(processes):
        environment = os.environ | {
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0",
            "PYTHONPATH": str(ROOT),
        }
        if processes > 1:
            environment |= {
                "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
                "JAX_NUM_PROCESSES": str(processes),
                "JAX_PROCESS_ID": str(index),
            }
        with open(folder / f"{index}.txt", "w") as log:
            command = [sys.executable, "-m", "mtl_depth.main", *argv]
            started.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log))
    return started


def finish(started, folder, *, timeout=240):
    """(exit statuses, what each printed)."""
    try:
        statuses = [process.wait(timeout=timeout) for process in started]
    finally:
        for process in started:
            process.kill()
    return statuses, [(folder / f"{index}.txt").read_text() for index in range(len(started))]


def command(data_dir, workdir):
    return arguments(data_dir, workdir, "--config.train.batch_size=4", "--config.train.devices=0")


@pytest.fixture(scope="module")
def one(data_dir, tmp_path_factory):
    """The run of one process with two devices."""
    folder = tmp_path_factory.mktemp("one")
    statuses, printed = finish(start(command(data_dir, folder / "run"), folder, processes=1, devices=2), folder)
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


def test_two_processes_are_one_and_restart_when_one_dies(data_dir, one, tmp_path, record_property):
    statuses, printed = finish(
        start(command(data_dir, tmp_path / "run"), tmp_path / "log", processes=2, devices=1), tmp_path / "log"
    )
    assert statuses == [0, 0], printed
    largest = assert_close(tmp_path / "run", one)
    record_property("tried two processes against one", f"largest difference of a loss {largest:.0e}")
    assert "saved in" in printed[0] and "saved in" not in printed[1]  # one writes
    shared = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    argv = [*command(data_dir, tmp_path / "run"), "--mode=evaluate"]
    statuses, printed = finish(start(argv, tmp_path / "log", processes=1, devices=1), tmp_path / "log")
    assert statuses == [0], printed
    alone = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert all(alone[name] == shared[name] for name in ("split", "frames", "depth", "recipe"))


@pytest.mark.parametrize("victim", [0, 1])
def test_the_other_stops_when_one_dies_and_the_restart_works(victim, data_dir, one, tmp_path, record_property):
    record_property(f"tried kill -9 of process {victim} of 2", "the other says so and stops, same losses after restart")
    workdir = tmp_path / "run"
    started = start(command(data_dir, workdir), tmp_path / "log", processes=2, devices=1)
    deadline = time.monotonic() + 120
    while not (workdir / "checkpoints" / "2").is_dir() and time.monotonic() < deadline:
        time.sleep(0.01)
    started[victim].send_signal(signal.SIGKILL)
    begun = time.monotonic()
    statuses, printed = finish(started, tmp_path / "log", timeout=AT_MOST)
    assert time.monotonic() - begun < AT_MOST
    assert statuses[victim] == -signal.SIGKILL
    assert statuses[1 - victim] != 0
    assert "another process of this run is gone" in printed[1 - victim], printed[1 - victim]
    statuses, printed = finish(
        start(command(data_dir, workdir), tmp_path / "log", processes=2, devices=1), tmp_path / "log"
    )
    assert statuses == [0, 0], printed
    assert "resumes at step" in printed[0]
    assert_close(workdir, one)


def test_asked_to_stop_they_stop_at_the_same_step(data_dir, tmp_path, record_property):
    record_property("tried SIGTERM to one process of 2", "both save at the same step")
    workdir = tmp_path / "run"
    argv = [*command(data_dir, workdir), "--config.train.steps=500"]
    started = start(argv, tmp_path / "log", processes=2, devices=1)
    deadline = time.monotonic() + 120
    while not (workdir / "checkpoints" / "2").is_dir() and time.monotonic() < deadline:
        time.sleep(0.01)
    started[1].send_signal(signal.SIGTERM)
    statuses, printed = finish(started, tmp_path / "log", timeout=60)
    assert statuses == [0, 0], printed
    assert "run again to resume" in printed[0]
    assert json.loads((workdir / "metrics.jsonl").read_text().splitlines()[-1])["step"] < 500
