"""Batch normalisation with statistics over all devices, separately for groups of the batch."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_PIXELS = (1, 2, 3)  # axes of a group's values
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
            normalised, mean, variance = normalise(blocks, scale, bias, self.epsilon, axis_name)
            if not self.is_initializing():
                count = blocks[0, ..., 0].size * _devices(axis_name)
                unbiased = variance * (count / max(count - 1, 1))
                running_mean.value = _running_average(running_mean.value, mean)
                running_variance.value = _running_average(running_variance.value, unbiased)
        else:
            factor = jax.lax.rsqrt(running_variance.value + self.epsilon) * scale
            normalised = (blocks - running_mean.value) * factor + bias
        return normalised.reshape(x.shape).astype(self.dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def normalise(
    blocks: Float[Array, "g b h w c"],
    scale: Float[Array, "c"],
    bias: Float[Array, "c"],
    epsilon: float,
    axis_name: str | None = None,
) -> tuple[Float[Array, "g b h w c"], Float[Array, "g c"], Float[Array, "g c"]]:
    """Each group normalised by its own statistics, and these: mean and biased variance, over all devices of the axis.

    The variance is the mean square deviation from the mean, never E[x^2] - E[x]^2: no cancellation. The gradient is
    written down (that of the statistics counts as zero): from automatic differentiation XLA makes twice as many passes
    over the maps. Across devices it takes one exchange each way.
    """
    return _normalise(blocks, scale, bias, epsilon, axis_name)[0]


def _normalise(blocks, scale, bias, epsilon, axis_name):
    mean = blocks.mean(_PIXELS)
    variance = jnp.square(blocks - _spread(mean)).mean(_PIXELS)
    if axis_name is not None:
        means, variances = jax.lax.all_gather(jnp.stack([mean, variance]), axis_name, axis=1)
        mean = means.mean(0)
        variance = (variances + jnp.square(means - mean)).mean(0)
    inverse = jax.lax.rsqrt(variance + epsilon)
    normalised = (blocks - _spread(mean)) * _spread(inverse * scale) + bias
    return (normalised, mean, variance), (blocks, mean, inverse, scale)


def _gradients(epsilon, axis_name, saved, gradients):
    """Gradients of blocks, scale and bias.

    For the n values x of a channel with u = (x - mean) / deviation and the gradient dy of the result:
    dx = scale / deviation * (dy - sum(dy) / n - u * sum(dy * u) / n).
    """
    blocks, mean, inverse, scale = saved
    gradient = gradients[0]
    units = (blocks - _spread(mean)) * _spread(inverse)
    own = jnp.stack([gradient.sum(_PIXELS), (gradient * units).sum(_PIXELS)])
    count = blocks[0, ..., 0].size * _devices(axis_name)
    of_mean, of_deviation = (own if axis_name is None else jax.lax.psum(own, axis_name)) / count
    of_blocks = _spread(inverse * scale) * (gradient - _spread(of_mean) - units * _spread(of_deviation))
    of_bias, of_scale = own.sum(1)  # of this device alone: whoever trains adds them up
    return of_blocks, of_scale, of_bias


normalise.defvjp(_normalise, _gradients)


def _spread(statistics: Float[Array, "g c"]) -> Float[Array, "g 1 1 1 c"]:
    """Statistics beside every value of their group."""
    return statistics[:, None, None, None]


def _devices(axis_name: str | None) -> int:
    """How many share the statistics."""
    return 1 if axis_name is None else jax.lax.axis_size(axis_name)


def _running_average(average: Float[Array, "c"], values: Float[Array, "g c"]) -> Float[Array, "c"]:
    """`average` after one update for each row of `values`, in order."""
    for value in values:
        average = MOMENTUM * average + (1 - MOMENTUM) * value
    return average
