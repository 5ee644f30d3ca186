"""Heads: from encoder features to the outputs of one task. Each head has its own decoder; outputs are float32."""

import math
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mtl_depth.models.decoder import Decoder
from mtl_depth.models.layers import ReflectedConvolution

_CENTER_PRIOR = 0.01  # heatmap that the untrained instance head predicts
_OFFSET_UNIT = 0.1  # of the picture's width: an answer of 1 pixel a unit of the convolution would take Adam ages
_LEAST_CHANNELS = 16  # of the segmentation decoders: those of the finest map of a full network
Features = Sequence[Float[Array, "b _ _ _"]]  # of the encoder, finest first


class DisparityHead(nn.Module):
    """Disparity (a sigmoid, not 1/m) at full, 1/2, 1/4, ... of the image's size.

    Attributes:
        width: factor on the decoder's channel counts.
        dtype: type that it computes in.
        scales: how many sizes.
        initial_disparity: mean prediction of the untrained head, for metric models; None: about 1/2, as in Monodepth2.
    """

    width: float = 1.0
    dtype: Any = jnp.float32
    scales: int = 4
    initial_disparity: float | None = None

    @nn.compact
    def __call__(self, features: Features) -> dict[str, tuple[Float[Array, "b _ _"], ...]]:
        """`disparity`: maps in (0, 1), full size first."""
        bias_init = None
        if self.initial_disparity is not None:
            bias_init = nn.initializers.constant(math.log(self.initial_disparity / (1 - self.initial_disparity)))
        maps = Decoder(self.width, self.dtype, name="decoder")(features)[: self.scales]
        disparities = []
        for scale, x in enumerate(maps):
            name = f"disparity_{scale}"
            x = ReflectedConvolution(1, self.dtype, bias_init, name=name)(x)
            disparities.append(nn.sigmoid(_full_precision(x[..., 0])))
        return {"disparity": tuple(disparities)}


class SemanticHead(nn.Module):
    """Semantic segmentation: one logit per class and pixel.

    Attributes:
        classes: number of classes.
        width: factor on the decoder's channel counts.
        dtype: type that it computes in.
    """

    classes: int = 19
    width: float = 1.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Features) -> dict[str, Float[Array, "b h w classes"]]:
        """`semantic`: logits at the image's size."""
        x = Decoder(self.width, self.dtype, _LEAST_CHANNELS, name="decoder")(features)[0]
        x = ReflectedConvolution(self.classes, self.dtype, name="semantic")(x)
        return {"semantic": _full_precision(x)}


class ReconstructionHead(SemanticHead):
    """The picture's colours, by the network of the semantic head.

    Attributes:
        classes: the colours.
    """

    classes: int = 3

    def __call__(self, features: Features) -> dict[str, Float[Array, "b h w 3"]]:
        """`reconstruction`: colours in (0, 1) at the image's size."""
        return {"reconstruction": nn.sigmoid(super().__call__(features)["semantic"])}


class InstanceHead(nn.Module):
    """Panoptic-DeepLab's class-agnostic centres and offsets, with a logit for each thing class and "other".

    Attributes:
        thing_classes: number of logits, "other" included.
        width: factor on the decoder's channel counts.
        dtype: type that it computes in.
    """

    thing_classes: int = 8
    width: float = 1.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Features) -> dict[str, Float[Array, "b h w *_"]]:
        """`center` b h w in (0, 1); `offset` b h w 2 to the centre in pixels (dy, dx); `thing` b h w classes."""
        x = Decoder(self.width, self.dtype, _LEAST_CHANNELS, name="decoder")(features)[0]
        # Centres are rare: with an initial value of 1/2 their loss would dominate (RetinaNet's prior, ICCV 2017).
        prior = nn.initializers.constant(math.log(_CENTER_PRIOR / (1 - _CENTER_PRIOR)))
        outputs = {
            name: _full_precision(ReflectedConvolution(channels, self.dtype, bias_init, name=name)(x))
            for name, channels, bias_init in (
                ("center", 1, prior),
                ("offset", 2, None),
                ("thing", self.thing_classes, None),
            )
        }
        unit = _OFFSET_UNIT * x.shape[2]
        return {**outputs, "center": nn.sigmoid(outputs["center"][..., 0]), "offset": unit * outputs["offset"]}


class ValueHead(nn.Module):
    """The report's segmentation: one value in (0, 1) per pixel.

    Attributes:
        width: factor on the decoder's channel counts.
        dtype: type that it computes in.
    """

    width: float = 1.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Features) -> dict[str, Float[Array, "b h w"]]:
        """`value`: a sigmoid at the image's size."""
        x = Decoder(self.width, self.dtype, name="decoder")(features)[0]
        x = ReflectedConvolution(1, self.dtype, name="value")(x)
        return {"value": nn.sigmoid(_full_precision(x[..., 0]))}


def _full_precision(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`x` in float32, or wider where it is wider."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
