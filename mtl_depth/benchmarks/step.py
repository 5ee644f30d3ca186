"""`python -m mtl_depth.benchmarks.step`: speed of a training step of depth, compared with PyTorch."""

import argparse
import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from mtl_depth import config
from mtl_depth.benchmarks import comparison
from mtl_depth.runtime.devices import Devices
from mtl_depth.training.assembly import assemble_run
from mtl_depth.training.optimizer import rates


def ours(options: argparse.Namespace) -> comparison.Ours:
    """What `train` runs for configs/depth.py: the same factories, the same wrapper, the same donated state."""
    settings = config.Config(
        data=config.Data(size=options.size),
        model=config.Model(**comparison.model(options)),
        tasks=config.Tasks(depth=config.DepthTask()),
        train=config.Train(batch_size=options.batch),
    )
    assembly, schedule = assemble_run(settings), rates(settings.train, steps=1000)
    devices = Devices(1)
    held = [devices.place_state(jax.jit(assembly.create)(jax.random.key(settings.train.seed)))]
    batch = devices.place_batch(make_batch(options))

    def lower() -> Any:
        return assembly.step(devices.parallelize).lower(held[0], batch, schedule)

    def prepare(program: Any) -> Callable[[], Any]:
        def run() -> float:
            held[0], metrics = program(held[0], batch, schedule)  # the old state is donated
            jax.block_until_ready(held[0])
            return float(metrics["loss"])

        return run

    return comparison.Ours(lower, prepare)


def theirs(options: argparse.Namespace, *, compiled: bool) -> Callable[[], Any]:
    """The same step in PyTorch."""
    return comparison.peer.make_step(
        make_batch(options), **comparison.model(options),
        augmented=config.Train().augment, compiled=compiled,
    )  # fmt: skip


def make_batch(options: argparse.Namespace) -> dict[str, np.ndarray]:
    """Clips of a smooth texture that moves, and the intrinsics of a camera with a right angle of view."""
    height, width = options.size
    generator = np.random.default_rng(0)
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    slopes, phases = generator.uniform(-0.2, 0.2, (2, 6)), generator.uniform(0, 6, (options.batch, 3, 6))
    frames = []
    for time in (-1, 0, 1):
        angle = slopes[0] * rows[..., None] + slopes[1] * (columns[..., None] - 3 * time)
        frames.append(0.5 + 0.08 * np.sin(angle[None, :, :, None] + phases[:, None, None]).sum(-1))
    image = np.rint(255 * np.stack(frames, axis=1).clip(0, 1)).astype(np.uint8)
    intrinsics = np.array([[width / 2, 0, width / 2 - 0.5], [0, width / 2, height / 2 - 0.5], [0, 0, 1]], np.float32)
    return {"image": image, "intrinsics": np.tile(intrinsics, (options.batch, 1, 1))}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; its exit status."""
    options = comparison.parser("step", batch=4, rounds=10).parse_args(arguments)
    comparison.run("step", options, lambda: ours(options), functools.partial(theirs, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
