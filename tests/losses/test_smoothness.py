"""Edge-aware smoothness: hand values, a plain numpy form, and the gradients of flat and narrow maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from mtl_depth.losses.smoothness import edge_aware_smoothness

smoothness = jax.jit(edge_aware_smoothness)
total = jax.jit(jax.value_and_grad(lambda d, i: edge_aware_smoothness(d, i).sum()))


def example(seed=0, shape=(2, 5, 7)):
    generator = np.random.default_rng(seed)
    return generator.uniform(0.01, 1, shape), generator.random((*shape, 3))


def test_by_hand():
    # d = [1 3; 1 3], mean 2, d* = [0.5 1.5; 0.5 1.5]: |dx d*| = 1, |dy d*| = 0. The image steps by 0.3, 0, 0 across,
    # mean over channels 0.1: the loss is exp(-0.1).
    image = np.zeros((2, 2, 3))
    image[:, 1, 0] = 0.3
    loss = smoothness(jnp.array([[1.0, 3], [1, 3]]), jnp.asarray(image, jnp.float32))
    np.testing.assert_allclose(loss, np.exp(-0.1), rtol=1e-6)


def test_equals_numpy_per_sample():
    disparity, image = example()
    expected = []
    for d, i in zip(disparity, image):
        d = d / (d.mean() + 1e-7)
        across = np.abs(np.diff(d, axis=1)) * np.exp(-np.abs(np.diff(i, axis=1)).mean(-1))
        down = np.abs(np.diff(d, axis=0)) * np.exp(-np.abs(np.diff(i, axis=0)).mean(-1))
        expected.append(across.mean() + down.mean())
    with jax.enable_x64(True):
        np.testing.assert_allclose(smoothness(jnp.asarray(disparity), jnp.asarray(image)), expected, rtol=1e-13)


def test_the_scale_of_the_disparity_does_not_matter():
    disparity, image = example(1)
    with jax.enable_x64(True):
        once, ten_times = (smoothness(jnp.asarray(s * disparity), jnp.asarray(image)) for s in (1, 10))
    np.testing.assert_allclose(ten_times, once, rtol=1e-6)


def test_finite_differences_agree():
    with jax.enable_x64(True):
        check_grads(smoothness, tuple(map(jnp.asarray, example(2, (4, 5)))), order=1, eps=1e-6)


@settings(max_examples=20, deadline=None)
@given(
    shape=st.sampled_from([(4, 3), (4, 1), (1, 1)]),
    disparity=st.sampled_from([0.0, 1e-30, 0.5, 1.0]),
    colour=st.sampled_from([0.0, 1.0]),
)
def test_flat_and_narrow_maps_cost_nothing_and_have_no_slope(shape, disparity, colour):
    value, slope = total(jnp.full(shape, disparity), jnp.full((*shape, 3), colour))
    assert value == 0
    np.testing.assert_array_equal(slope, 0)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_nothing_is_computed_in_half_precision(dtype):
    halves = tuple(jnp.asarray(x, dtype) for x in example(3))
    assert smoothness(*halves).dtype == jnp.float32
    np.testing.assert_allclose(smoothness(*halves), smoothness(*(x.astype(jnp.float32) for x in halves)), rtol=1e-6)


def test_any_batch_is_welcome():
    disparity, image = (jnp.asarray(x, jnp.float32) for x in example(4, (2, 3, 4, 5)))
    together = smoothness(disparity, image)
    assert together.shape == (2, 3)
    np.testing.assert_allclose(jax.jit(jax.vmap(edge_aware_smoothness))(disparity, image), together, rtol=1e-6)
    np.testing.assert_allclose(smoothness(disparity[1, 2], image[1, 2]), together[1, 2], rtol=1e-6)


def test_wrong_shapes_raise():
    with pytest.raises(Exception, match="Type-check"):
        edge_aware_smoothness(jnp.ones((2, 4, 5)), jnp.ones((2, 5, 4, 3)))
