"""Convolutions in their fast forms equal the plain ones, gradients included."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtl_depth.models.convolution import convolve, convolve_reflected, convolve_upsampled, max_pool

QUICK = {"xla_backend_optimization_level": 0}  # halves the time to compile


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def assert_equal_with_gradients(function, plain, *arguments):
    ours, theirs = (jax.jit(with_gradients(f), compiler_options=QUICK)(*arguments) for f in (function, plain))
    for x, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(x, expected, rtol=0, atol=2e-5 * max(1, float(jnp.abs(expected).max())))


def with_gradients(function):
    """The result, and the gradients of a sum of it, weighted at random, in every argument."""

    def both(*arguments):
        result, pullback = jax.vjp(function, *arguments)
        return result, *pullback(normal(9, *result.shape))

    return both


def reflected(x, kernel):
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))


@pytest.mark.parametrize("size", [(2, 2), (3, 5), (4, 6)])
@pytest.mark.parametrize("outputs", [1, 4])
def test_reflected(size, outputs):
    assert_equal_with_gradients(convolve_reflected, reflected, normal(0, 2, *size, 3), normal(1, 3, 3, 3, outputs))


def test_one_channel_keeps_its_digits_in_half_precision():
    """Products of bfloat16 values are exact in float32, so only a rounding of their sum could make a difference."""
    x, kernel = normal(0, 1, 4, 6, 16).astype(jnp.bfloat16), normal(1, 3, 3, 16, 1).astype(jnp.bfloat16)
    result = convolve_reflected(x, kernel)
    assert result.dtype == jnp.float32
    np.testing.assert_allclose(result, reflected(*(a.astype(jnp.float32) for a in (x, kernel))), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 6)])
def test_upsampled(size):
    def plain(x, kernel):
        return reflected(x.repeat(2, axis=1).repeat(2, axis=2), kernel)

    assert_equal_with_gradients(convolve_upsampled, plain, normal(0, 2, *size, 3), normal(1, 3, 3, 3, 4))


def test_upsampled_by_hand():
    """One row of two pixels (1, 2), kernel (1, 10, 100) along it: doubled 1 1 2 2, reflected 1 1 1 2 2 2.

    1 + 10 + 100 = 111, 1 + 10 + 200 = 211, 1 + 20 + 200 = 221, 2 + 20 + 200 = 222, in both rows.
    """
    x = jnp.array([1.0, 2.0]).reshape(1, 1, 2, 1)
    kernel = jnp.zeros((3, 3, 1, 1)).at[1, :, 0, 0].set(jnp.array([1.0, 10.0, 100.0]))
    expected = [[111, 211, 221, 222], [111, 211, 221, 222]]
    np.testing.assert_array_equal(convolve_upsampled(x, kernel)[0, :, :, 0], expected)


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (1, 2), (3, 1), (3, 2), (7, 2)])
def test_zero_padded(size, stride):
    def plain(x, kernel):
        convolution = nn.Conv(4, (size, size), stride, padding=size // 2, use_bias=False)
        return convolution.apply({"params": {"kernel": kernel}}, x)

    def function(x, kernel):
        return convolve(x, kernel, stride=stride)

    assert_equal_with_gradients(function, plain, normal(0, 2, 8, 6, 3), normal(1, size, size, 3, 4))


def test_max_pool_and_its_gradient_where_values_are_equal():
    def plain(x):
        return nn.max_pool(x, (3, 3), (2, 2), padding=((1, 1), (1, 1)))

    for x in (
        normal(0, 2, 8, 6, 3),
        normal(0, 2, 5, 7, 3),
        jnp.round(2 * normal(0, 2, 8, 6, 3)),
        jnp.zeros((1, 2, 4, 1)) - 5,
    ):
        assert_equal_with_gradients(max_pool, plain, x)
