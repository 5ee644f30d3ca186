"""The table of encoders, networks that compute features of an image at five strides, by name.

An encoder is a module called as `encoder(image, train=..., axis_name=..., groups=...)`, with the attributes `channels`
and `strides` of its features, finest first. To add an encoder, add a line here, and the published names of its weights
in `mtl_depth.pretrained.encoder`.
"""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from mtl_depth.errors import UserError
from mtl_depth.models.efficientnet import TIMM, EfficientNetEncoder
from mtl_depth.models.resnet import ResNetEncoder

ENCODERS = {
    "resnet18": functools.partial(ResNetEncoder, depth=18),
    "resnet34": functools.partial(ResNetEncoder, depth=34),
    "resnet50": functools.partial(ResNetEncoder, depth=50),
    "efficientnet_lite0": functools.partial(EfficientNetEncoder),
    "efficientnet_lite1": functools.partial(EfficientNetEncoder, deepened=1.1),
    "efficientnet_lite2": functools.partial(EfficientNetEncoder, widened=1.1, deepened=1.2),
    "timm_efficientnet_lite0": functools.partial(EfficientNetEncoder, arithmetic=TIMM),
}


def make_encoder(
    encoder: str,
    *,
    width: float = 1.0,
    dtype: Any = jnp.float32,
    freeze_statistics: bool = False,
    name: str | None = None,
) -> nn.Module:
    """Creates the encoder with this name.

    Args:
        encoder: one of `ENCODERS`.
        width: factor on every channel count.
        dtype: type that it computes in.
        freeze_statistics: BatchNorm uses its running averages in training too, and leaves them as they are.
        name: of the module, where it is made inside another one.

    Raises:
        UserError: there is no such encoder.
    """
    if encoder not in ENCODERS:
        raise UserError(f"config.model.encoder is {encoder!r}; choose one of {', '.join(ENCODERS)}.")
    return ENCODERS[encoder](width=width, dtype=dtype, freeze_statistics=freeze_statistics, name=name)


def translatable(encoder: nn.Module) -> nn.Module:
    """The same encoder, built from operations that ONNX can express."""
    return encoder.clone(grouped=True) if isinstance(encoder, EfficientNetEncoder) else encoder
