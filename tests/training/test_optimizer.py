"""The schedule by hand values, and a learning rate for each part of the network."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from mtl_depth import config
from mtl_depth.training.assembly import assemble_run
from mtl_depth.training.optimizer import learning_rate, make_optimizer, rates


def schedule(**train):
    return functools.partial(learning_rate, rates=rates(config.Train(**train), steps=100))


def test_rate_drops_after_three_quarters():
    rate = schedule()
    # 1e-4 for the first 75 steps (counted from 0), then a tenth of it
    np.testing.assert_allclose([rate(0), rate(74), rate(75), rate(99)], [1e-4, 1e-4, 1e-5, 1e-5], rtol=1e-6)


def test_warm_up_is_linear():
    rate = schedule(warmup_steps=4)
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


def test_schedule_and_seed_are_no_constants_of_the_program():
    """Changing the length of a run, its rate, its seed or how often it logs compiles nothing again."""
    tasks = config.Tasks(semantic=config.SemanticTask())
    batch = {"image": np.zeros((2, 3, 64, 64, 3), np.uint8), "semantic": np.zeros((2, 64, 64), np.uint8)}
    batch |= {"intrinsics": np.tile(np.eye(3, dtype=np.float32), (2, 1, 1)), "confidence": np.ones((2, 64, 64))}
    programs = set()
    for change in ({}, {"steps": 70, "learning_rate": 3e-4, "seed": 5, "log_every": 7, "drop_after": 0.5}):
        train = config.Train(augment=False, **change)
        settings = config.Config(data=config.Data(size=(64, 64)), model=config.Model(width=0.125), tasks=tasks)
        settings.train = train
        assembly = assemble_run(settings)
        schedule = rates(train, steps=train.steps or 100)
        step = assembly.step(lambda step, **_: jax.jit(step))
        programs.add(step.lower(assembly.shapes(), batch, schedule).as_text())
    assert len(programs) == 1
