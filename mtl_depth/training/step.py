"""One training step, the same for any number of devices."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from mtl_depth.models.network import Network
from mtl_depth.tasks.base import Task
from mtl_depth.training.augment import Augmented, augment
from mtl_depth.training.balance import as_they_are
from mtl_depth.training.gradients import Batch, make_gradients
from mtl_depth.training.state import TrainState

TrainStep = Callable[..., tuple[TrainState, dict[str, jax.Array]]]


def make_train_step(
    network: Network,
    tasks: tuple[Task, ...],
    optimizer: optax.GradientTransformation,
    *,
    augmented: bool,
    augmentation: Callable[..., Augmented] = augment,
    weigh: Callable[..., Any] = as_they_are,
    rematerialise: bool = False,
    guarded: bool = True,
) -> TrainStep:
    """Builds `train_step(state, batch, *, axis_name=None) -> (state, metrics)`.

    Where loss, gradient or statistics of the batch are not finite, parameters, statistics and optimiser stay as they
    are; the step still counts, so that data and keys go on. What decides is the same number on every device.

    Args:
        network: the network.
        tasks: whose losses are summed.
        optimizer: of all parameters.
        augmented: whether clips are flipped and their colours jittered.
        augmentation: what does it, with the run's settings.
        weigh: that of the tasks' balance.
        rematerialise: whether the networks' features are computed again for the gradient instead of kept.
        guarded: whether such updates are skipped and the tasks' health is measured; off only to time what that costs.
    """
    gradients = make_gradients(
        network,
        tasks,
        augmented=augmented,
        augmentation=augmentation,
        weigh=weigh,
        rematerialise=rematerialise,
        watched=guarded,
    )

    def train_step(
        state: TrainState, batch: Batch | tuple[Batch, ...], *, axis_name: str | None = None
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        found = gradients(state, batch, axis_name=axis_name)
        loss, norm = sum(found.terms.values()), optax.tree.norm(found.grads)

        def updated() -> tuple[Any, Any, Any]:
            updates, opt_state = optimizer.update(found.grads, state.opt_state, state.params)
            return optax.apply_updates(state.params, updates), found.batch_stats, opt_state

        skipped, in_row = state.skipped, state.skipped_in_row
        if guarded:
            fine = jnp.isfinite(loss) & jnp.isfinite(norm) & jnp.isfinite(optax.tree.norm(found.batch_stats))
            # A branch, for choosing between old and new arrays would read and write all of them once more.
            params, batch_stats, opt_state = jax.lax.cond(
                fine, updated, lambda: (state.params, state.batch_stats, state.opt_state)
            )
            skipped, in_row = skipped + ~fine, jnp.where(fine, 0, in_row + 1)
        else:
            params, batch_stats, opt_state = updated()
        metrics = {"loss": loss, **found.terms, "gradient_norm": norm, **found.health, "skipped": skipped}
        metrics["skipped_in_row"] = in_row
        return TrainState(state.step + 1, params, batch_stats, opt_state, state.key, skipped, in_row), metrics

    return train_step
