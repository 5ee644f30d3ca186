"""Pose network: two images to the camera's motion between them."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mtl_depth.models.encoder import make_encoder
from mtl_depth.models.layers import Convolution, scaled_channels

SMALL = 0.01  # factor on the outputs, so that the untrained network predicts almost no motion


class PoseNetwork(nn.Module):
    """An encoder over both images, four convolutions, the mean over pixels.

    Attributes:
        encoder: its name in the table of encoders.
        width: factor on every channel count.
        dtype: type that it computes in.
        translation_unit: factor on the translation. If depth starts N times farther than in Monodepth2, translations
            have to start N times longer; otherwise they hardly move the pictures, and rotation is learned instead.
    """

    encoder: str = "resnet18"
    width: float = 1.0
    dtype: Any = jnp.float32
    translation_unit: float = 1.0

    @nn.compact
    def __call__(
        self,
        first: Float[Array, "b h w 3"],
        second: Float[Array, "b h w 3"],
        *,
        train: bool,
        axis_name: str | None = None,
        groups: int = 1,
    ) -> Float[Array, "b 6"]:
        """Rotation vector, then translation, of second_from_first.

        Args:
            first: the earlier image, values in [0, 1].
            second: the later image.
            train: whether BatchNorm uses, and records, the statistics of the batch.
            axis_name: mapped axis over which these are shared.
            groups: equal blocks of the batch, one after the other, that are batches of their own to BatchNorm.
        """
        encoder = make_encoder(self.encoder, width=self.width, dtype=self.dtype, name="encoder")
        images = jnp.concatenate([first, second], axis=-1)
        x = encoder(images, train=train, axis_name=axis_name, groups=groups)[-1]
        channels = scaled_channels(256, self.width)
        x = nn.relu(Convolution(channels, size=1, dtype=self.dtype, name="squeeze")(x))
        x = nn.relu(Convolution(channels, dtype=self.dtype, name="conv1")(x))
        x = nn.relu(Convolution(channels, dtype=self.dtype, name="conv2")(x))
        # Two motions, as published; the first serves a pair.
        x = Convolution(12, size=1, dtype=self.dtype, name="motion")(x)
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32)).mean(axis=(1, 2))
        rotation, translation = jnp.split(SMALL * x[:, :6], 2, axis=1)
        return jnp.concatenate([rotation, self.translation_unit * translation], axis=1)
