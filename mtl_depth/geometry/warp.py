"""The inverse warp: the target view, reconstructed from the colours of a source image."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from mtl_depth.geometry import camera, rigid
from mtl_depth.geometry.rigid import Array


def inverse_warp(
    source: Float[Array, "*b h w c"],
    target_depth: Float[Array, "*b h w"],
    source_from_target: Float[Array, "*b 4 4"],
    intrinsics: Float[Array, "*b 3 3"],
) -> tuple[Float[Array, "*b h w c"], Bool[Array, "*b h w"]]:
    """Samples the source image at the projection of every target pixel.

    pixel in source = K [R|t] (depth K^-1 pixel in target), both images with the same intrinsics.

    Returns:
      The source seen from the target, and `inside`: where the point lies before the source camera and on its image.
      Elsewhere the image repeats the source's border.
    """
    planes, inside = inverse_warp_planes(jnp.moveaxis(source, -1, -3), target_depth, source_from_target, intrinsics)
    return jnp.moveaxis(planes, -3, -1), inside


def inverse_warp_planes(
    source: Float[Array, "*b c h w"],
    target_depth: Float[Array, "*b h w"],
    source_from_target: Float[Array, "*b 4 4"],
    intrinsics: Float[Array, "*b 3 3"],
) -> tuple[Float[Array, "*b c h w"], Bool[Array, "*b h w"]]:
    """`inverse_warp` of an image whose channels are planes."""
    points = rigid.transform(source_from_target, *camera.backproject_planes(target_depth, intrinsics))
    x, y = camera.project_planes(*points, intrinsics)
    height, width = source.shape[-2:]
    inside = (points[2] > 0) & (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    return sample_bilinear(source, x, y), inside


def sample_bilinear(
    planes: Float[Array, "*b c h w"], x: Float[Array, "*b i j"], y: Float[Array, "*b i j"]
) -> Float[Array, "*b c i j"]:
    """Interpolates an image at the pixels (x, y); positions outside take the nearest position inside.

    A position clipped to the border, or exactly on it, passes no gradient on.
    """
    return jnp.vectorize(_sample_one, signature="(c,h,w),(i,j),(i,j)->(c,i,j)")(rigid.at_least_float32(planes), x, y)


def _sample_one(planes: Float[Array, "c h w"], x: Float[Array, "i j"], y: Float[Array, "i j"]) -> Float[Array, "c i j"]:
    _, height, width = planes.shape
    # lax.clamp, not jnp.clip: its gradient at the limits is 0, not 1/2.
    x = jax.lax.clamp(jnp.zeros((), x.dtype), x, jnp.array(width - 1, x.dtype))
    y = jax.lax.clamp(jnp.zeros((), y.dtype), y, jnp.array(height - 1, y.dtype))
    left, top = jnp.floor(x), jnp.floor(y)
    dx, dy = x - left, y - top
    left, top = left.astype(jnp.int32), top.astype(jnp.int32)
    right, bottom = jnp.minimum(left + 1, width - 1), jnp.minimum(top + 1, height - 1)

    def interpolate(plane: Float[Array, "n"]) -> Float[Array, "i j"]:
        at = lambda row, column: plane.at[row * width + column].get(mode="promise_in_bounds")  # noqa: E731
        upper = at(top, left) + dx * (at(top, right) - at(top, left))
        lower = at(bottom, left) + dx * (at(bottom, right) - at(bottom, left))
        return upper + dy * (lower - upper)

    # A loop over the channels: summing a coordinate's gradient over a short array axis is ten times slower on a CPU.
    return jnp.stack([interpolate(plane.reshape(-1)) for plane in planes])
