"""Rigid motions as 4x4 matrices, named `b_from_a`: they map the coordinates of frame a to those of frame b.

Nothing here is computed below float32: half types are promoted, float64 stays float64.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

Array = jax.Array | np.ndarray

# Below this squared angle the power series are used; above it the closed forms do not suffer from cancellation.
_SERIES_BELOW = 0.1
_SERIES_TERMS = 8  # the first neglected term is 0.1^8 / 17! = 3e-23


def at_least_float32(x: Array) -> Array:
    """Returns `x` as a floating array of 32 bits or more."""
    return jnp.asarray(x, jnp.promote_types(jnp.result_type(x), jnp.float32))


def rigid_from_vector(vector: Float[Array, "*b 6"]) -> Float[Array, "*b 4 4"]:
    """Returns Trans(t) R(v) for `vector` = (v, t): a rotation vector (axis times angle, radians), then a translation.

    Rodrigues: R(v) = 1 + sin(a)/a [v] + (1 - cos(a))/a^2 [v]^2 with a = |v| and [v] w = v x w.
    The gradient is exact everywhere, v = 0 included.
    """
    vector = at_least_float32(vector)
    first, second = _rotation_coefficients(jnp.sum(vector[..., :3] ** 2, axis=-1))
    x, y, z = vector[..., 0], vector[..., 1], vector[..., 2]
    zero, one = jnp.zeros_like(x), jnp.ones_like(x)
    # [v]^2 = v v^T - |v|^2, written out so that no matrix product can be rounded to fewer bits.
    rows = (
        (one - second * (y * y + z * z), second * x * y - first * z, second * x * z + first * y, vector[..., 3]),
        (second * x * y + first * z, one - second * (x * x + z * z), second * y * z - first * x, vector[..., 4]),
        (second * x * z - first * y, second * y * z + first * x, one - second * (x * x + y * y), vector[..., 5]),
        (zero, zero, zero, one),
    )
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)


def invert(b_from_a: Float[Array, "*b 4 4"]) -> Float[Array, "*b 4 4"]:
    """Returns a_from_b = R^T Trans(-t), the inverse of a rigid motion."""
    b_from_a = at_least_float32(b_from_a)
    rotation = jnp.swapaxes(b_from_a[..., :3, :3], -1, -2)
    translation = -jnp.sum(rotation * b_from_a[..., None, :3, 3], axis=-1, keepdims=True)
    last_row = jnp.broadcast_to(jnp.array([0, 0, 0, 1], b_from_a.dtype), (*b_from_a.shape[:-2], 1, 4))
    return jnp.concatenate([jnp.concatenate([rotation, translation], axis=-1), last_row], axis=-2)


def transform(
    b_from_a: Float[Array, "*b 4 4"], x: Float[Array, "*b h w"], y: Float[Array, "*b h w"], z: Float[Array, "*b h w"]
) -> tuple[Float[Array, "*b h w"], Float[Array, "*b h w"], Float[Array, "*b h w"]]:
    """Returns the coordinates in frame b of the points (x, y, z) of frame a, given as three planes.

    Planes and sums of products, not a matrix product over a last axis of three: that is slow to take apart, and these
    keep all their bits on every machine.
    """
    matrix = at_least_float32(b_from_a)[..., None, None, :, :]
    moved = (
        matrix[..., i, 0] * x + matrix[..., i, 1] * y + matrix[..., i, 2] * z + matrix[..., i, 3] for i in range(3)
    )
    return tuple(moved)


def _rotation_coefficients(squared: Float[Array, "*b"]) -> tuple[Float[Array, "*b"], Float[Array, "*b"]]:
    """Returns sin(a)/a and (1 - cos(a))/a^2 as functions of a^2.

    Both are smooth in a^2, but their closed forms divide by zero at a = 0. A single `where` would leave NaN in the
    gradient (0 times infinity from the branch not taken), so the closed forms see a harmless angle there.
    """
    small = squared < _SERIES_BELOW
    sine_series, cosine_series = jnp.zeros_like(squared), jnp.zeros_like(squared)
    for k in reversed(range(_SERIES_TERMS)):
        sine_series = 1 / math.factorial(2 * k + 1) - squared * sine_series
        cosine_series = 1 / math.factorial(2 * k + 2) - squared * cosine_series
    angle = jnp.sqrt(jnp.where(small, 1.0, squared))
    half_sine = jnp.sin(angle / 2) / angle
    return jnp.where(small, sine_series, jnp.sin(angle) / angle), jnp.where(small, cosine_series, 2 * half_sine**2)
