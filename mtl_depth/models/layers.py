"""Convolutions, padding and upsampling that the networks are made of."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mtl_depth.models.initializers import Initializer, uniform_fan_in


def scaled_channels(channels: int, width: float) -> int:
    """A channel count of a network that is `width` times as wide as published."""
    return max(4, round(channels * width))


class Convolution(nn.Module):
    """A convolution with a bias, which starts uniform in +-1 / sqrt(fan_in).

    Attributes:
        features: channels of the result.
        size: side of the square kernel (odd).
        reflect: pads with the reflection about the border pixels' centres instead of zeros.
        dtype: type that it computes in.
        bias_init: overrides how the bias starts.
    """

    features: int
    size: int = 3
    reflect: bool = False
    dtype: Any = jnp.float32
    bias_init: Initializer | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w d"]:
        """Convolves; height and width stay."""
        fan_in = self.size**2 * x.shape[-1]
        initial = uniform_fan_in(fan_in)
        kernel = self.param("kernel", initial, (self.size, self.size, x.shape[-1], self.features))
        bias = self.param("bias", self.bias_init or initial, (self.features,))
        margin = self.size // 2
        if self.reflect:
            x, margin = reflection_pad(x), 0
        return convolve(x.astype(self.dtype), kernel.astype(self.dtype), padding=margin) + bias.astype(self.dtype)


def convolve(
    x: Float[Array, "b h w c"], kernel: Float[Array, "i j c d"], *, stride: int = 1, padding: int = 0
) -> Float[Array, "b p q d"]:
    """Cross-correlation of `x`, padded with `padding` zeros on every side, with `kernel`."""
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), [(padding, padding)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def reflection_pad(x: Float[Array, "b h w c"]) -> Float[Array, "b h+2 w+2 c"]:
    """One pixel on every side, mirrored about the border pixels' centres; height and width must be 2 or more.

    Slices and concatenation, because ONNX export with a free batch size does not take `jnp.pad`.
    """
    x = jnp.concatenate([x[:, 1:2], x, x[:, -2:-1]], axis=1)
    return jnp.concatenate([x[:, :, 1:2], x, x[:, :, -2:-1]], axis=2)


def upsample(x: Float[Array, "b h w c"]) -> Float[Array, "b 2*h 2*w c"]:
    """Doubles height and width by repeating pixels."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
