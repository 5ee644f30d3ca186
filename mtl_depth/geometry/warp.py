"""The inverse warp: what the target camera would see, were the scene painted with the source's colours."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from mtl_depth.geometry import camera, rigid


def inverse_warp(
    source: Float[Array, "*b h w c"],
    target_depth: Float[Array, "*b h w"],
    source_from_target: Float[Array, "*b 4 4"],
    intrinsics: Float[Array, "*b 3 3"],
) -> tuple[Float[Array, "*b h w c"], Bool[Array, "*b h w"]]:
    """Looks up, for every pixel of the target, the colour of its point in the source.

    pixel in source = K [R|t] (depth K^-1 pixel in target), both images with the same intrinsics.

    Returns:
      The source seen from the target, and `inside`: where the point lies before the source camera and on its image.
      Elsewhere the image repeats the source's border.
    """
    points = rigid.transform(source_from_target, camera.backproject(target_depth, intrinsics))
    pixels, z = camera.project(points, intrinsics)
    return sample_bilinear(source, pixels), camera.in_front_and_inside(pixels, z, size=source.shape[-3:-1])


def sample_bilinear(image: Float[Array, "*b h w c"], pixels: Float[Array, "*b i j 2"]) -> Float[Array, "*b i j c"]:
    """Interpolates `image` at `pixels` (x, y); positions outside take the nearest position inside.

    A position clipped to the border, or exactly on it, passes no gradient on.
    """
    return jnp.vectorize(_sample_one, signature="(h,w,c),(i,j,p)->(i,j,c)")(
        rigid.at_least_float32(image), rigid.at_least_float32(pixels)
    )


def _sample_one(image: Float[Array, "h w c"], pixels: Float[Array, "i j 2"]) -> Float[Array, "i j c"]:
    height, width, _ = image.shape
    # lax.clamp, not jnp.clip: its gradient at the limits is 0, not 1/2.
    x = jax.lax.clamp(0.0, pixels[..., 0], width - 1.0)
    y = jax.lax.clamp(0.0, pixels[..., 1], height - 1.0)
    left, top = jnp.floor(x), jnp.floor(y)
    dx, dy = (x - left)[..., None], (y - top)[..., None]
    left, top = left.astype(jnp.int32), top.astype(jnp.int32)
    right, bottom = jnp.minimum(left + 1, width - 1), jnp.minimum(top + 1, height - 1)
    upper = image[top, left] * (1 - dx) + image[top, right] * dx
    lower = image[bottom, left] * (1 - dx) + image[bottom, right] * dx
    return upper * (1 - dy) + lower * dy
