"""Batches of maps at the truth's size, and their classes' confusion, on the device."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, Num

from mtl_depth.errors import UserError
from mtl_depth.metrics.points import between

_GROUPS = 16  # of lines, each with sums of its own: one sum of half a million weights would lose digits in float32


def enlarged(values: Float[Array, "b h w"], *, size: tuple[int, int]) -> Float[Array, "b _ _"]:
    """`image.resize_bilinear` as gathers: without a gradient of its own they are faster than products of matrices."""
    (top, down), (left, right) = (between(new, old) for new, old in zip(size, values.shape[1:]))
    below, beside = (np.minimum(before + 1, old - 1) for before, old in zip((top, left), values.shape[1:]))
    values = values[:, top] * (1 - down)[:, None] + values[:, below] * down[:, None]
    return values[:, :, left] * (1 - right) + values[:, :, beside] * right


def enlarged_classes(logits: Float[Array, "b h w classes"], *, size: tuple[int, int]) -> Integer[Array, "b _ _"]:
    """The largest of the logits interpolated to `size` = (height, width): labels themselves cannot be interpolated."""
    best = classes = None
    for index in range(logits.shape[-1]):  # XLA makes one pass of it, which keeps no class's enlarged plane
        plane = enlarged(logits[..., index], size=size)
        if best is None:
            best, classes = plane, jnp.zeros(plane.shape, jnp.uint8)
        else:
            better = plane > best
            best, classes = jnp.where(better, plane, best), jnp.where(better, jnp.uint8(index), classes)
    return classes


def confusions(
    truth: Integer[Array, "b h w"], predicted: Integer[Array, "b h w"], weight: Float[Array, "b h w"], *, classes: int
) -> Float[Array, "b side side"]:
    """Sums of `weight` of every frame by true class (row) and predicted class (column).

    Values outside 0 .. `classes` - 1 are counted in the last row (void) or the last column.
    """
    frames, height, _ = truth.shape
    side = classes + 1
    rows, columns = (
        jnp.where((values >= 0) & (values < classes), values, classes).astype(jnp.int32)
        for values in (truth, predicted)
    )
    group = np.arange(frames)[:, None] * _GROUPS + np.arange(height) * _GROUPS // height
    cells = group[..., None].astype(np.int32) * side**2 + rows * side + columns
    sums = jnp.zeros(frames * _GROUPS * side**2, jnp.float32).at[cells.ravel()].add(weight.ravel())
    return sums.reshape(frames, _GROUPS, side, side).sum(axis=1)


def pixel_weights(confidence: Float[Array | np.ndarray, "b h w"]) -> Float[Array | np.ndarray, "b h w"]:
    """The weights of pixels, in NumPy where the confidences in [0, 1] are: 1 throughout a frame that has none."""
    return confidence + ~confidence.any(axis=(1, 2), keepdims=True)


def check_confidence(confidence: Num[np.ndarray, "b h w"], labels: Integer[np.ndarray, "b H W"]) -> None:
    """Raises UserError where confidence images are not of the size of their label images."""
    if confidence.shape != labels.shape:
        theirs, ours = (" x ".join(map(str, image.shape[-2:])) for image in (confidence, labels))
        raise UserError(
            f"A confidence image is {theirs} where its label image is {ours} (height x width); "
            "build the data set again from undamaged files."
        )


def with_rows(values: Num[np.ndarray, "b h w"], rows: int) -> Num[np.ndarray, "n h w"]:
    """The batch, padded to `rows` frames with zeros."""
    if len(values) == rows:
        return values
    return np.concatenate([values, np.zeros((rows - len(values), *values.shape[1:]), values.dtype)])
