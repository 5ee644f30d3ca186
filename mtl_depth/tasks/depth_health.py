"""Signs that self-supervised depth has collapsed: constant disparity, or no motion."""

import jax.numpy as jnp

from mtl_depth.geometry.rigid import at_least_float32
from mtl_depth.tasks.base import Batch, Health, Outputs

LEAST_SPREAD = 0.02  # standard deviation of disparity over its mean; streets have 0.5 or more
LEAST_PARALLAX = 0.05  # pixels; neighbours of a driving camera are several pixels apart


def make(*, nearest: float, farthest: float, predicts_motion: bool) -> Health:
    """Measures how much disparity varies within a picture and, if motion is predicted, how far it moves the picture.

    `motion_pixels` is fx |t| / depth of the predicted translation and depth, whose common scale cancels out.
    """

    def measure(outputs: Outputs, batch: Batch) -> dict:
        disparity = at_least_float32(outputs["disparity"][-1])  # the coarsest scale tells as much and costs least
        samples = jnp.float32(disparity.shape[0])
        spread = disparity.std(axis=(1, 2)) / jnp.maximum(disparity.mean(axis=(1, 2)), 1e-7)
        measured = {"disparity_spread": (spread.sum(), samples)}
        if predicts_motion:
            length = jnp.linalg.norm(outputs["source_from_target"][..., :3, 3], axis=-1).mean(axis=1)
            inverse_depth = 1 / farthest + (1 / nearest - 1 / farthest) * disparity.mean(axis=(1, 2))
            pixels = batch["intrinsics"][:, 0, 0] * length * inverse_depth
            measured["motion_pixels"] = (pixels.sum(), samples)
        return measured

    signs = {
        "disparity_spread": (
            LEAST_SPREAD,
            "the predicted depth is nearly the same everywhere in the picture. If it does not recover within some "
            "hundred steps, check the intrinsics and that the camera moves in most clips, lower "
            "config.train.learning_rate, or train with config.tasks.depth.motion=recorded",
        )
    }
    if predicts_motion:
        signs["motion_pixels"] = (
            LEAST_PARALLAX,
            "the predicted motion moves the neighbouring pictures by almost nothing, so depth cannot be learned. If it "
            "does not recover within some hundred steps, check that the camera moves in most clips, raise "
            "config.data.stride, lower config.train.learning_rate, or train with config.tasks.depth.motion=recorded",
        )
    return Health(measure=measure, signs=signs)
