"""Measures the training steps per second on this machine, without a data set."""

import time

import jax
import numpy as np

from mtl_depth.config import Config
from mtl_depth.runtime.devices import Devices
from mtl_depth.training.assembly import assemble_run
from mtl_depth.training.optimizer import rates


def steps_a_second(config: Config, *, steps: int = 5) -> float:
    """Training steps per second of `config` on random input, without compilation and reading."""
    assembly = assemble_run(config)
    devices = Devices(config.train.devices)
    state = devices.place_state(jax.jit(assembly.create)(jax.random.key(0)))
    step, schedule = assembly.step(devices.parallelize), rates(config.train, steps=1000)
    batch = devices.place_batch(noise(config), parts=config.train.accumulate)
    state, metrics = step(state, batch, schedule)
    jax.block_until_ready(metrics)
    start = time.monotonic()
    for _ in range(steps):
        state, metrics = step(state, batch, schedule)
    jax.block_until_ready(metrics)
    return steps / (time.monotonic() - start)


def noise(config: Config) -> dict[str, np.ndarray]:
    """A batch of random values with the right shapes: a motion of one metre per frame, twenty cars per picture."""
    (height, width), count, length = config.data.size, config.train.batch_size, config.data.clip_length
    generator = np.random.default_rng(0)
    intrinsics = np.array([[0.4 * width, 0, width / 2], [0, 0.4 * width, height / 2], [0, 0, 1]], np.float32)
    motion = np.tile(np.eye(4, dtype=np.float32), (count, length - 1, 1, 1))
    motion[:, :, 2, 3] = np.linspace(1, -1, length - 1)
    instance = np.tile(26001 + np.arange(width, dtype=np.int32) * 20 // width, (count, height, 1))
    return {
        "image": generator.integers(0, 256, (count, length, height, width, 3), np.uint8),
        "intrinsics": np.tile(intrinsics, (count, 1, 1)),
        "source_from_target": motion,
        "has_pose": np.ones(count, bool),
        "semantic": np.full((count, height, width), 26, np.uint8),
        "instance": instance,
        "drive": np.zeros(count, np.int32),
        "frame": np.arange(count, dtype=np.int32),
    }
