"""`python -m mtl_depth.benchmarks.safety`: the cost of the checks of every step and of checkpoints."""

import argparse
import math
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from mtl_depth import config
from mtl_depth.benchmarks import measure
from mtl_depth.runtime import manifest
from mtl_depth.runtime.checkpoint import Checkpoints
from mtl_depth.runtime.devices import Devices
from mtl_depth.training import monitor
from mtl_depth.training import state as states
from mtl_depth.training.assembly import assemble_run
from mtl_depth.training.optimizer import rates


def main(arguments: Sequence[str] | None = None) -> int:
    """Times pairs of a training step with and without its checks, and prints the median of their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--size", default="192x640", help="HEIGHTxWIDTH of the pictures (192x640)")
    parser.add_argument("--width", type=float, default=1.0, help="factor on the channels")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--checkpoint_every", type=int, default=config.Train().checkpoint_every)
    parser.add_argument("--json", help="also write the result to this file")
    options = parser.parse_args(arguments)
    candidates, state = _candidates(options)
    ratios, bare = paired(candidates["checked"], candidates["bare"], pairs=options.pairs)
    low, high = median_interval(ratios)
    write, care = _checkpoint_seconds(state)
    share = care / (options.checkpoint_every * bare)
    rows = [
        {"what": "step without checks, ms", "median": 1e3 * bare, "from": None, "to": None},
        {"what": "checks of a step, %", "median": 100 * (statistics.median(ratios) - 1), "from": low, "to": high},
        {"what": "checkpoint written, in the background, ms", "median": 1e3 * write, "from": None, "to": None},
        {"what": "of it checksums and sync, ms", "median": 1e3 * care, "from": None, "to": None},
        {"what": f"that, a step of {options.checkpoint_every}, %", "median": 100 * share, "from": None, "to": None},
    ]
    settings = f"{options.size}, width {options.width:g}, batch {options.batch}, {options.pairs} pairs, 95 % interval"
    measure.show(measure.report("safety", rows, settings=settings), path=options.json)
    return 0


def paired(first: Callable[[], Any], second: Callable[[], Any], *, pairs: int) -> tuple[list[float], float]:
    """Time of `first` over time of `second` in each of `pairs`, whose order alternates, and the median of `second`."""
    ratios, seconds = [], []
    for number in range(-2, pairs):
        times = {}
        for run in (first, second) if number % 2 else (second, first):
            start = time.perf_counter()
            run()
            times[run] = time.perf_counter() - start
        if number >= 0:
            ratios.append(times[first] / times[second])
            seconds.append(times[second])
    return ratios, statistics.median(seconds)


def median_interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Percent above 1 between which the median of the ratios lies with 95 %: ranks n/2 +- 0.98 sqrt(n)."""
    ordered, half = sorted(ratios), 0.98 * math.sqrt(len(ratios))
    low, high = math.floor(len(ratios) / 2 - half), math.ceil(len(ratios) / 2 + half)
    return 100 * (ordered[max(low, 0)] - 1), 100 * (ordered[min(high, len(ordered) - 1)] - 1)


def _candidates(options: argparse.Namespace) -> tuple[dict[str, Callable[[], Any]], states.TrainState]:
    """Steps of configs/depth.py with predicted motion, each on its own state, met as the training loop meets them."""
    size = tuple(int(side) for side in options.size.split("x"))
    settings = config.Config(
        data=config.Data(size=size),
        model=config.Model(width=options.width),
        tasks=config.Tasks(depth=config.DepthTask()),
    )
    assembly, schedule = assemble_run(settings), rates(settings.train, steps=10**6)
    create = jax.jit(assembly.create)
    devices = Devices(1)
    generator = np.random.default_rng(0)
    batch = devices.place_batch(
        {
            "image": generator.integers(0, 256, (options.batch, 3, *size, 3)).astype(np.uint8),
            "intrinsics": np.tile(
                np.array([[350, 0, 300], [0, 350, 90], [0, 0, 1]], np.float32), (options.batch, 1, 1)
            ),
        }
    )
    clips = {"drive": np.zeros(options.batch, int), "frame": np.arange(options.batch)}
    watch = monitor.Watch(
        assembly.tasks, row=lambda *_: None, say=lambda _: None, max_skipped=config.Train().max_skipped
    )

    def candidate(guarded: bool) -> Callable[[], None]:
        step = assembly.step(devices.parallelize, guarded=guarded)
        held = [devices.place_state(create(jax.random.key(0)))]

        def run() -> None:
            held[0], metrics = step(held[0], batch, schedule)
            if guarded:
                watch.observe(1, metrics, clips, now=True)
            else:
                float(metrics["loss"])

        return run

    return {"checked": candidate(True), "bare": candidate(False)}, create(jax.random.key(0))


def _checkpoint_seconds(state: states.TrainState, *, rounds: int = 5) -> tuple[float, float]:
    """Median seconds of a checkpoint from the copy to its name, and of checksums and sync within."""
    whole, care = [], []
    commit = manifest.commit

    def timed(*arguments: Any) -> None:
        start = time.perf_counter()
        commit(*arguments)
        care.append(time.perf_counter() - start)

    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(pathlib.Path(folder), keep=1)
        manifest.commit = timed
        try:
            for number in range(rounds):
                start = time.perf_counter()
                checkpoints.save(number + 1, state)
                checkpoints.wait()
                whole.append(time.perf_counter() - start)
        finally:
            manifest.commit = commit
            checkpoints.close()
    return statistics.median(whole), statistics.median(care)


if __name__ == "__main__":
    sys.exit(main())
