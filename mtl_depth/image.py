"""Functions of images and maps: structural similarity, differences, and resizing.

Images are [*b h w c], maps [*b h w]. Training uses the functions on planes, [*b c h w], because an innermost axis of
three channels is slow on every device. Half-precision inputs are promoted to float32.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Num

Array = jax.Array | np.ndarray

_C1, _C2 = 0.01**2, 0.03**2  # Wang et al., "Image quality assessment" (2004), for images in [0, 1]


def ssim_loss(a: Float[Array, "*b h w c"], b: Float[Array, "*b h w c"]) -> Float[Array, "*b h w c"]:
    """Returns clip((1 - SSIM) / 2, 0, 1) over 3x3 windows, for images in [0, 1].

    SSIM = (2 ma mb + C1) (2 cov + C2) / ((ma^2 + mb^2 + C1) (va + vb + C2)), means and variances over the window;
    images are padded by reflection without repeating the edge.
    """
    return jnp.moveaxis(ssim_loss_planes(jnp.moveaxis(a, -1, -3), jnp.moveaxis(b, -1, -3)), -3, -1)


def ssim_loss_planes(a: Float[Array, "*b c h w"], b: Float[Array, "*b c h w"]) -> Float[Array, "*b c h w"]:
    """`ssim_loss` of images whose channels are planes."""
    a, b = (_reflect(_reflect(_at_least_float32(image), axis=-2), axis=-1) for image in (a, b))
    mean_a, mean_b = _window_mean(a), _window_mean(b)
    variances = (_window_mean(a * a) - mean_a**2) + (_window_mean(b * b) - mean_b**2)
    covariance = _window_mean(a * b) - mean_a * mean_b
    numerator = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    denominator = (mean_a**2 + mean_b**2 + _C1) * (variances + _C2)
    loss = (1 - numerator / denominator) / 2
    return jax.lax.clamp(jnp.zeros((), loss.dtype), loss, jnp.ones((), loss.dtype))


def absolute_difference(a: Float[Array, "*shape"], b: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns |a - b| with the gradient sign(a - b), which is 0 where a = b (that of `jnp.abs` is 1 there)."""
    difference = _at_least_float32(a) - _at_least_float32(b)
    return difference * jax.lax.stop_gradient(jnp.sign(difference))


def pyramid(image: Float[Array, "*b h w c"], *, levels: int) -> tuple[Float[Array, "*b _ _ c"], ...]:
    """Returns the image, its 2x2 block means, theirs, ...; an odd side repeats its last pixels to make a block."""
    images = [_at_least_float32(image)]
    for _ in range(levels - 1):
        images.append(_halve(_halve(images[-1], axis=-3), axis=-2))
    return tuple(images)


def resize_bilinear(values: Float[Array, "*b h w"], *, size: tuple[int, int]) -> Float[Array, "*b _ _"]:
    """Returns a map interpolated to `size` = (height, width); pixel centres lie at half pixels, edges are repeated."""
    values = _at_least_float32(values)
    return jax.image.resize(values, (*values.shape[:-2], *size), "linear", antialias=False)


def resize_nearest(values: Num[Array, "*b h w"], *, size: tuple[int, int]) -> Num[Array, "*b _ _"]:
    """Returns a map at `size` = (height, width), in NumPy where it is: each pixel the value that covers its centre."""
    rows, columns = ((2 * np.arange(new) + 1) * old // (2 * new) for new, old in zip(size, values.shape[-2:]))
    return values[..., rows[:, None], columns]


def _halve(image: Float[Array, "..."], *, axis: int) -> Float[Array, "..."]:
    image = jnp.moveaxis(image, axis, 0)
    if image.shape[0] % 2:
        image = jnp.concatenate([image, image[-1:]])
    return jnp.moveaxis((image[0::2] + image[1::2]) / 2, 0, axis)


def _reflect(planes: Float[Array, "..."], *, axis: int) -> Float[Array, "..."]:
    """Adds one pixel at both ends: the neighbour of the edge, or the edge itself where it is the only pixel."""
    size = planes.shape[axis]
    first, last = (1, size - 2) if size > 1 else (0, 0)
    piece = functools.partial(jax.lax.slice_in_dim, planes, axis=axis)
    return jnp.concatenate([piece(first, first + 1), planes, piece(last, last + 1)], axis=axis)


def _window_mean(planes: Float[Array, "*b h w"]) -> Float[Array, "*b _ _"]:
    """Returns the mean over the 3x3 windows inside the planes, one axis after the other."""
    ones = (1,) * (planes.ndim - 2)
    for window in ((3, 1), (1, 3)):
        planes = jax.lax.reduce_window(planes, 0.0, jax.lax.add, (*ones, *window), (*ones, 1, 1), "VALID")
    return planes / 9


def _at_least_float32(x: Array) -> Array:
    return jnp.asarray(x, jnp.promote_types(jnp.result_type(x), jnp.float32))
