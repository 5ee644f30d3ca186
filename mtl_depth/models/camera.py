"""The focal length as a parameter, for videos from an uncalibrated camera."""

import math
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class FocalScale(nn.Module):
    """One factor on fx and fy of all frames, learned as its logarithm; it starts at 1, the given intrinsics.

    fx and fy share the factor, because pixels are square or their ratio is known. The principal point is not learned:
    depth and motion could then explain a street in too many ways (Gordon et al., "Depth from Videos in the Wild", ICCV
    2019, learn all four from many cameras). The focal length can only be learned where the camera rotates.
    """

    @nn.compact
    def __call__(self) -> Float[Array, ""]:
        return jnp.exp(self.param("log_focal_scale", nn.initializers.zeros, (), jnp.float32))


def focal_scale(params: Mapping[str, Any]) -> float:
    """The learned factor among a network's parameters; 1 if it is not learned."""
    return math.exp(float(jax.device_get(params["camera"]["log_focal_scale"]))) if "camera" in params else 1.0


def describe(params: Mapping[str, Any], focal: float, *, width: int) -> dict[str, float]:
    """The values to log for a learned focal length; {} if it is not learned.

    Args:
        params: of the network.
        focal: fx of the data set's intrinsics, in pixels of the pictures that the networks see.
        width: of these pictures.
    """
    if "camera" not in params:
        return {}
    focal = focal * focal_scale(params)
    return {"camera/focal_px": focal, "camera/fov_degrees": math.degrees(2 * math.atan(width / 2 / focal))}
