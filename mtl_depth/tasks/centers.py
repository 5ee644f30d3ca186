"""Targets of the instance head, computed from an instance image on the device, with static shapes."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

SIGMA = 8.0  # pixels of the Gaussian about a centre, in a picture of 376 x 1408, as in Panoptic-DeepLab
FULL_SIZE = (376, 1408)
MOST = 200  # centres of a picture that get a peak in the heatmap; the rest would go unseen by the decoder anyway
_VALUES = 1 << 16  # raw values are 16-bit


class CenterTargets(NamedTuple):
    """The targets of one batch.

    Attributes:
        center: heatmap in [0, 1], b h w: the largest of the Gaussians about the instances' centres of mass.
        offset: (dy, dx) in pixels from a pixel to the centre of its instance, b h w 2; zero where not `has_center`.
        has_center: pixels of a thing class with an instance number above 0, b h w.
        labelled: pixels with any label, b h w.
    """

    center: Float[Array, "b h w"]
    offset: Float[Array, "b h w 2"]
    has_center: Bool[Array, "b h w"]
    labelled: Bool[Array, "b h w"]


def center_targets(values: Int[Array, "b h w"], is_thing: Bool[Array, "ids"]) -> CenterTargets:
    """Centre heatmaps and offsets of instance images.

    Args:
        values: raw values, label id * 1000 + instance number, 0 = no label; flipped and resized already.
        is_thing: for every label id (0 to at least 65), whether it is a thing.

    An instance is the set of all pixels with one value; its centre is their centre of mass. Number 0 of a class, which
    is not a single object, has no centre. Sums are integers, so the result is the same bit for bit in any batch.
    """
    values = jnp.clip(values, 0, _VALUES - 1)
    every = jnp.arange(_VALUES)
    is_instance = is_thing[every // 1000] & (every % 1000 > 0)
    area, center_y, center_x = jax.vmap(_centers_of_mass)(values)
    has_center = is_instance[values]
    sample = jnp.arange(len(values))[:, None, None]
    rows, columns = jnp.arange(values.shape[1])[:, None], jnp.arange(values.shape[2])
    offset = jnp.stack([center_y[sample, values] - rows, center_x[sample, values] - columns], axis=-1)
    return CenterTargets(
        center=_heatmap(is_instance & (area > 0), center_y, center_x, values.shape[1:]),
        offset=jnp.where(has_center[..., None], offset, 0),
        has_center=has_center,
        labelled=values >= 1000,
    )


def _centers_of_mass(
    values: Int[Array, "h w"],
) -> tuple[Int[Array, "values"], Float[Array, "values"], Float[Array, "values"]]:
    """Area, y and x of the centre of mass of every possible value."""
    rows = jax.lax.broadcasted_iota(jnp.int32, values.shape, 0)
    columns = jax.lax.broadcasted_iota(jnp.int32, values.shape, 1)
    table = jnp.zeros(_VALUES, jnp.int32)
    area = table.at[values].add(1)
    number = jnp.maximum(area, 1)
    return area, table.at[values].add(rows) / number, table.at[values].add(columns) / number


def _heatmap(
    present: Bool[Array, "b values"],
    center_y: Float[Array, "b values"],
    center_x: Float[Array, "b values"],
    size: tuple[int, int],
) -> Float[Array, "b h w"]:
    """The largest of the Gaussians about the centres that are `present`, at most `MOST` of them.

    A Gaussian is the product of one along y and one along x. The loop ends with the last centre of the picture with
    the most of them: usually a few dozen, while b h w 200 products would be the most expensive part of the loss on a
    CPU.
    """
    height, width = size
    (found,) = jax.vmap(lambda row: jnp.nonzero(row, size=MOST, fill_value=0))(present)
    is_found = jnp.arange(MOST) < present.sum(axis=1, keepdims=True)
    along_y = _gaussian(height, jnp.take_along_axis(center_y, found, axis=1), SIGMA * height / FULL_SIZE[0])
    along_x = _gaussian(width, jnp.take_along_axis(center_x, found, axis=1), SIGMA * width / FULL_SIZE[1])
    along_y = along_y * is_found[..., None]

    def draw(index, heatmap):
        return jnp.maximum(heatmap, along_y[:, index, :, None] * along_x[:, index, None, :])

    fullest = jnp.minimum(present.sum(axis=1).max(), MOST)
    return jax.lax.fori_loop(0, fullest, draw, jnp.zeros((len(present), height, width), along_y.dtype))


def _gaussian(length: int, center: Float[Array, "b n"], sigma: float) -> Float[Array, "b n length"]:
    return jnp.exp(-((jnp.arange(length) - center[..., None]) ** 2) / (2 * sigma**2))
