"""A batch in parts has the gradient of the whole batch, whatever is labelled where."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtl_depth import config
from mtl_depth.runtime.devices import AXIS, Devices
from mtl_depth.training import gradients as gradient_pieces
from mtl_depth.training.assembly import assemble_run
from mtl_depth.training.augment import augment
from mtl_depth.training.gradients import accumulate
from mtl_depth.training.optimizer import rates

SIZE, HALF = (64, 96), 2


def make_run(tasks=None, **train):
    """The smallest run, of depth + instance by default, without augmentation."""
    tasks = tasks or config.Tasks(depth=config.DepthTask(weight=5.5), instance=config.InstanceTask())
    train = config.Train(augment=False, **train)
    settings = config.Config(data=config.Data(size=SIZE), model=config.Model(width=0.125), tasks=tasks, train=train)
    return assemble_run(settings)


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
    once, twice = make_run(), make_run(accumulate=2)
    state, batch, devices = jax.jit(once.create)(jax.random.key(0)), whole(make_parts()), Devices(1)
    expected = once.gradients()(state, devices.place_batch(batch))
    found = twice.gradients()(state, devices.place_batch(batch, parts=2))
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
    kept, again = make_run(tasks), make_run(tasks, rematerialise=True)
    state = jax.jit(kept.create)(jax.random.key(0))
    batch = make_parts()[0] | {"semantic": np.full((HALF, *SIZE), 7, np.uint8)}
    programs = [assembly.gradients().lower(state, batch) for assembly in (kept, again)]
    convolutions = [program.as_text().count("stablehlo.convolution") for program in programs]
    assert convolutions[1] > 1.2 * convolutions[0]  # a forward pass more, beside one and two backward ones
    expected, found = (program.compile()(state, batch) for program in programs)
    scale = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(expected.grads))
    for left, right in zip(jax.tree.leaves(found.grads), jax.tree.leaves(expected.grads)):
        np.testing.assert_allclose(left, right, atol=2e-6 * scale, rtol=2e-4)


def test_parts_on_devices_leave_nothing_unreduced():
    assembly = make_run()
    parts = make_parts_of(assembly, 2)
    batch = {name: jax.ShapeDtypeStruct((2, 2, 1, *x.shape[1:]), x.dtype) for name, x in make_parts()[0].items()}
    state = assembly.shapes()

    def gradients(state, batch, *, axis_name):
        begin, add, finish = (functools.partial(piece, axis_name=axis_name) for piece in parts)
        return finish(accumulate(begin, add, state, batch, parts=2))

    mapped = jax.vmap(functools.partial(gradients, axis_name=AXIS), in_axes=(None, 0), out_axes=None, axis_name=AXIS)
    found = jax.eval_shape(mapped, state, batch)
    assert jax.tree.map(jnp.shape, found.grads) == jax.tree.map(jnp.shape, state.params)


def make_parts_of(assembly, count):
    return gradient_pieces.make_parts(assembly.network, assembly.tasks, parts=count, augmentation=augment)


@pytest.mark.slow
def test_devices_and_parts_together_are_one_device():
    """Two devices with two parts each have the rows of a part in common, and the keys of their places."""
    assembly = make_run(accumulate=2)
    state, found = jax.jit(assembly.create)(jax.random.key(0)), {}
    for count in (1, 2):
        devices = Devices(count)
        step = assembly.step(devices.parallelize)
        placed = devices.place_batch(whole(make_parts()), parts=2)
        found[count] = step(devices.place_state(jax.tree.map(jnp.copy, state)), placed, rates(config.Train(), steps=9))
    for name, value in found[1][1].items():
        np.testing.assert_allclose(found[2][1][name], value, rtol=2e-4, err_msg=name)
    for tree in ("params", "batch_stats"):
        pairs = (jax.tree.leaves(getattr(found[count][0], tree)) for count in (1, 2))
        for one, two in zip(*pairs, strict=True):
            np.testing.assert_allclose(two, one, atol=2.1e-4)  # Adam's first step is 1e-4 in a direction


def test_programs_do_not_grow_with_the_parts():
    sizes = []
    for count in (2, 8):
        assembly = make_run()
        parts, state = make_parts_of(assembly, count), assembly.shapes()
        batch = {name: jax.ShapeDtypeStruct((count, *x.shape), x.dtype) for name, x in make_parts()[0].items()}
        carry = jax.eval_shape(parts.begin, state, batch)
        place = jax.ShapeDtypeStruct((), np.int32)
        lowered = jax.jit(parts.begin).lower(state, batch), jax.jit(parts.add).lower(state, carry, batch, place)
        sizes.append([len(program.as_text().splitlines()) for program in lowered])
    assert sizes[0] == sizes[1]
