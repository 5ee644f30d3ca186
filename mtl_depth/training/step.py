"""One training step, the same for any number of devices."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from mtl_depth.tasks.base import Batch
from mtl_depth.training.gradients import Gradients
from mtl_depth.training.optimizer import Rates
from mtl_depth.training.state import TrainState

TrainStep = Callable[..., tuple[TrainState, dict[str, jax.Array]]]


def make_train_step(
    gradients: Callable[..., Gradients], optimizer: optax.GradientTransformation, *, guarded: bool = True
) -> TrainStep:
    """Builds `train_step(state, batch, rates=None, *, axis_name=None) -> (state, metrics)`.

    Args:
        gradients: of `make_gradients`.
        optimizer: of all parameters.
        guarded: see `make_update`.
    """
    update = make_update(optimizer, guarded=guarded)

    def train_step(
        state: TrainState, batch: Batch, rates: Rates | None = None, *, axis_name: str | None = None
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        return update(state, gradients(state, batch, axis_name=axis_name), rates)

    return train_step


def make_update(optimizer: optax.GradientTransformation, *, guarded: bool = True) -> TrainStep:
    """Builds `update(state, gradients, rates=None) -> (state, metrics)`.

    If loss, gradient or statistics of the batch are not finite, parameters, statistics and optimiser state stay
    unchanged; the step still counts, so that data and keys advance. All devices decide by the same numbers.

    Args:
        optimizer: of all parameters; it receives `rates`, or None for those that it was made with.
        guarded: whether such updates are skipped; False only to measure the cost of the check.
    """
    optimizer = optax.with_extra_args_support(optimizer)

    def update(
        state: TrainState, found: Gradients, rates: Rates | None = None
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        loss, norm = sum(found.terms.values()), optax.tree.norm(found.grads)

        def updated() -> tuple[PyTree, PyTree, PyTree]:
            updates, opt_state = optimizer.update(found.grads, state.opt_state, state.params, rates=rates)
            return optax.apply_updates(state.params, updates), found.batch_stats, opt_state

        skipped, in_row = state.skipped, state.skipped_in_row
        if guarded:
            fine = jnp.isfinite(loss) & jnp.isfinite(norm) & jnp.isfinite(optax.tree.norm(found.batch_stats))
            # A branch, because selecting between old and new arrays would read and write all of them once more.
            params, batch_stats, opt_state = jax.lax.cond(
                fine, updated, lambda: (state.params, state.batch_stats, state.opt_state)
            )
            skipped, in_row = skipped + ~fine, jnp.where(fine, 0, in_row + 1)
        else:
            params, batch_stats, opt_state = updated()
        metrics = {"loss": loss, **found.terms, "gradient_norm": norm, **found.health, "skipped": skipped}
        metrics["skipped_in_row"] = in_row
        return TrainState(state.step + 1, params, batch_stats, opt_state, state.key, skipped, in_row), metrics

    return update
