"""EfficientNet-Lite encoder: features of an image at five strides, with few operations, which suits a CPU."""

import math
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mtl_depth.models.depthwise import convolve_depthwise
from mtl_depth.models.initializers import he_normal_depthwise
from mtl_depth.models.layers import EncoderConvolution, between_blocks, scaled_channels
from mtl_depth.models.normalization import BatchNorm

STEM = 32  # channels of the first convolution


class Stage(NamedTuple):
    """Blocks of one width; the first of them takes the stride.

    Attributes:
        blocks: how many, before the network is deepened.
        size: side of the depthwise kernels.
        stride: of the first block.
        expansion: channels of the depthwise convolution per channel of the block's input.
        channels: of the result, before the network is widened.
    """

    blocks: int
    size: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
_ENDS = (0, 1, 2, 4, 6)  # the last stage of each stride


class Arithmetic(NamedTuple):
    """Details in which published networks of the same shapes differ; weights need those that they were trained with.

    Attributes:
        one_sided: the smaller half of an odd number of padded rows comes first, none for stride 2 and a 3x3 kernel.
        epsilon: of BatchNorm.
        mean: subtracted from red, green and blue, which are in [0, 1].
        deviation: that they are then divided by.
    """

    one_sided: bool
    epsilon: float
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


TENSORFLOW = Arithmetic(one_sided=True, epsilon=1e-3, mean=(127 / 255,) * 3, deviation=(128 / 255,) * 3)
TIMM = Arithmetic(one_sided=False, epsilon=1e-5, mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225))


class EfficientNetEncoder(nn.Module):
    """The seven stages of an EfficientNet-Lite: EfficientNet (Tan and Le, 2019) without squeeze-and-excitation, ReLU6.

    Attributes:
        width: factor on every channel count.
        dtype: type that it computes in.
        freeze_statistics: BatchNorm uses its running averages in training too, and leaves them as they are.
        widened: factor on the channels of the stages, rounded to multiples of 8: 1 of Lite0 and Lite1, 1.1 of Lite2.
        deepened: factor on the blocks of the stages but the first and the last: 1, 1.1 and 1.2.
        arithmetic: that the weights were, or are to be, trained with.
        grouped: see `convolve_depthwise`.
    """

    width: float = 1.0
    dtype: Any = jnp.float32
    freeze_statistics: bool = False
    widened: float = 1.0
    deepened: float = 1.0
    arithmetic: Arithmetic = TENSORFLOW
    grouped: bool = False

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the features, finest first."""
        return tuple(self._channels(STAGES[stage]) for stage in _ENDS)

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels of the image per pixel of the features, finest first."""
        return (2, 4, 8, 16, 32)

    @property
    def blocks(self) -> tuple[int, ...]:
        """Blocks of each stage."""
        inner = (math.ceil(stage.blocks * self.deepened) for stage in STAGES[1:-1])
        return (STAGES[0].blocks, *inner, STAGES[-1].blocks)

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
        images = image.shape[-1] // 3
        mean, deviation = (jnp.tile(jnp.array(x), images) for x in (self.arithmetic.mean, self.arithmetic.deviation))
        x = ((image - mean) / deviation).astype(self.dtype)
        channels = scaled_channels(STEM, self.width)
        x = EncoderConvolution(channels, 3, 2, self.dtype, self.arithmetic.one_sided, name="stem_conv")(x)
        x = relu6(BatchNorm(self.dtype, self.arithmetic.epsilon, name="stem_bn")(x, **norm))
        features = []
        for number, (stage, blocks) in enumerate(zip(STAGES, self.blocks, strict=True)):
            for index in range(blocks):
                block = InvertedResidual(
                    self._channels(stage), stage.size, stage.stride if index == 0 else 1, stage.expansion,
                    self.arithmetic, self.dtype, self.grouped, name=f"block{number}_{index}",
                )  # fmt: skip
                x = between_blocks(block(x, **norm))
            if number in _ENDS:
                features.append(x)
        return tuple(features)

    def _channels(self, stage: Stage) -> int:
        """Channels of a stage's result."""
        wide = stage.channels * self.widened
        rounded = max(8, int(wide + 4) // 8 * 8)
        if rounded < 0.9 * wide:
            rounded += 8
        return scaled_channels(rounded, self.width)


class InvertedResidual(nn.Module):
    """A 1x1 convolution to more channels, a depthwise one, a 1x1 one to fewer, and a shortcut if the shape is the same.

    Attributes:
        features: channels of the result.
        size: side of the depthwise kernel.
        stride: of the depthwise convolution.
        expansion: channels in between per channel of the input; 1: without the first convolution.
        arithmetic: of the network.
        dtype: type that it computes in.
        grouped: see `convolve_depthwise`.
    """

    features: int
    size: int
    stride: int
    expansion: int
    arithmetic: Arithmetic = TENSORFLOW
    dtype: Any = jnp.float32
    grouped: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], **norm: Any) -> Float[Array, "b p q d"]:
        """The block's features; `norm` are the arguments of BatchNorm."""

        def normalised(x: Float[Array, "b h w c"], name: str) -> Float[Array, "b h w c"]:
            return BatchNorm(self.dtype, self.arithmetic.epsilon, name=f"{name}_bn")(x, **norm)

        shortcut = x
        if self.expansion > 1:
            x = EncoderConvolution(self.expansion * x.shape[-1], 1, 1, self.dtype, name="expand_conv")(x)
            x = relu6(normalised(x, "expand"))
        x = DepthwiseConvolution(
            self.size, self.stride, self.dtype, self.arithmetic.one_sided, self.grouped, name="depthwise_conv"
        )(x)
        x = relu6(normalised(x, "depthwise"))
        x = normalised(EncoderConvolution(self.features, 1, 1, self.dtype, name="project_conv")(x), "project")
        return x + shortcut if shortcut.shape == x.shape else x


class DepthwiseConvolution(nn.Module):
    """A zero-padded depthwise convolution without bias (BatchNorm follows), with He-normal initial weights.

    Attributes:
        size: side of the square kernel (odd).
        stride: pixels of the input per pixel of the result.
        dtype: type that it computes in.
        one_sided: see `convolution.margins`.
        grouped: see `convolve_depthwise`.
    """

    size: int
    stride: int
    dtype: Any = jnp.float32
    one_sided: bool = False
    grouped: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b p q c"]:
        """Convolves."""
        kernel = self.param("kernel", he_normal_depthwise, (self.size, self.size, 1, x.shape[-1]))
        options = {"stride": self.stride, "one_sided": self.one_sided, "grouped": self.grouped}
        return convolve_depthwise(x, kernel.astype(self.dtype), **options)


def relu6(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`x` between 0 and 6."""
    return jnp.clip(x, 0, 6)
