"""A batch in parts has the gradient of the whole batch, whatever is labelled where."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtl_depth import config
from mtl_depth.runtime.devices import AXIS
from mtl_depth.tasks import assemble
from mtl_depth.training import state as states
from mtl_depth.training.gradients import make_gradients
from mtl_depth.training.optimizer import make_optimizer

SIZE, HALF = (64, 96), 2


def make_run(tasks=None, **options):
    """(key -> state, gradients) of the smallest run, of depth + instance unless told, without augmentation."""
    tasks = tasks or config.Tasks(depth=config.DepthTask(weight=5.5), instance=config.InstanceTask())
    network, tasks = assemble(config.Model(width=0.125), tasks)
    optimizer = make_optimizer(config.Train(), steps=10, head_multipliers={task.name: 1.0 for task in tasks})
    create = functools.partial(states.create, network=network, optimizer=optimizer, size=SIZE, frames=3)
    return create, make_gradients(network, tasks, augmented=False, **options)


def make_parts() -> tuple[dict[str, np.ndarray], ...]:
    """Two parts with the same pictures, so that BatchNorm sees the same statistics in a part as in the whole.

    The first has few labelled pixels, the second many, so that a mean of means would be another loss.
    """
    generator = np.random.default_rng(0)
    coarse = generator.uniform(0, 255, (HALF, 3, SIZE[0] // 8, SIZE[1] // 8, 3))
    image = np.asarray(jax.image.resize(coarse, (HALF, 3, *SIZE, 3), "linear")).clip(0, 255).astype(np.uint8)
    parts = []
    for labelled in (6, 60):
        instance = np.zeros((HALF, *SIZE), np.int32)
        instance[:, :labelled] = 7000
        instance[0, : labelled // 2, 20:60] = 26001
        intrinsics = np.tile(np.array([[50, 0, 45], [0, 50, 40], [0, 0, 1]], np.float32), (HALF, 1, 1))
        parts.append({"image": image, "intrinsics": intrinsics, "instance": instance})
    return tuple(parts)


def whole(parts):
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@pytest.mark.slow
def test_parts_have_the_gradient_of_the_whole():
    create, gradients = make_run()
    state, parts = jax.jit(create)(jax.random.key(0)), make_parts()
    expected, found = jax.jit(gradients)(state, whole(parts)), jax.jit(gradients)(state, parts)
    for name, value in expected.terms.items():
        np.testing.assert_allclose(found.terms[name], value, rtol=1e-5, err_msg=name)
    for name, value in expected.health.items():
        np.testing.assert_allclose(found.health[name], value, rtol=1e-5, err_msg=name)
    scale = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(expected.grads))
    for left, right in zip(jax.tree.leaves(found.grads), jax.tree.leaves(expected.grads)):
        np.testing.assert_allclose(left, right, atol=2e-6 * scale, rtol=2e-4)


@pytest.mark.slow
def test_features_computed_again_give_the_same_gradient():
    """How much memory that saves shows on accelerators only: XLA's CPU compiler merges the two computations again."""
    tasks = config.Tasks(semantic=config.SemanticTask())
    (create, kept), (_, again) = make_run(tasks), make_run(tasks, rematerialise=True)
    state = jax.jit(create)(jax.random.key(0))
    batch = make_parts()[0] | {"semantic": np.full((HALF, *SIZE), 7, np.uint8)}
    programs = [jax.jit(gradients).lower(state, batch) for gradients in (kept, again)]
    convolutions = [program.as_text().count("stablehlo.convolution") for program in programs]
    assert convolutions[1] > 1.2 * convolutions[0]  # a forward pass more, beside one and two backward ones
    expected, found = (program.compile()(state, batch) for program in programs)
    scale = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(expected.grads))
    for left, right in zip(jax.tree.leaves(found.grads), jax.tree.leaves(expected.grads)):
        np.testing.assert_allclose(left, right, atol=2e-6 * scale, rtol=2e-4)


def test_parts_on_devices_leave_nothing_unreduced():
    create, gradients = make_run()
    state = jax.eval_shape(create, jax.random.key(0))
    mapped = jax.vmap(functools.partial(gradients, axis_name=AXIS), in_axes=(None, 0), out_axes=None, axis_name=AXIS)
    split = jax.tree.map(lambda x: jax.ShapeDtypeStruct((2, 1, *x.shape[1:]), x.dtype), make_parts())
    found = jax.eval_shape(mapped, state, split)
    assert jax.tree.map(jnp.shape, found.grads) == jax.tree.map(jnp.shape, state.params)
