"""Edge-aware smoothness: disparity may change where the image does."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Integer

from mtl_depth.geometry.rigid import Array, at_least_float32
from mtl_depth.image import absolute_difference


def edge_aware_smoothness(
    disparity: Float[Array, "*b h w"],
    image: Float[Array, "*b h w 3"],
    classes: Integer[Array, "*b h w"] | None = None,
) -> Float[Array, "*b"]:
    """Returns mean(|dx d*| exp(-mean_c |dx I|)) + mean(|dy d*| exp(-mean_c |dy I|)) of every sample.

    d* = d / (mean of d over the pixels + 1e-7), so that shrinking the disparity does not make it smoother. A direction
    in which the image has one pixel contributes 0. Where `classes` are given, a change between pixels of two classes is
    free.
    """
    disparity, image = at_least_float32(disparity), at_least_float32(image)
    relative = disparity / (jnp.mean(disparity, axis=(-2, -1), keepdims=True) + 1e-7)
    return _along(relative, image, classes, axis=-1) + _along(relative, image, classes, axis=-2)


def _along(
    disparity: Float[Array, "*b h w"],
    image: Float[Array, "*b h w 3"],
    classes: Integer[Array, "*b h w"] | None,
    *,
    axis: int,
) -> Float[Array, "*b"]:
    change = _change(disparity, axis=axis)
    if classes is not None:
        size = classes.shape[axis]
        following = jax.lax.slice_in_dim(classes, 1, size, axis=axis)
        change = jnp.where(following == jax.lax.slice_in_dim(classes, 0, size - 1, axis=axis), change, 0)
    edges = jnp.mean(_change(image, axis=axis - 1), axis=-1)
    return jnp.sum(change * jnp.exp(-edges), axis=(-2, -1)) / max(1, change.shape[-2] * change.shape[-1])


def _change(values: Float[Array, "..."], *, axis: int) -> Float[Array, "..."]:
    size = values.shape[axis]
    following = jax.lax.slice_in_dim(values, 1, size, axis=axis)
    return absolute_difference(following, jax.lax.slice_in_dim(values, 0, size - 1, axis=axis))
