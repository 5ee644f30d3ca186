"""The gradient of the summed task losses over a global batch, the same for any number of devices and of parts."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.flatten_util
import jax.numpy as jnp

from mtl_depth.models.layers import BETWEEN_BLOCKS
from mtl_depth.models.network import Network
from mtl_depth.tasks.base import Task
from mtl_depth.training.augment import Augmented, augment
from mtl_depth.training.balance import as_they_are
from mtl_depth.training.state import TrainState

MAPS = ("semantic", "instance", "confidence", "depth", "source_semantic", "image_right")  # mirrored with the images
MOTIONS = ("source_from_target", "right_from_target")
Batch = Mapping[str, jax.Array]


class Gradients(NamedTuple):
    """What one global batch says; every number is that of the whole batch.

    Attributes:
        grads: of the loss, with respect to the parameters.
        terms: the task losses by name, weighted; the loss is their sum.
        batch_stats: running averages of BatchNorm, this batch included.
        health: what the tasks' `health` measured, by name.
    """

    grads: Any
    terms: dict[str, jax.Array]
    batch_stats: Any
    health: dict[str, jax.Array]


def make_gradients(
    network: Network,
    tasks: tuple[Task, ...],
    *,
    augmented: bool,
    augmentation: Callable[..., Augmented] = augment,
    weigh: Callable[..., Any] = as_they_are,
    rematerialise: bool = False,
    watched: bool = True,
) -> Callable[..., Gradients]:
    """Builds `gradients(state, batch, *, axis_name=None)`.

    Under a named axis every device holds an equal share of the batch. Sums and their counts are added over the axis
    before they are divided, so that N devices equal one; the keys follow the sample's place in the global batch, so
    that the number of devices changes no random number.

    A tuple of batches is one batch in parts, worked through one after the other in the memory of one part: gradient
    accumulation. It equals the whole batch but for BatchNorm, whose statistics are those of each part. `weigh` is
    that of the tasks' balance; `watched`: also measure the tasks' health. `rematerialise`: of the networks' features
    only those between blocks are kept for the backward pass, which computes the others again.
    """

    def gradients(state: TrainState, batch: Batch | tuple[Batch, ...], *, axis_name: str | None = None) -> Gradients:
        across = functools.partial(_sum_across, axis_name=axis_name)
        parts = batch if isinstance(batch, tuple) else (batch,)
        share = 1 / (len(parts) * (1 if axis_name is None else jax.lax.axis_size(axis_name)))
        prepared = []
        for position, part in enumerate(parts):
            keys = _sample_keys(state, part["image"].shape[0], 1 + len(tasks), part=position, axis_name=axis_name)
            prepared.append((keys, *_prepare(keys[:, 0], part, augmentation=augmentation if augmented else None)))

        def losses(keys: jax.Array, outputs: Any, part: Batch) -> dict[str, tuple[jax.Array, jax.Array]]:
            sums = {}
            for position, task in enumerate(tasks):
                sums |= task.loss(keys[:, 1 + position], outputs, part)
            return sums

        def forward(params: Any, batch_stats: Any, seen: jax.Array) -> Any:
            variables = {"params": params, "batch_stats": batch_stats}
            return network.apply(variables, seen, train=True, axis_name=axis_name, mutable=["batch_stats"])

        if rematerialise:
            kept = jax.checkpoint_policies.save_only_these_names(BETWEEN_BLOCKS)
            forward = jax.checkpoint(forward, policy=kept)

        def objective(params: Any, batch_stats: Any, counts: Any, keys: jax.Array, part: Batch, seen: jax.Array) -> Any:
            outputs, updated = forward(params, batch_stats, seen)
            sums = losses(keys, outputs, part)
            if counts is None:
                counts = across(_counts(sums))
            terms = {name: total / jnp.maximum(counts[name], 1) for name, (total, _) in sums.items()}
            terms = weigh(params, terms, share)
            health = {}
            for task in tasks:
                health |= task.health.measure(outputs, part) if task.health and watched else {}
            return sum(terms.values()), (terms, updated["batch_stats"], health)

        counts = None
        if len(parts) > 1:
            # Counts come from the labels alone, so outputs of zeros give them, and the compiler drops the rest.
            shapes, _ = jax.eval_shape(forward, state.params, state.batch_stats, prepared[0][2])
            zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
            counts = across(_add(*(_counts(losses(keys, zeros, part)) for keys, part, _ in prepared)))
        params, batch_stats, found = state.params, state.batch_stats, None
        for keys, part, seen in prepared:
            grads, (terms, batch_stats, health) = jax.grad(objective, has_aux=True)(
                params, batch_stats, counts, keys, part, seen
            )
            found = (grads, terms, health) if found is None else _add(found, (grads, terms, health))
            if len(parts) > 1:  # the next part waits for this one, so that one part's memory is enough
                params, found = jax.lax.optimization_barrier((params, found))
        grads, terms, health = across(found)
        means = {name: total / jnp.maximum(count, 1) for name, (total, count) in health.items()}
        return Gradients(grads, terms, batch_stats, means)

    return gradients


def _sum_across(tree: Any, *, axis_name: str | None) -> Any:
    """The sum over devices, sent as one vector: one exchange, whatever the compiler would have made of many."""
    if axis_name is None:
        return tree
    vector, restore = jax.flatten_util.ravel_pytree(tree)
    return restore(jax.lax.psum(vector, axis_name))


def _counts(sums: Mapping[str, tuple[jax.Array, jax.Array]]) -> dict[str, jax.Array]:
    return {name: jax.lax.stop_gradient(count) for name, (_, count) in sums.items()}


def _add(*trees: Any) -> Any:
    return jax.tree.map(lambda *leaves: functools.reduce(jnp.add, leaves), *trees)


def _sample_keys(state: TrainState, samples: int, purposes: int, *, part: int, axis_name: str | None) -> jax.Array:
    """Keys [samples, purposes]: root -> step -> place in the global batch -> purpose."""
    devices, device = (1, 0) if axis_name is None else (jax.lax.axis_size(axis_name), jax.lax.axis_index(axis_name))
    first = (part * devices + device) * samples
    key = jax.random.fold_in(state.key, state.step)
    return jax.vmap(lambda place: jax.random.split(jax.random.fold_in(key, place), purposes))(
        first + jnp.arange(samples)
    )


def _prepare(
    keys: jax.Array, batch: Batch, *, augmentation: Callable[..., Augmented] | None
) -> tuple[dict[str, jax.Array], jax.Array]:
    """uint8 batch -> (batch with the clean float images for the losses, the clip that the networks see)."""
    images = {name: batch[name].astype(jnp.float32) / 255 for name in ("image", "image_right") if name in batch}
    batch = dict(batch) | images
    if augmentation is None:
        return batch, batch["image"]
    mirrored = {name: batch[name] for name in MAPS if name in batch}
    motions = [name for name in MOTIONS if name in batch]
    all_motions = jnp.concatenate([batch[name] for name in motions], axis=1) if motions else None
    clean, seen, intrinsics, all_motions, maps = jax.vmap(augmentation)(
        keys, batch["image"], batch["intrinsics"], all_motions, mirrored
    )
    batch |= {"image": clean, "intrinsics": intrinsics, **maps}
    start = 0
    for name in motions:
        end = start + batch[name].shape[1]
        batch[name], start = all_motions[:, start:end], end
    return batch, seen
