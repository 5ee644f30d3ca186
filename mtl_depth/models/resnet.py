"""ResNet encoder: features of an image at five strides."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mtl_depth.models.convolution import max_pool
from mtl_depth.models.layers import EncoderConvolution, between_blocks, scaled_channels
from mtl_depth.models.normalization import BatchNorm

STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}  # blocks of each stage


class ResNetEncoder(nn.Module):
    """The first ReLU and the four stages of a ResNet (He et al., 2016), a bottleneck's stride on its 3x3 convolution.

    Parameters are named as in torchvision, with `layer1_0` for `layer1.0`.

    Attributes:
        depth: 18, 34 (basic blocks) or 50 (bottlenecks).
        width: factor on every channel count.
        dtype: type that it computes in.
        freeze_statistics: BatchNorm uses its running averages in training too, and leaves them as they are.
    """

    depth: int = 18
    width: float = 1.0
    dtype: Any = jnp.float32
    freeze_statistics: bool = False

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the features, finest first."""
        expansion = 4 if self.depth == 50 else 1
        return tuple(scaled_channels(c, self.width) for c in (64, *(c * expansion for c in (64, 128, 256, 512))))

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels of the image per pixel of the features, finest first."""
        return (2, 4, 8, 16, 32)

    @nn.compact
    def __call__(
        self, image: Float[Array, "b h w c"], *, train: bool, axis_name: str | None = None, groups: int = 1
    ) -> tuple[Float[Array, "b _ _ _"], ...]:
        """Features, finest first.

        Args:
            image: values in [0, 1]; several images may be stacked along the channels.
            train: whether BatchNorm uses, and records, the statistics of the batch.
            axis_name: mapped axis over which these are shared.
            groups: equal blocks of the batch, one after the other, that are batches of their own to BatchNorm.
        """
        norm = {"train": train and not self.freeze_statistics, "axis_name": axis_name, "groups": groups}
        x = ((image - 0.45) / 0.225).astype(self.dtype)
        x = EncoderConvolution(self.channels[0], 7, 2, self.dtype, name="conv1")(x)
        x = between_blocks(nn.relu(BatchNorm(self.dtype, name="bn1")(x, **norm)))
        features = [x]
        x = max_pool(x)
        for stage, blocks in enumerate(STAGES[self.depth], start=1):
            for index in range(blocks):
                stride = 2 if stage > 1 and index == 0 else 1
                block = ResidualBlock(self._convolutions(stage, stride), self.dtype, name=f"layer{stage}_{index}")
                x = between_blocks(block(x, **norm))
            features.append(x)
        return tuple(features)

    def _convolutions(self, stage: int, stride: int) -> tuple[tuple[int, int, int], ...]:
        """(channels, kernel size, stride) of the convolutions of a block."""
        channels = self.channels[stage]
        if self.depth == 50:
            inner = scaled_channels(32 * 2**stage, self.width)
            return ((inner, 1, 1), (inner, 3, stride), (channels, 1, 1))
        return ((channels, 3, stride), (channels, 3, 1))


class ResidualBlock(nn.Module):
    """Convolutions with a shortcut, which is a strided 1x1 convolution if the shape changes.

    Attributes:
        convolutions: channels, kernel size and stride of each.
        dtype: type that it computes in.
    """

    convolutions: tuple[tuple[int, int, int], ...]
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], **norm: Any) -> Float[Array, "b p q d"]:
        """The block's features; `norm` are the arguments of BatchNorm."""
        shortcut = x
        for index, (channels, size, stride) in enumerate(self.convolutions, start=1):
            x = x if index == 1 else nn.relu(x)
            x = EncoderConvolution(channels, size, stride, self.dtype, name=f"conv{index}")(x)
            x = BatchNorm(self.dtype, name=f"bn{index}")(x, **norm)
        if shortcut.shape != x.shape:
            stride = shortcut.shape[1] // x.shape[1]
            shortcut = EncoderConvolution(x.shape[-1], 1, stride, self.dtype, name="downsample_conv")(shortcut)
            shortcut = BatchNorm(self.dtype, name="downsample_bn")(shortcut, **norm)
        return nn.relu(x + shortcut)
