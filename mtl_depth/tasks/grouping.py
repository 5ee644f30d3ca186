"""Groups pixels into instances, from centres, offsets and thing logits, with static shapes.

The method of Panoptic-DeepLab (Cheng et al., CVPR 2020).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

THRESHOLD = 0.1  # of the heatmap at a centre
WINDOW = 7  # pixels; a centre is the largest of its window
MOST = 200  # centres of a picture


def group(
    center: Float[Array, "b h w"],
    offset: Float[Array, "b h w 2"],
    thing: Float[Array, "b h w classes"],
    ids: Int[Array, "classes-1"],
) -> tuple[Int[Array, "b h w"], Float[Array, "b most"]]:
    """Assigns every thing pixel to an instance.

    Args:
        center: heatmap in [0, 1].
        offset: (dy, dx) in pixels from a pixel to its centre.
        thing: logits; class 0 is "other", class i the thing with label id `ids[i - 1]`.
        ids: label ids of the thing classes.

    Returns:
        Raw values, label id * 1000 + n with n = 1, 2, ... in descending order of the heatmap, and 0 where there is no
        thing (or no centre in the picture); and the score of instance n at index n - 1: the mean probability of its
        class over its pixels, times the heatmap at its centre. The class of an instance is that of most of its pixels.
        A centre without pixels has score 0.
    """
    strength, center_y, center_x = _find_centers(center)
    nearest = _nearest_center(offset, center_y, center_x, strength > 0)
    probability = jax.nn.softmax(thing, axis=-1)
    classes = thing.argmax(axis=-1)
    is_instance = (classes > 0) & (strength[:, :1] > 0)[..., None]

    def vote(nearest, classes, is_instance, probability):
        """The class and mean probability of every centre of a picture."""
        ballots = (
            jnp.zeros((MOST, probability.shape[-1]), jnp.int32).at[nearest, classes].add(is_instance.astype(jnp.int32))
        )
        winner = ballots.argmax(axis=-1)
        votes = jnp.take_along_axis(probability, winner[nearest][..., None], axis=-1)[..., 0]
        total = jnp.zeros(MOST, votes.dtype).at[nearest].add(jnp.where(is_instance, votes, 0))
        return winner, total / jnp.maximum(ballots.sum(axis=-1), 1)

    winner, certainty = jax.vmap(vote)(nearest, classes, is_instance, probability)
    sample = jnp.arange(center.shape[0])[:, None, None]
    label = ids[jnp.maximum(winner - 1, 0)][sample, nearest]
    values = jnp.where(is_instance, label * 1000 + nearest + 1, 0).astype(jnp.int32)
    return values, certainty * strength


def _find_centers(
    center: Float[Array, "b h w"],
) -> tuple[Float[Array, "b most"], Float[Array, "b most"], Float[Array, "b most"]]:
    """Heatmap (falling; 0 where there are fewer), y and x of the local maxima.

    Of equal maxima in one window, the first in reading order is used: half precision causes plateaus, which would
    otherwise become several centres of one object.
    """
    is_peak = (center == _window_max(center)) & (center > THRESHOLD)
    order = -jnp.arange(center.shape[1] * center.shape[2], dtype=center.dtype).reshape(center.shape[1:])
    is_first = order == _window_max(jnp.where(is_peak, order, -jnp.inf))
    peaks = jnp.where(is_peak & is_first, center, 0).reshape(center.shape[0], -1)
    missing = max(0, MOST - peaks.shape[1])  # a picture of fewer pixels
    strength, place = jax.lax.top_k(jnp.pad(peaks, ((0, 0), (0, missing))), MOST)
    return strength, (place // center.shape[2]).astype(center.dtype), (place % center.shape[2]).astype(center.dtype)


def _window_max(values: Float[Array, "b h w"]) -> Float[Array, "b h w"]:
    """The maximum over the window about every pixel: that over columns of those over rows, which is the same."""
    for window in ((1, WINDOW, 1), (1, 1, WINDOW)):
        values = jax.lax.reduce_window(values, -jnp.inf, jax.lax.max, window, (1, 1, 1), "SAME")
    return values


def _nearest_center(
    offset: Float[Array, "b h w 2"],
    center_y: Float[Array, "b most"],
    center_x: Float[Array, "b most"],
    is_center: Bool[Array, "b most"],
) -> Int[Array, "b h w"]:
    """Index of the centre nearest to pixel + offset; 0 where there is none.

    The loop ends with the last centre of the picture with the most of them, usually a few dozen.
    """
    target_y = jnp.arange(offset.shape[1])[:, None] + offset[..., 0]
    target_x = jnp.arange(offset.shape[2]) + offset[..., 1]

    def compare(index, best):
        distance, chosen = best
        y, x = (column[:, index, None, None] for column in (center_y, center_x))
        squared = (target_y - y) ** 2 + (target_x - x) ** 2
        closer = (squared < distance) & is_center[:, index, None, None]
        return jnp.where(closer, squared, distance), jnp.where(closer, index, chosen)

    start = (jnp.full(target_y.shape, jnp.inf, target_y.dtype), jnp.zeros(target_y.shape, jnp.int32))
    return jax.lax.fori_loop(0, is_center.sum(axis=1).max(), compare, start)[1]
