"""Trainings as processes of their own, and the run that nothing has interrupted."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEPS = 8


class Ended(NamedTuple):
    """A training that has ended: exit status (negative: the signal), what it printed, and how long it took."""

    status: int
    printed: str
    seconds: float


class Zygote:
    """A process that forks trainings, whose programs XLA optimises as for users."""

    def __init__(self, folder: pathlib.Path):
        self._log = folder / "log.txt"
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        del environment["JAX_DISABLE_MOST_OPTIMIZATIONS"]
        self._process = subprocess.Popen(
            [sys.executable, str(pathlib.Path(__file__).with_name("zygote.py"))],
            cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, argv: list[str], *, meanwhile: Callable[[int], None] | None = None, file_limit: int = 0) -> Ended:
        """Runs a command line of mtl_depth.main; `meanwhile` gets its process id, in a thread."""
        self._log.unlink(missing_ok=True)
        begun = time.monotonic()
        child = self.start(argv, self._log, file_limit=file_limit)
        if meanwhile is not None:
            threading.Thread(target=meanwhile, args=(child,), daemon=True).start()
        status = self.wait(child, timeout=120)
        return Ended(status, self._log.read_text(errors="replace"), time.monotonic() - begun)

    def start(self, argv: list[str], log: pathlib.Path, *, file_limit: int = 0, **environment: str) -> int:
        """Starts a command line of mtl_depth.main with more variables in its environment; returns its process id."""
        return self._answer(argv=argv, log=str(log), file_limit=file_limit, environment=environment)

    def wait(self, child: int, *, timeout: float) -> int:
        """Exit status of a started process, which is killed after `timeout` seconds."""
        timer = threading.Timer(timeout, lambda: send(child, signal.SIGKILL))
        timer.start()
        status = self._answer(wait=child)
        timer.cancel()
        return status

    def _answer(self, **order: Any) -> int:
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """Ends the process; its trainings have ended."""
        self._process.stdin.close()
        self._process.wait(timeout=20)


def send(child: int, number: int) -> None:
    """A signal, to a process that may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)


@pytest.fixture(scope="session")
def data_dir(built_city) -> pathlib.Path:
    return built_city


@pytest.fixture(scope="session")
def zygote(tmp_path_factory):
    made = Zygote(tmp_path_factory.mktemp("zygote"))
    yield made
    made.close()


def arguments(data_dir: pathlib.Path, workdir: pathlib.Path, *more: str) -> list[str]:
    """The smallest training: depth from recorded motion, two clips a step, a checkpoint after every step."""
    return [
        "--config=configs/tiny.py:depth", f"--workdir={workdir}", f"--config.data.data_dir={data_dir}",
        "--config.data.size=64,64", "--config.data.threads=1", "--config.data.eval_frames=2",
        "--config.model.width=0.125", f"--config.train.steps={STEPS}", "--config.train.batch_size=2",
        "--config.train.log_every=1", "--config.train.picture_every=0", "--config.train.checkpoint_every=1",
        f"--config.train.keep_checkpoints={STEPS}", "--config.train.devices=1", "--config.evaluation.batch_size=2",
        *more,
    ]  # fmt: skip


class Whole(NamedTuple):
    """The run that nothing has interrupted."""

    workdir: pathlib.Path
    seconds: float


@pytest.fixture(scope="session")
def whole(zygote, data_dir, made_once) -> Whole:
    def train(folder):
        zygote.run(arguments(data_dir, folder / "first"))  # fills the cache of compiled programs
        ended = zygote.run(arguments(data_dir, folder / "whole"))
        assert ended.status == 0, ended.printed
        (folder / "seconds").write_text(str(ended.seconds))

    folder = made_once("uninterrupted", train)
    return Whole(folder / "whole", float((folder / "seconds").read_text()))


def final_state(workdir: pathlib.Path) -> dict[str, np.ndarray]:
    """Everything in the last step's checkpoint, by name."""
    import jax
    import orbax.checkpoint as ocp

    tree = ocp.PyTreeCheckpointer().restore(workdir / "checkpoints" / str(STEPS) / "state")
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def assert_identical(workdir: pathlib.Path, expected: pathlib.Path) -> None:
    """Parameters, statistics, optimiser, metrics.jsonl and evaluation of two runs are the same, bit for bit."""
    found, wanted = final_state(workdir), final_state(expected)
    assert found.keys() == wanted.keys() and len(wanted) > 50
    for name, values in wanted.items():
        assert found[name].tobytes() == values.tobytes(), name
    for name in ("metrics.jsonl", "evaluation.json"):
        assert (workdir / name).read_bytes() == (expected / name).read_bytes(), name
    assert not [path for path in (workdir / "checkpoints").iterdir() if path.suffix in (".part", ".deleted")]
