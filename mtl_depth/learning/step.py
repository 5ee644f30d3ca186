"""One training step, the same for any number of devices."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from mtl_depth.augment import augment
from mtl_depth.learning.balance import as_they_are
from mtl_depth.learning.state import TrainState
from mtl_depth.models.network import Network
from mtl_depth.tasks.base import Task

MAPS = ("semantic", "instance", "confidence", "source_semantic", "image_right")  # mirrored with the images
MOTIONS = ("source_from_target", "right_from_target")
TrainStep = Callable[..., tuple[TrainState, dict[str, jax.Array]]]


def make_train_step(
    network: Network,
    tasks: tuple[Task, ...],
    optimizer: optax.GradientTransformation,
    *,
    augmented: bool,
    weigh: Callable[..., Any] = as_they_are,
) -> TrainStep:
    """Builds `train_step(state, batch, *, axis_name=None) -> (state, metrics)`.

    Under a named axis every device holds an equal share of the batch. Sums and their counts are added over the axis
    before they are divided, so that N devices equal one; the keys follow the sample's place in the global batch, so
    that the number of devices changes no random number. `weigh` is that of the tasks' balance.
    """

    def train_step(
        state: TrainState, batch: Mapping[str, jax.Array], *, axis_name: str | None = None
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        def across(tree: Any) -> Any:
            return tree if axis_name is None else jax.lax.psum(tree, axis_name)

        keys = _sample_keys(state, batch["image"].shape[0], 1 + len(tasks), axis_name=axis_name)
        batch, seen = _prepare(keys[:, 0], batch, augmented=augmented)

        def objective(params: Any) -> tuple[jax.Array, Any]:
            outputs, updated = network.apply(
                {"params": params, "batch_stats": state.batch_stats},
                seen,
                train=True,
                axis_name=axis_name,
                mutable=["batch_stats"],
            )
            sums = {}
            for position, task in enumerate(tasks):
                sums |= task.loss(keys[:, 1 + position], outputs, batch)
            counts = across({name: jax.lax.stop_gradient(count) for name, (_, count) in sums.items()})
            terms = {name: total / jnp.maximum(counts[name], 1) for name, (total, _) in sums.items()}
            terms = weigh(params, terms, 1 / across(1))
            return sum(terms.values()), (terms, updated["batch_stats"])

        grads, (terms, batch_stats) = jax.grad(objective, has_aux=True)(state.params)
        grads, terms = across((grads, terms))
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        metrics = {"loss": sum(terms.values()), **terms, "gradient_norm": optax.tree.norm(grads)}
        next_state = TrainState(
            step=state.step + 1,
            params=optax.apply_updates(state.params, updates),
            batch_stats=batch_stats,
            opt_state=opt_state,
            key=state.key,
        )
        return next_state, metrics

    return train_step


def _sample_keys(state: TrainState, samples: int, purposes: int, *, axis_name: str | None) -> jax.Array:
    """Keys [samples, purposes]: root -> step -> place in the global batch -> purpose."""
    first = 0 if axis_name is None else jax.lax.axis_index(axis_name) * samples
    key = jax.random.fold_in(state.key, state.step)
    return jax.vmap(lambda place: jax.random.split(jax.random.fold_in(key, place), purposes))(
        first + jnp.arange(samples)
    )


def _prepare(
    keys: jax.Array, batch: Mapping[str, jax.Array], *, augmented: bool
) -> tuple[dict[str, jax.Array], jax.Array]:
    """uint8 batch -> (batch with the clean float images for the losses, the clip that the networks see)."""
    images = {name: batch[name].astype(jnp.float32) / 255 for name in ("image", "image_right") if name in batch}
    batch = dict(batch) | images
    if not augmented:
        return batch, batch["image"]
    mirrored = {name: batch[name] for name in MAPS if name in batch}
    motions = [name for name in MOTIONS if name in batch]
    all_motions = jnp.concatenate([batch[name] for name in motions], axis=1) if motions else None
    clean, seen, intrinsics, all_motions, maps = jax.vmap(augment)(
        keys, batch["image"], batch["intrinsics"], all_motions, mirrored
    )
    batch |= {"image": clean, "intrinsics": intrinsics, **maps}
    start = 0
    for name in motions:
        end = start + batch[name].shape[1]
        batch[name], start = all_motions[:, start:end], end
    return batch, seen
