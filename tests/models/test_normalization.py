"""Batch normalisation: hand values, groups as separate calls, several devices as one."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtl_depth.models.normalization import BatchNorm

CHANNELS = 3
NORM = BatchNorm()


@pytest.fixture(scope="module")
def variables():
    """Scale, bias and running averages that differ from channel to channel."""
    rows = np.random.default_rng(1).uniform(0.5, 2, size=(4, CHANNELS)).astype(np.float32)
    scale, bias, mean, variance = map(jnp.asarray, rows)
    return {"params": {"scale": scale, "bias": bias}, "batch_stats": {"mean": mean, "var": variance}}


@pytest.fixture(scope="module")
def x():
    return jnp.asarray(np.random.default_rng(2).normal(3, 2, size=(8, 2, 3, CHANNELS)), jnp.float32)


@functools.partial(jax.jit, static_argnames=("axis_name", "groups"))
def trained(variables, x, axis_name=None, groups=1):
    y, state = NORM.apply(variables, x, train=True, axis_name=axis_name, groups=groups, mutable=["batch_stats"])
    return y, state["batch_stats"]


def test_hand_values():
    """Values 1, 2, 3, 6: mean 3, biased variance (4 + 1 + 0 + 9) / 4 = 3.5, unbiased 14 / 3.

    Running averages from mean 0 and variance 1: 0.1 * 3 = 0.3 and 0.9 + 0.1 * 14 / 3 = 1.3666667.
    """
    x = jnp.array([1.0, 2.0, 3.0, 6.0]).reshape(2, 1, 2, 1)
    variables = NORM.init(jax.random.key(0), x, train=False)
    y, statistics = trained(variables, x)
    np.testing.assert_allclose(y.ravel(), np.array([-2, -1, 0, 3]) / np.sqrt(3.5 + 1e-5), rtol=1e-6)
    np.testing.assert_allclose(statistics["mean"], 0.3, rtol=1e-6)
    np.testing.assert_allclose(statistics["var"], 1.3666667, rtol=1e-6)


def test_evaluation_uses_running_averages(variables, x):
    y = NORM.apply(variables, x, train=False)
    scale, bias, mean, variance = (*variables["params"].values(), *variables["batch_stats"].values())
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-5) * scale + bias, atol=1e-5)


def test_groups_equal_separate_calls_in_order(variables, x):
    y, statistics = trained(variables, x, groups=4)
    separate = []
    for block in jnp.split(x, 4):
        own, updated = trained(variables, block)
        separate.append(own)
        variables = {**variables, "batch_stats": updated}
    np.testing.assert_allclose(y, jnp.concatenate(separate), atol=1e-6)
    for name in ("mean", "var"):
        np.testing.assert_allclose(statistics[name], variables["batch_stats"][name], rtol=1e-6)


@pytest.mark.parametrize("groups", [1, 2])
def test_two_devices_equal_one(variables, x, groups):
    """Each device holds half of every group; values, statistics and gradients are those of the whole."""

    def loss(variables, x, axis_name=None):
        y, statistics = trained(variables, x, axis_name, groups)
        return (y**3).sum(), (y, statistics)

    def sharded(variables, x):
        gradients, rest = jax.grad(loss, has_aux=True)(variables, x, "devices")
        return jax.lax.psum(gradients, "devices"), rest

    shards = x.reshape(groups, 2, -1, *x.shape[1:]).swapaxes(0, 1).reshape(2, -1, *x.shape[1:])
    gradients, (y, statistics) = jax.vmap(sharded, in_axes=(None, 0), axis_name="devices")(variables, shards)
    whole_gradients, (whole_y, whole_statistics) = jax.grad(loss, has_aux=True)(variables, x)
    y = y.reshape(2, groups, -1, *x.shape[1:]).swapaxes(0, 1).reshape(x.shape)
    np.testing.assert_allclose(y, whole_y, atol=2e-6)
    for name in ("mean", "var"):
        np.testing.assert_allclose(statistics[name][0], whole_statistics[name], rtol=1e-6)
        np.testing.assert_array_equal(statistics[name][0], statistics[name][1])
    for name in ("scale", "bias"):
        expected = whole_gradients["params"][name]
        np.testing.assert_allclose(gradients["params"][name][0], expected, rtol=1e-4)


@pytest.mark.parametrize("devices", [1, 2])
def test_gradients_are_those_of_automatic_differentiation(variables, x, devices):
    """Of every input, two groups to a device; the reference is the formula, differentiated by jax."""
    weights = jnp.asarray(np.random.default_rng(3).normal(size=x.shape), jnp.float32)
    sides = (2, devices, -1, *x.shape[1:])

    def plain(x, scale, bias):
        blocks = x.reshape(2, -1, *x.shape[1:])
        mean, variance = (f(blocks, axis=(1, 2, 3), keepdims=True) for f in (jnp.mean, jnp.var))
        y = (blocks - mean) / jnp.sqrt(variance + 1e-5) * scale + bias
        return (weights * y.reshape(x.shape)).sum()

    def share(x, scale, bias, weights):
        y, _ = trained({**variables, "params": {"scale": scale, "bias": bias}}, x, "devices", 2)
        return (weights * y).sum()

    def gradients(x, scale, bias, weights):
        of_x, *of_parameters = jax.grad(share, (0, 1, 2))(x, scale, bias, weights)
        return of_x, *jax.lax.psum(of_parameters, "devices")

    inputs = (x, variables["params"]["scale"], variables["params"]["bias"])
    shares = [a.reshape(sides).swapaxes(0, 1).reshape(devices, -1, *a.shape[1:]) for a in (x, weights)]
    of_x, *found = jax.vmap(gradients, (0, None, None, 0), axis_name="devices")(shares[0], *inputs[1:], shares[1])
    of_x = of_x.reshape(devices, 2, -1, *x.shape[1:]).swapaxes(0, 1).reshape(x.shape)
    found = [of_x, *(each[0] for each in found)]
    for ours, expected in zip(found, jax.grad(plain, (0, 1, 2))(*inputs), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=2e-5)


def test_large_offsets_do_not_cancel():
    """Mean 1000, deviation 0.1: E[x^2] - E[x]^2 has no digit left in float32."""
    x = jnp.asarray(1000 + 0.1 * np.random.default_rng(0).normal(size=(4, 8, 8, 1)), jnp.float32)
    variables = NORM.init(jax.random.key(0), x, train=False)
    y, _ = trained(variables, x)
    expected = (np.float64(x) - np.float64(x).mean()) / np.sqrt(np.float64(x).var() + 1e-5)
    np.testing.assert_allclose(y, expected, atol=2e-2)


def test_one_value_a_channel_stays_finite():
    x = jnp.ones((1, 1, 1, 2))
    y, statistics = trained(NORM.init(jax.random.key(0), x, train=False), x)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves((y, statistics)))


def test_half_precision_input_has_full_precision_statistics():
    x = jnp.asarray(np.random.default_rng(0).normal(100, 1, size=(4, 8, 8, 1)), jnp.bfloat16)
    norm = BatchNorm(jnp.bfloat16)
    variables = norm.init(jax.random.key(0), x, train=False)
    y, state = norm.apply(variables, x, train=True, mutable=["batch_stats"])
    assert y.dtype == jnp.bfloat16
    expected = 0.1 * np.float32(x).mean()
    np.testing.assert_allclose(state["batch_stats"]["mean"][0], expected, rtol=1e-6)


def test_starting_in_training_mode_leaves_the_running_averages(x):
    variables = NORM.init(jax.random.key(0), x, train=True)
    np.testing.assert_array_equal(variables["batch_stats"]["mean"], 0)
    np.testing.assert_array_equal(variables["batch_stats"]["var"], 1)
