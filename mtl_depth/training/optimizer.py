"""The multitask optimiser: Adam with a separate learning rate for each part of the network."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import PyTree

from mtl_depth import config


class Rates(NamedTuple):
    """The numbers of the learning rate's schedule: an argument of the step, so that a change recompiles nothing.

    Attributes:
        start: learning rate until the drop, float32.
        drop_step: number of updates after which it drops, int32.
        drop_factor: learning rate after the drop, relative to before, float32.
        warmup_steps: of a linear warm-up from zero, int32; 0 for none.
    """

    start: np.float32
    drop_step: np.int32
    drop_factor: np.float32
    warmup_steps: np.int32


def rates(train: config.Train, *, steps: int) -> Rates:
    """The schedule of a run of `steps`: a constant rate that drops once, by default to a tenth after 3/4 of the steps.

    With `train.reference_batch` the rate grows with the batch (the linear scaling rule, Goyal et al. 2017).
    """
    scale = train.batch_size / train.reference_batch if train.reference_batch else 1.0
    return Rates(
        np.float32(train.learning_rate * scale), np.int32(min(int(train.drop_after * steps), 2**31 - 1)),
        np.float32(train.drop_factor), np.int32(train.warmup_steps),
    )  # fmt: skip


def learning_rate(count: jax.Array | int, rates: Rates) -> jax.Array:
    """The learning rate of the update that follows `count` updates, without the multipliers of the parts."""
    rate = jnp.where(count < rates.drop_step, rates.start, rates.drop_factor * rates.start)
    warm = jnp.minimum(1.0, (count + 1) / jnp.maximum(rates.warmup_steps, 1))
    return rate * jnp.where(rates.warmup_steps > 0, warm, 1.0)


def make_optimizer(
    train: config.Train, *, steps: int, head_multipliers: Mapping[str, float]
) -> optax.GradientTransformationExtraArgs:
    """Adam on encoder, pose network, focal length, balance and each head, by the first key of a parameter's path.

    `update` takes the schedule as a further argument `rates`; without it, that of `train` and `steps` holds.

    Args:
        train: the training section.
        steps: length of the run, which places the drop of the learning rate.
        head_multipliers: factor on the learning rate of each task's head, by task name.
    """
    default = rates(train, steps=steps)
    multipliers = {
        "encoder": train.encoder_multiplier,
        "pose": train.pose_multiplier,
        "camera": train.camera_multiplier,
        "balance": train.balance_multiplier,
    }
    multipliers |= {f"head_{task}": multiplier for task, multiplier in head_multipliers.items()}

    def adam(multiplier: float) -> optax.GradientTransformationExtraArgs:
        return optax.chain(optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8), _descend(multiplier, default))

    def label(params: PyTree) -> PyTree:
        return {part: jax.tree.map(lambda _, part=part: part, tree) for part, tree in params.items()}

    optimizer = optax.partition({part: adam(multiplier) for part, multiplier in multipliers.items()}, label)
    if train.clip_norm is None:
        return optimizer
    return optax.chain(optax.clip_by_global_norm(train.clip_norm), optimizer)


def _descend(multiplier: float, default: Rates) -> optax.GradientTransformationExtraArgs:
    """-multiplier * learning rate * update, with the state of `optax.scale_by_schedule`."""

    def init(params: PyTree) -> optax.ScaleByScheduleState:
        return optax.ScaleByScheduleState(count=jnp.zeros([], jnp.int32))

    def update(
        updates: PyTree, state: PyTree, params: PyTree = None, *, rates: Rates | None = None, **_: Any
    ) -> tuple[PyTree, optax.ScaleByScheduleState]:
        step_size = -1 * (learning_rate(state.count, default if rates is None else rates) * multiplier)
        updates = jax.tree.map(lambda update: jnp.asarray(step_size, update.dtype) * update, updates)
        return updates, optax.ScaleByScheduleState(count=optax.safe_increment(state.count))

    return optax.GradientTransformationExtraArgs(init, update)
