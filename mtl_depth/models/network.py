"""The whole network: a shared encoder, one head per task, and a pose network if motion is predicted."""

from typing import Any

import einops
import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from mtl_depth.errors import UserError
from mtl_depth.geometry.rigid import invert, rigid_from_vector
from mtl_depth.models.camera import FocalScale
from mtl_depth.models.encoder import make_encoder
from mtl_depth.models.pose import PoseNetwork


class Network(nn.Module):
    """Computes the outputs of every head for images, and the motion for pairs of images.

    Top-level parameters are `encoder`, `head_<task name>`, `pose` and `camera`.

    Attributes:
        encoder: shared by the heads.
        heads: (task name, module from features to a dict of outputs) pairs.
        pose: predicts motion, or None.
        gradient_scales: (task name, factor on its head's gradient where it enters the encoder) pairs; others have 1.
        camera: learns the focal length, or None.
    """

    encoder: nn.Module
    heads: tuple[tuple[str, nn.Module], ...]
    pose: PoseNetwork | None = None
    gradient_scales: tuple[tuple[str, float], ...] = ()
    camera: FocalScale | None = None

    def setup(self):
        for name, head in self.heads:
            setattr(self, f"head_{name}", head.clone(name=None))

    def perceive(
        self, image: Float[Array, "b h w 3"], *, train: bool = False, axis_name: str | None = None
    ) -> dict[str, Any]:
        """Returns the outputs of every head for single images with values in [0, 1]."""
        check_size(image.shape[1:3])
        features = self.encoder(image, train=train, axis_name=axis_name)
        scales, outputs = dict(self.gradient_scales), {}
        for name, _ in self.heads:
            outputs |= getattr(self, f"head_{name}")(_with_gradient_scaled(features, scales.get(name, 1.0)))
        return outputs

    def motion(
        self,
        first: Float[Array, "b h w 3"],
        second: Float[Array, "b h w 3"],
        *,
        train: bool = False,
        axis_name: str | None = None,
        groups: int = 1,
    ) -> Float[Array, "b 4 4"]:
        """Returns second_from_first of images in temporal order, with values in [0, 1]."""
        if self.pose is None:
            raise UserError(
                "This network has no pose network; one is trained with config.tasks.depth.motion=predicted."
            )
        return rigid_from_vector(self.pose(first, second, train=train, axis_name=axis_name, groups=groups))

    def __call__(self, clip: Float[Array, "b t h w 3"], *, train: bool, axis_name: str | None = None) -> dict[str, Any]:
        """Returns the outputs for the target, the clip's middle frame, and the motion if it is predicted.

        The motion is `source_from_target` b s 4 4. If the focal length is learned, there is a scalar `focal_scale`.

        Args:
            clip: an odd number of frames in temporal order, values in [0, 1]; all but the target are sources.
            train: whether BatchNorm uses, and records, the statistics of the batch; those of a pair are its own.
            axis_name: mapped axis over which these are shared.
        """
        frames = clip.shape[1]
        target = frames // 2
        outputs = self.perceive(clip[:, target], train=train, axis_name=axis_name)
        if self.camera is not None:
            outputs["focal_scale"] = self.camera()
        if self.pose is None:
            return outputs
        sources = [s for s in range(frames) if s != target]
        first, second = (jnp.concatenate([clip[:, pick(s, target)] for s in sources]) for pick in (min, max))
        second_from_first = self.motion(first, second, train=train, axis_name=axis_name, groups=len(sources))
        second_from_first = einops.rearrange(second_from_first, "(s b) i j -> b s i j", s=len(sources))
        target_from_earlier, later_from_target = jnp.split(second_from_first, [target], axis=1)
        source_from_target = jnp.concatenate([invert(target_from_earlier), later_from_target], axis=1)
        return {**outputs, "source_from_target": source_from_target}


def _with_gradient_scaled(features: Any, scale: float) -> Any:
    """The features unchanged; their gradient is multiplied by `scale`."""
    if scale == 1:
        return features
    still = jax.lax.stop_gradient(features)
    return jax.tree.map(lambda x, value: value + scale * (x - value), features, still)


def check_size(size: tuple[int, int]) -> None:
    """Raises UserError unless the networks accept images of this height and width."""
    if any(side % 32 or side < 64 for side in size):
        height, width = size
        raise UserError(
            f"The sides of images must be multiples of 32 and at least 64, and not {height}x{width} (height x width)."
        )


def make_network(
    *,
    encoder: str = "resnet18",
    width: float = 1.0,
    dtype: Any = jnp.float32,
    heads: tuple[tuple[str, nn.Module], ...],
    predict_motion: bool = False,
    translation_unit: float = 1.0,
    learn_focal: bool = False,
    freeze_statistics: bool = False,
) -> Network:
    """Creates a network with the encoder of this name; `heads` are (task name, module) pairs.

    `freeze_statistics` holds for the encoder that the heads share.
    """
    return Network(
        encoder=make_encoder(encoder, width=width, dtype=dtype, freeze_statistics=freeze_statistics),
        heads=tuple(heads),
        pose=PoseNetwork(encoder, width, dtype, translation_unit) if predict_motion else None,
        camera=FocalScale() if learn_focal else None,
    )


def init(network: Network, key: PRNGKeyArray, *, size: tuple[int, int], frames: int = 3) -> dict[str, Any]:
    """Random `{"params": ..., "batch_stats": ...}` for clips of `frames` images of `size` (height, width)."""
    clip = jax.ShapeDtypeStruct((1, frames, *size, 3), jnp.float32)
    return network.lazy_init(key, clip, train=False)
