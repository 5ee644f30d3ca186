"""The picture as a task: its loss and score by hand, and a head that learns it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mtl_depth import config
from mtl_depth.tasks import reconstruction

TASK = reconstruction.make(config.ReconstructionTask(weight=2.0), width=0.125, dtype=jnp.float32)


def test_loss_and_score_by_hand():
    """A quarter too bright everywhere; the loss is weighted and compares with the middle frame."""
    clip = np.zeros((1, 3, 4, 6, 3), np.float32)
    clip[:, 1] = 0.5
    outputs = {"reconstruction": jnp.full((1, 4, 6, 3), 0.75)}
    ((total, count),) = TASK.loss(None, outputs, {"image": clip}).values()
    assert float(total / count) == pytest.approx(2 * 0.25)
    stored = np.full((1, 1, 4, 6, 3), 51, np.uint8)  # 0.2
    padded = {"reconstruction": np.full((2, 4, 6, 3), 0.75, np.float32)}  # the last batch is filled up
    found = TASK.metrics.summarise(TASK.metrics.measure(padded, {"image": stored}, None))
    assert found["reconstruction"]["error"] == pytest.approx(0.55)
    assert TASK.pictures(padded, {})["reconstruction"].dtype == np.uint8


def test_the_head_learns_a_picture():
    features = [jnp.ones((1, 64 // 2**n, 96 // 2**n, 8)) for n in range(1, 6)]
    clip = jnp.full((1, 1, 64, 96, 3), 0.9)
    params = TASK.head.init(jax.random.key(0), features)

    def error(params):
        ((total, count),) = TASK.loss(None, TASK.head.apply(params, features), {"image": clip}).values()
        return total / count

    optimizer = optax.adam(0.05)
    state, first = optimizer.init(params), float(error(params))
    step = jax.jit(lambda p, s: optimizer.update(jax.grad(error)(p), s))
    for _ in range(20):
        updates, state = step(params, state)
        params = optax.apply_updates(params, updates)
    assert float(error(params)) < 0.3 * first
