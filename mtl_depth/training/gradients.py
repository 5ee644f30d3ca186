"""The gradient of the summed task losses over a global batch, the same for any number of devices and of parts."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from mtl_depth.models.layers import BETWEEN_BLOCKS
from mtl_depth.models.network import Network
from mtl_depth.tasks.base import Batch, Outputs, Task, Terms
from mtl_depth.training.augment import Augmented
from mtl_depth.training.balance import unchanged
from mtl_depth.training.state import TrainState

MAPS = ("semantic", "instance", "confidence", "depth", "source_semantic", "image_right")  # mirrored with the images
MOTIONS = ("source_from_target", "right_from_target")
Position = jax.Array | np.ndarray | np.int32 | int  # of a part in the batch
Weigh = Callable[..., dict[str, jax.Array]]  # that of a balance
Augmentation = Callable[..., Augmented]


class Gradients(NamedTuple):
    """The gradients and losses of one global batch; every number is that of the whole batch.

    Attributes:
        grads: of the loss, with respect to the parameters.
        terms: the task losses by name, weighted; the loss is their sum.
        batch_stats: running averages of BatchNorm, this batch included.
        health: what the tasks' `health` measured, by name.
    """

    grads: PyTree
    terms: dict[str, jax.Array]
    batch_stats: PyTree
    health: dict[str, jax.Array]


class Carry(NamedTuple):
    """The values that are passed from part to part of a batch; every device has its own.

    Attributes:
        counts: of the whole batch, by which its sums of losses are divided.
        sums: gradients, terms and health of the parts so far.
        batch_stats: running averages of BatchNorm, those parts included.
    """

    counts: dict[str, jax.Array]
    sums: tuple[PyTree, dict[str, jax.Array], Terms]
    batch_stats: PyTree


class Parts(NamedTuple):
    """The gradient of a batch in parts: three programs, whose size does not depend on the number of parts.

    The loop over parts is outside of the compiled programs. Unrolled inside, it would make them grow; as a loop of
    XLA's, it would not use the fast convolutions of the CPU.

    Attributes:
        begin: (state, batch) -> carry.
        add: (state, carry, batch, position) -> carry with the part at `position`.
        finish: carry -> gradients.
    """

    begin: Callable[..., Carry]
    add: Callable[..., Carry]
    finish: Callable[..., Gradients]


def accumulate(
    begin: Callable[..., Carry], add: Callable[..., Carry], state: TrainState, batch: Batch, *, parts: int
) -> Carry:
    """The carry after all `parts` of a batch, by compiled `begin` and `add` of `Parts`."""
    carry = begin(state, batch)
    for position in range(parts):
        carry = add(state, carry, batch, np.int32(position))
    return carry


def make_gradients(
    network: Network,
    tasks: tuple[Task, ...],
    *,
    augmentation: Augmentation | None,
    weigh: Weigh = unchanged,
    rematerialise: bool = False,
    watched: bool = True,
) -> Callable[..., Gradients]:
    """Builds `gradients(state, batch, *, axis_name=None)`.

    Under a named axis every device has an equal share of the batch. Sums and their counts are added over the axis
    before they are divided, so that N devices equal one. Random keys depend on the sample's place in the global batch,
    so that they do not depend on the number of devices.

    Args:
        network: the network.
        tasks: whose losses are summed.
        augmentation: `augment` with the run's settings; None: no augmentation.
        weigh: `Balance.weigh`.
        rematerialise: keep only the features between blocks for the backward pass, which recomputes the others.
        watched: also measure the tasks' health.
    """
    _, part_sums = _make_pieces(network, tasks, 1, augmentation, weigh, rematerialise, watched)

    def gradients(state: TrainState, batch: Batch, *, axis_name: str | None = None) -> Gradients:
        sums, batch_stats = part_sums(state, state.batch_stats, None, batch, 0, axis_name=axis_name)
        return _finished(sums, batch_stats, axis_name=axis_name)

    return gradients


def make_parts(
    network: Network,
    tasks: tuple[Task, ...],
    *,
    parts: int,
    augmentation: Augmentation | None,
    weigh: Weigh = unchanged,
    rematerialise: bool = False,
    watched: bool = True,
) -> Parts:
    """Gradient accumulation: a batch with arrays `parts` x b ... is processed in the memory of one part.

    The result equals that of the whole batch, except for BatchNorm, whose statistics are those of each part. The
    arguments are those of `make_gradients`.
    """
    part_counts, part_sums = _make_pieces(network, tasks, parts, augmentation, weigh, rematerialise, watched)

    def begin(state: TrainState, batch: Batch, *, axis_name: str | None = None) -> Carry:
        def count(position: jax.Array) -> dict[str, jax.Array]:
            return part_counts(state, _part(batch, position), position, axis_name=axis_name)

        counts = jax.tree.map(lambda each: each.sum(0), jax.lax.map(count, jnp.arange(parts)))
        counts = _sum_across(counts, axis_name=axis_name)
        one = _part(batch, 0)
        shapes, _ = jax.eval_shape(
            lambda: part_sums(state, state.batch_stats, counts, one, 0, axis_name=axis_name)
        )  # fmt: skip
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        return Carry(counts, zeros, state.batch_stats)

    def add(
        state: TrainState, carry: Carry, batch: Batch, position: Position, *, axis_name: str | None = None
    ) -> Carry:
        part = _part(batch, position)
        sums, batch_stats = part_sums(
            state, carry.batch_stats, carry.counts, part, position, axis_name=axis_name
        )  # fmt: skip
        return Carry(carry.counts, jax.tree.map(jnp.add, carry.sums, sums), batch_stats)

    def finish(carry: Carry, *, axis_name: str | None = None) -> Gradients:
        return _finished(carry.sums, carry.batch_stats, axis_name=axis_name)

    return Parts(begin, add, finish)


def _make_pieces(
    network: Network, tasks: tuple[Task, ...], parts: int, augmentation: Augmentation | None, weigh: Weigh,
    rematerialise: bool, watched: bool,
) -> tuple[Callable[..., dict[str, jax.Array]], Callable[..., tuple[PyTree, PyTree]]]:  # fmt: skip
    """(counts of a part's losses on this device, sums of a part's gradients, terms and health on this device)."""

    def forward(params: PyTree, batch_stats: PyTree, seen: jax.Array, axis_name: str | None) -> tuple[Outputs, PyTree]:
        def apply(params: PyTree, batch_stats: PyTree, seen: jax.Array) -> tuple[Outputs, PyTree]:
            variables = {"params": params, "batch_stats": batch_stats}
            return network.apply(variables, seen, train=True, axis_name=axis_name, mutable=["batch_stats"])

        if rematerialise:
            apply = jax.checkpoint(apply, policy=jax.checkpoint_policies.save_only_these_names(BETWEEN_BLOCKS))
        return apply(params, batch_stats, seen)

    def losses(keys: jax.Array, outputs: Outputs, batch: Batch) -> Terms:
        sums = {}
        for position, task in enumerate(tasks):
            sums |= task.loss(keys[:, 1 + position], outputs, batch)
        return sums

    def prepared(
        state: TrainState, batch: Batch, position: Position, axis_name: str | None
    ) -> tuple[jax.Array, Batch, jax.Array]:
        samples = batch["image"].shape[0]
        keys = _sample_keys(state, samples, 1 + len(tasks), part=position, axis_name=axis_name)
        return keys, *_prepare(keys[:, 0], batch, augmentation=augmentation)

    def part_counts(
        state: TrainState, batch: Batch, position: Position, *, axis_name: str | None
    ) -> dict[str, jax.Array]:
        # Counts come from the labels alone, so outputs of zeros give them, and the compiler drops the rest.
        keys, batch, seen = prepared(state, batch, position, axis_name)
        shapes, _ = jax.eval_shape(lambda: forward(state.params, state.batch_stats, seen, axis_name))
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        return {name: count for name, (_, count) in losses(keys, zeros, batch).items()}

    def part_sums(
        state: TrainState, batch_stats: PyTree, counts: dict[str, jax.Array] | None, batch: Batch, position: Position,
        *, axis_name: str | None,
    ) -> tuple[PyTree, PyTree]:  # fmt: skip
        share = 1 / (parts * (1 if axis_name is None else jax.lax.axis_size(axis_name)))
        keys, batch, seen = prepared(state, batch, position, axis_name)

        def objective(params: PyTree) -> tuple[jax.Array, PyTree]:
            outputs, updated = forward(params, batch_stats, seen, axis_name)
            sums = losses(keys, outputs, batch)
            divisors = counts
            if divisors is None:
                own = {name: jax.lax.stop_gradient(count) for name, (_, count) in sums.items()}
                divisors = _sum_across(own, axis_name=axis_name)
            terms = {name: total / jnp.maximum(divisors[name], 1) for name, (total, _) in sums.items()}
            terms = weigh(params, terms, share)
            health = {}
            for task in tasks:
                health |= task.health.measure(outputs, batch) if task.health and watched else {}
            return sum(terms.values()), (terms, updated["batch_stats"], health)

        grads, (terms, updated, health) = jax.grad(objective, has_aux=True)(state.params)
        return (grads, terms, health), updated

    return part_counts, part_sums


def _finished(sums: PyTree, batch_stats: PyTree, *, axis_name: str | None) -> Gradients:
    grads, terms, health = _sum_across(sums, axis_name=axis_name)
    means = {name: total / jnp.maximum(count, 1) for name, (total, count) in health.items()}
    return Gradients(grads, terms, batch_stats, means)


def _part(batch: Batch, position: Position) -> Batch:
    return {name: array[position] for name, array in batch.items()}


def _sum_across(tree: PyTree, *, axis_name: str | None) -> PyTree:
    """The sum over devices; XLA combines the exchanges and overlaps them with the backward pass where it can."""
    return tree if axis_name is None else jax.lax.psum(tree, axis_name)


def _sample_keys(state: TrainState, samples: int, purposes: int, *, part: Position, axis_name: str | None) -> jax.Array:
    """Keys [samples, purposes]: root -> step -> place in the global batch -> purpose."""
    devices, device = (1, 0) if axis_name is None else (jax.lax.axis_size(axis_name), jax.lax.axis_index(axis_name))
    first = (part * devices + device) * samples
    key = jax.random.fold_in(state.key, state.step)
    return jax.vmap(lambda place: jax.random.split(jax.random.fold_in(key, place), purposes))(
        first + jnp.arange(samples)
    )


def _prepare(
    keys: jax.Array, batch: Batch, *, augmentation: Augmentation | None
) -> tuple[dict[str, jax.Array], jax.Array]:
    """Converts a uint8 batch to (batch with clean float images for the losses, clip for the networks)."""
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
