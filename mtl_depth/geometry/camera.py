"""The pinhole camera: disparity, depth, points and pixels.

Pixels are (x, y), x to the right and y down; the centre of the top-left pixel is (0, 0). Points are (x, y, z) with z
along the optical axis; depth is z. Intrinsics are ((fx, skew, cx), (0, fy, cy), (0, 0, 1)) in pixels.
"""

import jax.numpy as jnp
from jaxtyping import Float

from mtl_depth.geometry.rigid import Array, at_least_float32

Scalar = float | int | Float[Array, ""]

_EPSILON = 1e-7  # added to z before the division, as in Monodepth2


def depth_from_disparity(
    disparity: Float[Array, "*shape"], *, nearest: float | int = 0.1, farthest: float | int = 100.0
) -> Float[Array, "*shape"]:
    """Returns depth = 1 / (1/farthest + (1/nearest - 1/farthest) s) for a network's sigmoid s in [0, 1]."""
    return 1 / (1 / farthest + (1 / nearest - 1 / farthest) * at_least_float32(disparity))


def backproject(depth: Float[Array, "*b h w"], intrinsics: Float[Array, "*b 3 3"]) -> Float[Array, "*b h w 3"]:
    """Returns depth * K^-1 (x, y, 1), the point (x, y, z) at every pixel."""
    return jnp.stack(backproject_planes(depth, intrinsics), axis=-1)


def backproject_planes(
    depth: Float[Array, "*b h w"], intrinsics: Float[Array, "*b 3 3"]
) -> tuple[Float[Array, "*b h w"], Float[Array, "*b h w"], Float[Array, "*b h w"]]:
    """`backproject` with x, y and z as separate arrays."""
    depth, intrinsics = at_least_float32(depth), at_least_float32(intrinsics)
    height, width = depth.shape[-2:]
    fx, skew, cx, fy, cy = _entries(intrinsics)
    y = (jnp.arange(height, dtype=intrinsics.dtype)[:, None] - cy) / fy
    x = (jnp.arange(width, dtype=intrinsics.dtype) - cx - skew * y) / fx
    return depth * x, depth * y, depth


def project(
    points: Float[Array, "*b h w 3"], intrinsics: Float[Array, "*b 3 3"]
) -> tuple[Float[Array, "*b h w 2"], Float[Array, "*b h w"]]:
    """Returns the pixels (x, y) = (K X)_{1,2} / (z + 1e-7) and the depths z; points behind the camera have z <= 0."""
    points = at_least_float32(points)
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    return jnp.stack(project_planes(x, y, z, intrinsics), axis=-1), z


def project_planes(
    x: Float[Array, "*b h w"], y: Float[Array, "*b h w"], z: Float[Array, "*b h w"], intrinsics: Float[Array, "*b 3 3"]
) -> tuple[Float[Array, "*b h w"], Float[Array, "*b h w"]]:
    """`project` with x, y and z apart; returns the pixels' x and y."""
    fx, skew, cx, fy, cy = _entries(at_least_float32(intrinsics))
    divisor = z + _EPSILON
    divisor = jnp.where(divisor == 0, _EPSILON, divisor)  # a point at exactly -1e-7 would give infinity times zero
    return (fx * x + skew * y + cx * z) / divisor, (fy * y + cy * z) / divisor


def resize_intrinsics(intrinsics: Float[Array, "*b 3 3"], *, ratio: tuple[Scalar, Scalar]) -> Float[Array, "*b 3 3"]:
    """Returns the intrinsics of an image resized by `ratio` = (new/old width, new/old height).

    A pixel x goes to (x + 0.5) r - 0.5, so f' = f r and c' = (c + 0.5) r - 0.5.
    """
    intrinsics = at_least_float32(intrinsics)
    rx, ry = ratio
    resize = jnp.array([[rx, 0, (rx - 1) / 2], [0, ry, (ry - 1) / 2], [0, 0, 1]], intrinsics.dtype)
    return jnp.matmul(resize, intrinsics, precision="highest")


def flip_intrinsics(intrinsics: Float[Array, "*b 3 3"], *, width: int) -> Float[Array, "*b 3 3"]:
    """Returns the intrinsics of an image mirrored left to right: cx' = width - 1 - cx, and the skew changes sign."""
    intrinsics = at_least_float32(intrinsics)
    flipped = intrinsics.at[..., 0, 2].set(width - 1 - intrinsics[..., 0, 2])
    return flipped.at[..., 0, 1].multiply(-1)


def scale_focal(intrinsics: Float[Array, "*b 3 3"], scale: Scalar) -> Float[Array, "*b 3 3"]:
    """Returns the intrinsics with fx, fy and the skew times `scale`: a zoom about the principal point."""
    intrinsics = at_least_float32(intrinsics)
    zoomed = jnp.array([[True, True, False], [False, True, False], [False, False, False]])
    return jnp.where(zoomed, intrinsics * scale, intrinsics)


def _entries(intrinsics: Float[Array, "*b 3 3"]) -> tuple[Float[Array, "*b 1 1"], ...]:
    """Returns fx, skew, cx, fy, cy, each ready to be combined with an image."""
    matrix = intrinsics[..., None, None, :, :]
    return matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 0, 2], matrix[..., 1, 1], matrix[..., 1, 2]
