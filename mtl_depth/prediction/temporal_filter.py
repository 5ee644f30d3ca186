"""Depth of a film that flickers less: the last frame's depth, carried along by the predicted motion, is blended in."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

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

    def __call__(
        self,
        image: Float[np.ndarray, "h w 3"],
        depth: Float[np.ndarray, "h w"],
        matrix: Float[np.ndarray, "3 3"],
        *,
        size: tuple[int, int],
    ) -> Float[np.ndarray, "h w"]:
        """The filtered depth of the next frame.

        Args:
            image: at the network's size, in [0, 1].
            depth: what the network answers.
            matrix: intrinsics of the picture that `image` was made of.
            size: height and width of that picture.
        """
        if self._last is not None:
            motion = np.eye(4, dtype=np.float32)
            if self.follows:
                motion = np.asarray(self._perceiver.motion(image[None], self._last[0][None]))[0]
            known = intrinsics.resize_intrinsics(np.asarray(matrix), old=size, new=depth.shape)
            depth = np.asarray(blend(self._last[1], depth, motion, known.astype(np.float32)))
        self._last = (image, depth)
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
