"""Convolution layers of encoders, decoder, heads and pose network, with the published initialisation."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from mtl_depth.models.convolution import convolve, convolve_reflected, convolve_upsampled
from mtl_depth.models.initializers import Initializer, he_normal, uniform_fan_in

BETWEEN_BLOCKS = "between blocks"  # name of the features that rematerialisation keeps


def between_blocks(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The features unchanged, with a name that the policy of `jax.checkpoint` refers to."""
    return checkpoint_name(x, BETWEEN_BLOCKS)


def scaled_channels(channels: int, width: float) -> int:
    """A channel count multiplied by `width` and rounded, at least 4."""
    return max(4, round(channels * width))


class Convolution(nn.Module):
    """A zero-padded convolution.

    Attributes:
        features: channels of the result.
        size: side of the square kernel (odd).
        dtype: type that it computes in.
    """

    features: int
    size: int = 3
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w d"]:
        """Convolves; height and width stay."""
        kernel, bias = _weights(self, self.size, x.shape[-1])
        return convolve(x.astype(self.dtype), kernel.astype(self.dtype)) + bias.astype(self.dtype)


class EncoderConvolution(nn.Module):
    """A zero-padded convolution without bias (BatchNorm follows), with He-normal initial weights (fan-out).

    Attributes:
        features: channels of the result.
        size: side of the square kernel (odd).
        stride: pixels of the input per pixel of the result.
        dtype: type that it computes in.
        one_sided: see `convolution.margins`.
    """

    features: int
    size: int
    stride: int
    dtype: Any = jnp.float32
    one_sided: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b p q d"]:
        """Convolves."""
        kernel = self.param("kernel", he_normal, (self.size, self.size, x.shape[-1], self.features))
        return convolve(x, kernel.astype(self.dtype), stride=self.stride, one_sided=self.one_sided)


class ReflectedConvolution(nn.Module):
    """A 3x3 convolution, padded with the reflection about the border pixels' centres.

    Attributes:
        features: channels of the result.
        dtype: type that it computes in.
        bias_init: overrides how the bias starts.
    """

    features: int
    dtype: Any = jnp.float32
    bias_init: Initializer | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w d"]:
        """Convolves; height and width stay."""
        kernel, bias = _weights(self, 3, x.shape[-1], self.bias_init)
        result = convolve_reflected(x.astype(self.dtype), kernel.astype(self.dtype))
        return result + bias.astype(result.dtype)


class JoiningConvolution(nn.Module):
    """A reflection-padded 3x3 convolution of a map, upsampled by repeating pixels, concatenated with another map.

    Convolution is linear in its inputs, so each map is convolved in the form that suits it.

    Attributes:
        features: channels of the result.
        dtype: type that it computes in.
    """

    features: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], skip: Float[Array, "b 2*h 2*w s"] | None
    ) -> Float[Array, "b 2*h 2*w d"]:
        """Returns the convolution of `x`, upsampled by two, concatenated with `skip`."""
        channels = x.shape[-1]
        kernel, bias = _weights(self, 3, channels + (0 if skip is None else skip.shape[-1]))
        kernel = kernel.astype(self.dtype)
        result = convolve_upsampled(x.astype(self.dtype), kernel[:, :, :channels]) + bias.astype(self.dtype)
        if skip is None:
            return result
        return result + convolve_reflected(skip.astype(self.dtype), kernel[:, :, channels:])


def _weights(
    module: nn.Module, size: int, inputs: int, bias_init: Initializer | None = None
) -> tuple[jax.Array, jax.Array]:
    """Kernel and bias of a convolution, both uniform in +-1 / sqrt(fan_in) at the start."""
    initial = uniform_fan_in(size**2 * inputs)
    kernel = module.param("kernel", initial, (size, size, inputs, module.features))
    return kernel, module.param("bias", bias_init or initial, (module.features,))
