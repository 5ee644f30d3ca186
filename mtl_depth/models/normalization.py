"""Batch normalisation with statistics over all devices, separately for groups of the batch."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

MOMENTUM = 0.9  # what a running average keeps of its old value at each update


class BatchNorm(nn.Module):
    """Normalises each channel by the statistics of the batch (training) or by their running averages (evaluation).

    Statistics are computed in float32 (or wider). The batch is normalised with its biased variance; the running average
    uses the unbiased one, as PyTorch does.

    Attributes:
        dtype: type of the result.
        epsilon: added to the variance.
    """

    dtype: Any = jnp.float32
    epsilon: float = 1e-5

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool, axis_name: str | None = None, groups: int = 1
    ) -> Float[Array, "b h w c"]:
        """Returns `x` normalised.

        Args:
            x: features; with `groups` the batch is that many equal blocks, one after the other.
            train: whether to use and to record the statistics of the batch.
            axis_name: mapped axis over which statistics are shared, as if its batches were one.
            groups: blocks that are batches of their own; the running averages see them in order.
        """
        channels = x.shape[-1]
        scale = self.param("scale", nn.initializers.ones, (channels,))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,))
        running_variance = self.variable("batch_stats", "var", jnp.ones, (channels,))

        blocks = x.astype(jnp.promote_types(x.dtype, jnp.float32)).reshape(groups, -1, *x.shape[1:])
        if train:
            mean, variance, count = _statistics(blocks, axis_name)
            if not self.is_initializing():
                unbiased = variance * (count / max(count - 1, 1))
                running_mean.value = _running_average(running_mean.value, mean)
                running_variance.value = _running_average(running_variance.value, unbiased)
            mean, variance = (s[:, None, None, None] for s in (mean, variance))
        else:
            mean, variance = running_mean.value, running_variance.value
        normalised = (blocks - mean) * (jax.lax.rsqrt(variance + self.epsilon) * scale) + bias
        return normalised.reshape(x.shape).astype(self.dtype)


def _statistics(
    blocks: Float[Array, "g b h w c"], axis_name: str | None
) -> tuple[Float[Array, "g c"], Float[Array, "g c"], int]:
    """Mean, biased variance and number of values of each group's channels, over all devices of the axis.

    The variance is the mean square deviation from the mean, never E[x^2] - E[x]^2: no cancellation.
    """
    axes = (1, 2, 3)
    count = blocks[0, ..., 0].size
    mean = blocks.mean(axes)
    variance = jnp.square(blocks - mean[:, None, None, None]).mean(axes)
    if axis_name is None:
        return mean, variance, count
    own_mean = mean
    mean = jax.lax.pmean(own_mean, axis_name)
    variance = jax.lax.pmean(variance + jnp.square(own_mean - mean), axis_name)
    return mean, variance, count * jax.lax.axis_size(axis_name)


def _running_average(average: Float[Array, "c"], values: Float[Array, "g c"]) -> Float[Array, "c"]:
    """`average` after one update for each row of `values`, in order."""
    for value in values:
        average = MOMENTUM * average + (1 - MOMENTUM) * value
    return average
