"""The schedule by hand values, and a learning rate for each part of the network."""

import jax
import jax.numpy as jnp
import numpy as np

from mtl_depth import config
from mtl_depth.training.optimizer import make_optimizer, schedule


def test_rate_drops_after_three_quarters():
    rate = schedule(config.Train(), steps=100)
    # 1e-4 for the first 75 steps (counted from 0), then a tenth of it
    np.testing.assert_allclose([rate(0), rate(74), rate(75), rate(99)], [1e-4, 1e-4, 1e-5, 1e-5], rtol=1e-6)


def test_warm_up_is_linear():
    rate = schedule(config.Train(warmup_steps=4), steps=100)
    np.testing.assert_allclose([rate(0), rate(1), rate(3), rate(4)], [0.25e-4, 0.5e-4, 1e-4, 1e-4], rtol=1e-6)


def first_update(train, gradient=1.0):
    optimizer = make_optimizer(train, steps=10, head_multipliers={"depth": 1.0, "instance": 3.0})
    names = ("encoder", "pose", "head_depth", "head_instance")
    params = {name: {"kernel": jnp.ones(2)} for name in names}
    grads = jax.tree.map(lambda x: gradient * x, params)
    updates, _ = optimizer.update(grads, optimizer.init(params), params)
    return {name: float(updates[name]["kernel"][0]) for name in names}


def test_parts_have_their_own_rates():
    updates = first_update(config.Train(encoder_multiplier=0.5, pose_multiplier=0.1))
    # Adam's first step is rate * g / (|g| + 1e-8), the rate for any gradient
    np.testing.assert_allclose(updates["encoder"], -0.5e-4, rtol=1e-4)
    np.testing.assert_allclose(updates["pose"], -0.1e-4, rtol=1e-4)
    np.testing.assert_allclose(updates["head_depth"], -1e-4, rtol=1e-4)
    np.testing.assert_allclose(updates["head_instance"], -3e-4, rtol=1e-4)


def test_clipping_acts_on_the_global_norm():
    # 8 ones: norm 8 ** 0.5; clipped to 1e-8 * 8 ** 0.5 each entry is 1e-8, where Adam's epsilon halves the step
    clipped = first_update(config.Train(clip_norm=1e-8 * 8**0.5))
    np.testing.assert_allclose(clipped["head_depth"], -0.5e-4, rtol=1e-3)
