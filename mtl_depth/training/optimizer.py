"""The multitask optimiser: Adam by part of the network, each part with its own learning rate (SPEC 5)."""

from collections.abc import Mapping
from typing import Any

import jax
import optax

from mtl_depth import config


def schedule(train: config.Train, *, steps: int) -> optax.Schedule:
    """Linear warm-up, then a constant rate that drops once (SPEC 5: 1e-4, then 1e-5 after 3/4 of the steps).

    With `train.reference_batch` the rate grows with the batch (the linear scaling rule, Goyal et al. 2017).
    """
    scale = train.batch_size / train.reference_batch if train.reference_batch else 1.0
    drop = optax.piecewise_constant_schedule(
        train.learning_rate * scale, {int(train.drop_after * steps): train.drop_factor}
    )
    if not train.warmup_steps:
        return drop
    return lambda step: drop(step) * jax.numpy.minimum(1.0, (step + 1) / train.warmup_steps)


def make_optimizer(
    train: config.Train, *, steps: int, head_multipliers: Mapping[str, float]
) -> optax.GradientTransformation:
    """Adam on encoder, pose network, focal length, balance and each head, by the first key of a parameter's path.

    Args:
        train: the training section.
        steps: length of the run, which places the drop of the learning rate.
        head_multipliers: factor on the learning rate of each task's head, by task name.
    """
    rate = schedule(train, steps=steps)
    multipliers = {
        "encoder": train.encoder_multiplier,
        "pose": train.pose_multiplier,
        "camera": train.camera_multiplier,
        "balance": train.balance_multiplier,
    }
    multipliers |= {f"head_{task}": multiplier for task, multiplier in head_multipliers.items()}

    def adam(multiplier: float) -> optax.GradientTransformation:
        return optax.adam(lambda step: rate(step) * multiplier, b1=0.9, b2=0.999, eps=1e-8)

    def label(params: Any) -> Any:
        return {part: jax.tree.map(lambda _, part=part: part, tree) for part, tree in params.items()}

    optimizer = optax.partition({part: adam(multiplier) for part, multiplier in multipliers.items()}, label)
    if train.clip_norm is None:
        return optimizer
    return optax.chain(optax.clip_by_global_norm(train.clip_norm), optimizer)
