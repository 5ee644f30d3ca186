"""U-Net decoder: from encoder features to feature maps at five sizes, up to that of the image."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mtl_depth.models.layers import JoiningConvolution, ReflectedConvolution, between_blocks, scaled_channels

CHANNELS = (16, 32, 64, 128, 256)


class Decoder(nn.Module):
    """From the deepest features on: convolve, double the size, concatenate the encoder's features, convolve.

    Attributes:
        width: factor on every channel count.
        dtype: type of the computations.
        least_channels: minimum channels of every map, which segmentation of many classes needs in narrow networks.
    """

    width: float = 1.0
    dtype: Any = jnp.float32
    least_channels: int = 4

    @nn.compact
    def __call__(self, features: Sequence[Float[Array, "b _ _ _"]]) -> tuple[Float[Array, "b _ _ _"], ...]:
        """Returns maps at 1, 1/2, ... 1/16 of the image's size, in this order.

        Args:
            features: of the encoder, finest first (strides 2 to 32).
        """
        x = features[-1]
        maps = []
        for level in reversed(range(len(CHANNELS))):
            channels = max(self.least_channels, scaled_channels(CHANNELS[level], self.width))
            skip = features[level - 1] if level > 0 else None
            x = nn.elu(ReflectedConvolution(channels, self.dtype, name=f"level{level}_in")(x))
            x = nn.elu(JoiningConvolution(channels, self.dtype, name=f"level{level}_out")(x, skip))
            x = between_blocks(x)
            maps.append(x)
        return tuple(reversed(maps))
