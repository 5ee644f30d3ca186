"""Depth of a film that flickers less: the last frame's depth, carried along by the predicted motion, is blended in."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from mtl_depth.data import intrinsics
from mtl_depth.geometry import camera, rigid, warp
from mtl_depth.prediction.predictor import Perceiver

WEIGHT = 0.8  # of the last frame where both agree
LIMIT = 0.5  # difference of log depth from which the last frame counts nothing: something moved, or came into view


class TemporalFilter:
    """Depth of frames in their order, each blended with the ones before.

    A network that sees single frames answers each with another error, also of scale. Every pixel's point is looked up
    in the last frame's filtered depth, where the motion between the frames says that it was. Let r be the depth found
    there by the depth expected there: the new depth becomes depth * r^w, with w = WEIGHT (1 - |log r| / LIMIT).
    Without a pose network (a model trained with recorded motion) the pixel is looked up in its own place, as if the
    camera stood still.
    """

    def __init__(self, perceiver: Perceiver):
        """For the depth of `perceiver` at the network's size."""
        self._perceiver, self._last = perceiver, None

    @property
    def follows(self) -> bool:
        """Whether the motion is predicted."""
        return self._perceiver.network is not None and self._perceiver.network.pose is not None

    @property
    def described(self) -> str:
        """How the last frame's depth is carried along, in words that follow "the last one's, "."""
        if self.follows:
            return "which follows the predicted motion"
        return "pixel by pixel as if the camera stood still: this model predicts no motion"

    def __call__(
        self, picture: UInt8[np.ndarray, "_ _ 3"], depth: Float[np.ndarray, "h w"], matrix: Float[np.ndarray, "3 3"]
    ) -> Float[np.ndarray, "h w"]:
        """The filtered depth of the next frame.

        Args:
            picture: the frame, of any size.
            depth: what the network answers for it, at the network's size.
            matrix: intrinsics of the picture.
        """
        if self._last is not None:
            motion = np.eye(4, dtype=np.float32)
            if self.follows:
                motion = np.asarray(self._perceiver.motion(picture, self._last[0]))[0]
            known = intrinsics.resize_intrinsics(np.asarray(matrix), old=picture.shape[:2], new=depth.shape)
            depth = np.asarray(blend(self._last[1], depth, motion, known.astype(np.float32)))
        self._last = (picture, depth)
        return depth


@jax.jit
def blend(
    last: Float[Array, "h w"],
    depth: Float[Array, "h w"],
    last_from_now: Float[Array, "4 4"],
    matrix: Float[Array, "3 3"],
) -> Float[Array, "h w"]:
    """Depth of now, drawn towards that of the last frame where they agree; see `TemporalFilter`."""
    _, _, expected = rigid.transform(last_from_now, *camera.backproject_planes(depth, matrix))
    found, inside = warp.inverse_warp(last[..., None], depth, last_from_now, matrix)
    difference = jnp.log(found[..., 0] / jnp.where(inside, expected, 1))
    weight = WEIGHT * jnp.clip(1 - jnp.abs(difference) / LIMIT, 0, 1)
    return depth * jnp.exp(jnp.where(inside, weight * difference, 0))
