"""One step is the same step on any number of devices, and lowers for the accelerators that are not at hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mtl_depth import config
from mtl_depth.runtime.devices import AXIS, Devices
from mtl_depth.training.assembly import assemble_run
from mtl_depth.training.augment import augment
from mtl_depth.training.gradients import make_gradients
from mtl_depth.training.step import make_train_step

SIZE, BATCH, STEPS = (64, 64), 8, 20


def make_batch(seed: int = 0) -> dict[str, np.ndarray]:
    """A clip batch of smooth random pictures; half of the targets carry instances, which makes masked means uneven."""
    generator = np.random.default_rng(seed)
    height, width = SIZE
    coarse = generator.uniform(0, 255, (BATCH, 3, height // 8, width // 8, 3))
    image = np.asarray(jax.image.resize(coarse, (BATCH, 3, height, width, 3), "linear")).clip(0, 255).astype(np.uint8)
    intrinsics = np.array([[50, 0, 45], [0, 50, 40], [0, 0, 1]], np.float32)
    motion = np.tile(np.eye(4, dtype=np.float32), (BATCH, 2, 1, 1))
    motion[:, 0, 2, 3], motion[:, 1, 2, 3] = 1, -1
    instance = np.zeros((BATCH, height, width), np.int32)
    instance[: BATCH // 2, 10:40, 20:60] = 26001
    instance[: BATCH // 2, 40:, :] = 7000
    return {
        "image": image,
        "intrinsics": np.tile(intrinsics, (BATCH, 1, 1)),
        "source_from_target": motion,
        "has_pose": np.ones(BATCH, bool),
        "instance": instance,
        "drive": np.zeros(BATCH, np.int32),
        "frame": np.arange(BATCH, dtype=np.int32),
    }


def make_run(optimizer=None, *, motion: str = "predicted"):
    """(key -> state, step) of the smallest depth + instance run."""
    tasks = config.Tasks(depth=config.DepthTask(weight=5.5, motion=motion), instance=config.InstanceTask())
    settings = config.Config(data=config.Data(size=SIZE), model=config.Model(width=0.125), tasks=tasks)
    assembly = assemble_run(settings, steps=10, optimizer=optimizer)
    gradients = make_gradients(assembly.network, assembly.tasks, augmentation=augment)
    return assembly.create, make_train_step(gradients, assembly.optimizer)


def make_shapes(**options):
    """(shapes of the state, step): enough to trace, and nothing is compiled."""
    create, step = make_run(**options)
    return jax.eval_shape(create, jax.random.key(0)), step


@pytest.fixture(scope="module")
def run():
    """(state at the start, number of devices -> compiled step)."""
    # Plain gradient descent: Adam's first steps are sign-like and turn rounding into differences.
    create, step = make_run(optax.sgd(1e-2))
    return jax.jit(create)(jax.random.key(0)), functools.cache(lambda devices: Devices(devices).parallelize(step))


@pytest.fixture(scope="module")
def one_device(run):
    return take_steps(run, devices=1, steps=STEPS)


def take_steps(run, *, devices: int, steps: int = 2, make=make_batch):
    state, compiled = run
    chosen, parallel = Devices(devices), compiled(devices)
    state = chosen.place_state(jax.tree.map(jnp.copy, state))
    losses = []
    for number in range(steps):
        state, metrics = parallel(state, chosen.place_batch(make(number)))
        losses.append({name: float(value) for name, value in metrics.items()})
    return jax.device_get(state), losses


@pytest.mark.slow
def test_loss_is_the_sum_of_its_terms(one_device):
    for row in one_device[1]:
        terms = [value for name, value in row.items() if "/" in name]
        assert len(terms) >= 4
        np.testing.assert_allclose(row["loss"], sum(terms), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("devices", [2, 4, 8])
def test_many_devices_equal_one(run, one_device, devices, record_property):
    (one, one_losses), (many, many_losses) = one_device, take_steps(run, devices=devices, steps=STEPS)
    for expected, seen in zip(one_losses, many_losses, strict=True):
        for name in expected:
            np.testing.assert_allclose(seen[name], expected[name], rtol=2e-4, err_msg=name)
    assert largest_difference(one.params, run[0].params) > 1e-3  # something was learned
    for tree in ("params", "batch_stats"):
        for expected, seen in zip(jax.tree.leaves(getattr(one, tree)), jax.tree.leaves(getattr(many, tree))):
            np.testing.assert_allclose(seen, expected, atol=1e-5, rtol=1e-4)
    loss = max(abs(seen["loss"] / expected["loss"] - 1) for expected, seen in zip(one_losses, many_losses))
    parameter = largest_difference(one.params, many.params)
    record_property(
        f"tried {devices} devices against one, {STEPS} steps",
        f"losses within {loss:.1e} of themselves, parameters within {parameter:.1e}",
    )


def largest_difference(one, other) -> float:
    return max(jax.tree.leaves(jax.tree.map(lambda a, b: float(np.abs(a - b).max()), one, other)))


def poisoned(number: int) -> dict[str, np.ndarray]:
    """As `make_batch`, but one clip of batch 0 has intrinsics that are not finite."""
    batch = make_batch(number)
    if number == 0:
        batch["intrinsics"][5] = np.nan
    return batch


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 8])
def test_what_is_not_finite_changes_nothing_but_the_step(run, devices):
    begin = run[0]
    skipped, (row,) = take_steps(run, devices=devices, steps=1, make=poisoned)
    assert not np.isfinite([row["loss"], row["gradient_norm"]]).all()
    assert row["skipped"] == row["skipped_in_row"] == 1
    assert skipped.step == 1 and skipped.skipped == 1
    for name in ("params", "batch_stats", "opt_state"):
        jax.tree.map(np.testing.assert_array_equal, getattr(skipped, name), getattr(begin, name))
    after, rows = take_steps(run, devices=devices, steps=2, make=poisoned)
    assert np.isfinite(rows[1]["loss"]) and rows[1]["skipped"] == 1 and rows[1]["skipped_in_row"] == 0
    # Data and keys advance: the second step is that of the second batch from untouched weights.
    untouched = (begin._replace(step=jnp.int32(1)), run[1])
    expected, _ = take_steps(untouched, devices=devices, steps=1, make=lambda number: make_batch(1))
    jax.tree.map(np.testing.assert_array_equal, after.params, expected.params)


def sharded_shapes():
    batch = make_batch()
    return {name: jax.ShapeDtypeStruct((2, BATCH // 2, *a.shape[1:]), a.dtype) for name, a in batch.items()}


def test_nothing_is_left_unreduced_over_the_devices():
    state, step = make_shapes()
    mapped = jax.vmap(functools.partial(step, axis_name=AXIS), in_axes=(None, 0), out_axes=None, axis_name=AXIS)
    shapes, _ = jax.eval_shape(mapped, state, sharded_shapes())
    assert jax.tree.map(jnp.shape, shapes.params) == jax.tree.map(jnp.shape, state.params)


@pytest.mark.slow
def test_that_check_notices_a_forgotten_sum():
    state, step = make_shapes()

    def forgetful(state, batch, *, axis_name):
        following, metrics = step(state, batch, axis_name=axis_name)
        return following, metrics | {"brightness": batch["image"].astype(jnp.float32).mean()}

    mapped = jax.vmap(functools.partial(forgetful, axis_name=AXIS), in_axes=(None, 0), out_axes=None, axis_name=AXIS)
    with pytest.raises(ValueError, match="out_axes"):
        jax.eval_shape(mapped, state, sharded_shapes())


def test_lowers_for_accelerators():
    state, step = make_shapes()
    lowered = jax.jit(step).trace(state, make_batch()).lower(lowering_platforms=("tpu", "cuda"))
    assert "module" in lowered.as_text()[:200]


def test_recorded_motion_needs_no_pose_network():
    state, _ = make_shapes(motion="recorded")
    assert set(state.params) == {"encoder", "head_depth", "head_instance"}


@pytest.mark.slow
def test_same_step_twice_is_the_same(run, one_device):
    """Bit for bit, which at the fifth step needs the same parameters after the fourth."""
    _, again = take_steps(run, devices=1, steps=5)
    assert again == one_device[1][:5]
