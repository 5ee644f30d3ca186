"""The photometric objective: depth is learned by warping neighbouring frames into the target and comparing.

Monodepth2 (Godard et al., "Digging Into Self-Supervised Monocular Depth Estimation", ICCV 2019), sections 3.1 to 3.3.
Images are in [0, 1], without changed colours. Half-precision inputs are promoted to float32.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Integer

from mtl_depth.geometry.camera import depth_from_disparity
from mtl_depth.geometry.rigid import Array, at_least_float32
from mtl_depth.geometry.warp import inverse_warp_planes
from mtl_depth.image import absolute_difference, pyramid, resize_bilinear, ssim_loss_planes
from mtl_depth.losses.smoothness import edge_aware_smoothness

_SMOOTHNESS_WEIGHT = 1e-3  # at scale 0; halved at every further scale
_TIE_NOISE = 1e-5


def photometric_error(
    a: Float[Array, "*b h w c"], b: Float[Array, "*b h w c"], *, ssim_weight: float | int = 0.85
) -> Float[Array, "*b h w"]:
    """Returns ssim_weight * SSIM loss + (1 - ssim_weight) * |a - b|, both averaged over the channels."""
    return _error_of_planes(jnp.moveaxis(a, -1, -3), jnp.moveaxis(b, -1, -3), ssim_weight=ssim_weight)


def depth_objective(
    disparities: Sequence[Float[Array, "b _ _"]],
    target: Float[Array, "b h w 3"],
    sources: Float[Array, "b s h w 3"],
    source_from_target: Float[Array, "b s 4 4"],
    intrinsics: Float[Array, "b 3 3"],
    *,
    nearest: float | int,
    farthest: float | int,
    key: Array | None = None,
) -> tuple[Float[Array, ""], Float[Array, "scales"], Bool[Array, "scales b h w"]]:
    """Returns the depth loss, the mean over scales of (photometric + smoothness), and its parts.

    Args:
      disparities: sigmoid outputs, finest first; scale s is 2^s times smaller than the target.
      target: the frame whose depth is learned.
      sources: the other frames of the clip.
      source_from_target: the camera motion to each source.
      intrinsics: of all these images.
      nearest: the depth at disparity 1.
      farthest: the depth at disparity 0.
      key: for the noise that breaks ties: one key, or one per sample [b]; None for no noise.

    Returns:
      The loss; the term of every scale, whose mean it is; and `selected`: the pixels where a warped source has a lower
      error than the unwarped ones (others are masked, but still count in the mean).
    """
    photometric, smoothness, selected = depth_terms(
        disparities, target, sources, source_from_target, intrinsics, nearest=nearest, farthest=farthest, key=key
    )
    per_scale = jnp.mean(photometric + smoothness, axis=-1)
    return jnp.mean(per_scale), per_scale, selected


def depth_terms(
    disparities: Sequence[Float[Array, "b _ _"]],
    target: Float[Array, "b h w 3"],
    sources: Float[Array, "b s h w 3"],
    source_from_target: Float[Array, "b s 4 4"],
    intrinsics: Float[Array, "b 3 3"],
    *,
    nearest: float | int,
    farthest: float | int,
    key: Array | None = None,
    depth_scale: Float[Array, "b"] | None = None,
    valid: Bool[Array, "b h w"] | None = None,
    classes: Integer[Array, "b h w"] | None = None,
) -> tuple[Float[Array, "scales b"], Float[Array, "scales b"], Bool[Array, "scales b h w"]]:
    """Returns what `depth_objective` averages, for every scale and sample, so that the caller may weigh samples.

    That is the photometric term, the smoothness term with its weight 1e-3 / 2^s, and `selected`. Arguments as there,
    and three more: `depth_scale` multiplies the depth of each sample (None: 1); for guidance by segmentation, only
    `valid` pixels count in the photometric term (None: all; a sample without any has a term of 0), and disparity may
    change where `classes` does.
    """
    target, sources = at_least_float32(target), at_least_float32(sources)
    target_planes = jnp.moveaxis(target, -1, -3)
    source_planes = [jnp.moveaxis(source, -1, -3) for source in jnp.unstack(sources, axis=1)]
    motions = jnp.unstack(source_from_target, axis=1)

    unmoved = jnp.stack([_error_of_planes(source, target_planes) for source in source_planes], axis=1)
    if key is not None:
        unmoved = unmoved + _TIE_NOISE * _noise(key, unmoved)
    unmoved = jnp.min(unmoved, axis=1)

    # Loops over scales and sources, not vmap: the compiler sees what they share, and a sum over a short array axis,
    # which is what the gradient of shared things becomes under vmap, is slow on a CPU.
    photometric, smoothness, selected = [], [], []
    images = pyramid(target, levels=len(disparities))
    for scale, (disparity, image) in enumerate(zip(disparities, images, strict=True)):
        full_size = resize_bilinear(disparity, size=target.shape[1:3])
        depth = depth_from_disparity(full_size, nearest=nearest, farthest=farthest)
        if depth_scale is not None:
            depth = depth * depth_scale[:, None, None]
        errors = []
        for source, motion in zip(source_planes, motions, strict=True):
            warped, _ = inverse_warp_planes(source, depth, motion, intrinsics)
            errors.append(_error_of_planes(warped, target_planes))
        moved = functools.reduce(jnp.minimum, errors)
        selected.append(moved < unmoved)
        photometric.append(_mean_over_pixels(jnp.where(selected[-1], moved, unmoved), valid))
        classes_here = None if classes is None else classes[:, :: 2**scale, :: 2**scale]
        smoothness.append(_SMOOTHNESS_WEIGHT / 2**scale * edge_aware_smoothness(disparity, image, classes_here))
    return jnp.stack(photometric), jnp.stack(smoothness), jnp.stack(selected)


def _mean_over_pixels(errors: Float[Array, "b h w"], valid: Bool[Array, "b h w"] | None) -> Float[Array, "b"]:
    if valid is None:
        return jnp.mean(errors, axis=(-2, -1))
    return jnp.where(valid, errors, 0).sum(axis=(-2, -1)) / jnp.maximum(valid.sum(axis=(-2, -1)), 1)


def _error_of_planes(
    a: Float[Array, "*b c h w"], b: Float[Array, "*b c h w"], *, ssim_weight: float | int = 0.85
) -> Float[Array, "*b h w"]:
    """`photometric_error` of images whose channels are planes."""
    return jnp.mean(ssim_weight * ssim_loss_planes(a, b) + (1 - ssim_weight) * absolute_difference(a, b), axis=-3)


def _noise(key: Array, like: Float[Array, "b s h w"]) -> Float[Array, "b s h w"]:
    """Draws normal noise sample by sample, so that dividing the batch among devices changes nothing."""
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.wrap_key_data(key)
    keys = key if key.ndim else jax.random.split(key, like.shape[0])
    return jax.vmap(lambda key: jax.random.normal(key, like.shape[1:], like.dtype))(keys)
