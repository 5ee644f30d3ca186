"""Losses of the segmentation heads.

Every function returns (total, count): the sum over valid pixels in float32 or better, and their number. The caller
adds both over devices and divides (with a count of at least 1), so that the mean does not depend on how a batch is
split, and a batch in which nothing is valid gives a finite zero with finite gradients.
"""

import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from mtl_depth.geometry.rigid import at_least_float32
from mtl_depth.image import absolute_difference


def cross_entropy(
    logits: Float[Array, "b h w c"], classes: Int[Array, "b h w"], *, ignore: int = 255, hardest: float = 1.0
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Softmax cross-entropy over the pixels whose class is not `ignore`.

    With `hardest` below 1, only this share of a picture's valid pixels, those with the largest loss, counts (at least
    one pixel per picture that has valid ones): bootstrapping, which keeps road and sky from dominating the loss.
    """
    valid = classes != ignore
    errors = optax.softmax_cross_entropy_with_integer_labels(
        at_least_float32(logits), jnp.where(valid, classes, 0).astype(jnp.int32)
    )
    if hardest >= 1:
        return _masked_sum(errors, valid)
    descending = -jnp.sort(-jnp.where(valid, errors, 0).reshape(errors.shape[0], -1), axis=-1)  # no error is below zero
    number = valid.reshape(valid.shape[0], -1).sum(axis=-1)
    kept = jnp.where(number > 0, jnp.maximum(1, jnp.round(hardest * number)), 0)
    return _masked_sum(descending, jnp.arange(descending.shape[-1]) < kept[:, None])


def center_error(
    center: Float[Array, "b h w"], target: Float[Array, "b h w"], valid: Bool[Array, "b h w"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Squared difference of the centre heatmaps (Panoptic-DeepLab), over `valid` pixels."""
    return _masked_sum((at_least_float32(center) - at_least_float32(target)) ** 2, valid)


def offset_error(
    offset: Float[Array, "b h w 2"], target: Float[Array, "b h w 2"], valid: Bool[Array, "b h w"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """|dy - dy*| + |dx - dx*| in pixels, over `valid` pixels."""
    return _masked_sum(absolute_difference(offset, target).sum(axis=-1), valid)


def value_error(
    value: Float[Array, "b h w"], target: Float[Array, "b h w"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """|p - g| of the report's value map, over pixels with g > 0 (zero means no label)."""
    return _masked_sum(absolute_difference(value, target), target > 0)


def _masked_sum(
    errors: Float[Array, "*shape"], valid: Bool[Array, "*shape"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    return jnp.where(valid, errors, 0).sum(), valid.sum().astype(errors.dtype)
