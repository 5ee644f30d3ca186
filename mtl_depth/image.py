"""Measurements on images and maps: structural similarity, differences, and changes of size.

Images are [*b h w c], maps [*b h w]. Nothing is computed below float32: half types are promoted.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_C1, _C2 = 0.01**2, 0.03**2  # Wang et al., "Image quality assessment" (2004), for images in [0, 1]


def ssim_loss(a: Float[Array, "*b h w c"], b: Float[Array, "*b h w c"]) -> Float[Array, "*b h w c"]:
    """Returns clip((1 - SSIM) / 2, 0, 1) over 3x3 windows, for images in [0, 1].

    SSIM = (2 ma mb + C1) (2 cov + C2) / ((ma^2 + mb^2 + C1) (va + vb + C2)), means and variances over the window.
    """
    a, b = _at_least_float32(a), _at_least_float32(b)
    mean_a, mean_b = window_mean(a), window_mean(b)
    variances = (window_mean(a * a) - mean_a**2) + (window_mean(b * b) - mean_b**2)
    covariance = window_mean(a * b) - mean_a * mean_b
    numerator = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    denominator = (mean_a**2 + mean_b**2 + _C1) * (variances + _C2)
    return jax.lax.clamp(0.0, (1 - numerator / denominator) / 2, 1.0)


def absolute_difference(a: Float[Array, "*shape"], b: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns |a - b| with the gradient sign(a - b), which is 0 where a = b (that of `jnp.abs` is 1 there)."""
    difference = _at_least_float32(a) - _at_least_float32(b)
    return difference * jax.lax.stop_gradient(jnp.sign(difference))


def window_mean(image: Float[Array, "*b h w c"]) -> Float[Array, "*b h w c"]:
    """Returns the mean over 3x3 windows; beyond the rim the image is reflected without repeating its edge."""
    return _sum_of_three(_sum_of_three(image, axis=-3), axis=-2) / 9


def pyramid(image: Float[Array, "*b h w c"], *, levels: int) -> tuple[Float[Array, "*b _ _ c"], ...]:
    """Returns the image, its 2x2 block means, theirs, ...; an odd side repeats its last pixels to make a block."""
    images = [_at_least_float32(image)]
    for _ in range(levels - 1):
        images.append(_halve(_halve(images[-1], axis=-3), axis=-2))
    return tuple(images)


def resize_bilinear(values: Float[Array, "*b h w"], *, size: tuple[int, int]) -> Float[Array, "*b _ _"]:
    """Returns a map interpolated to `size` = (height, width); pixel centres lie at half pixels, edges are repeated.

    Written as two matrix products with constant weights, whose backward pass is two products again.
    """
    values = _at_least_float32(values)
    height, width = size
    if values.shape[-2] != height:
        rows = jnp.asarray(_interpolation(height, values.shape[-2]), values.dtype)
        values = jnp.einsum("Hh,...hw->...Hw", rows, values, precision="highest")
    if values.shape[-1] != width:
        columns = jnp.asarray(_interpolation(width, values.shape[-1]), values.dtype)
        values = jnp.einsum("Ww,...hw->...hW", columns, values, precision="highest")
    return values


def _interpolation(new: int, old: int) -> np.ndarray:
    """Returns the weights [new old] of the old pixels in each of the new ones."""
    position = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    return np.maximum(0, 1 - np.abs(position[:, None] - np.arange(old)))


def _halve(image: Float[Array, "..."], *, axis: int) -> Float[Array, "..."]:
    image = jnp.moveaxis(image, axis, 0)
    if image.shape[0] % 2:
        image = jnp.concatenate([image, image[-1:]])
    return jnp.moveaxis((image[0::2] + image[1::2]) / 2, 0, axis)


def _sum_of_three(image: Float[Array, "*shape"], *, axis: int) -> Float[Array, "*shape"]:
    """Returns each element plus its two neighbours; the neighbour of an only pixel is itself."""
    size = image.shape[axis]
    if size == 1:
        return 3 * image
    piece = functools.partial(jax.lax.slice_in_dim, image, axis=axis)
    before = jnp.concatenate([piece(1, 2), piece(0, size - 1)], axis=axis)
    after = jnp.concatenate([piece(1, size), piece(size - 2, size - 1)], axis=axis)
    return before + image + after


def _at_least_float32(x: Array) -> Array:
    return jnp.asarray(x, jnp.promote_types(jnp.result_type(x), jnp.float32))
