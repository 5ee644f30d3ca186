"""Initial weights.

The numbers come from NumPy, seeded by the parameter's own PRNG key: XLA compiles jax.random for every shape
separately, which took 12 s for the networks on two cores.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Initializer = Callable[..., jax.Array]  # (key, shape, dtype=float32) -> values


def he_normal(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
    """Normal with variance 2 / fan_out, for a kernel in height, width, inputs, outputs (He et al., 2015)."""
    return _normal(key, shape, dtype, fan_out=math.prod(shape[:2]) * shape[3])


def he_normal_depthwise(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
    """`he_normal` for a depthwise kernel, which has one output per input."""
    return _normal(key, shape, dtype, fan_out=math.prod(shape[:2]))


def uniform_fan_in(fan_in: int) -> Initializer:
    """Uniform in +-1 / sqrt(fan_in), for weight and bias of convolutions with a bias."""
    bound = 1 / math.sqrt(fan_in)

    def initializer(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        return _draw(key, shape, dtype, lambda generator: generator.uniform(-bound, bound, shape))

    return initializer


def _normal(key: jax.Array, shape: tuple[int, ...], dtype: Any, *, fan_out: int) -> jax.Array:
    deviation = math.sqrt(2 / fan_out)
    return _draw(key, shape, dtype, lambda generator: generator.normal(0, deviation, shape))


def _draw(
    key: jax.Array, shape: tuple[int, ...], dtype: Any, sample: Callable[[np.random.Generator], np.ndarray]
) -> jax.Array:
    """`sample` of a generator seeded by `key`."""

    def values(seed: jax.Array | np.ndarray) -> np.ndarray:
        return sample(np.random.default_rng(np.asarray(seed))).astype(dtype)

    seed = jax.random.key_data(key)
    if isinstance(seed, jax.core.Tracer):  # under eval_shape or jit
        return jax.pure_callback(values, jax.ShapeDtypeStruct(shape, dtype), seed)
    return jnp.asarray(values(seed))
