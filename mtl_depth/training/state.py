"""The training state, which is passed from step to step and contains only data."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from mtl_depth.models.network import Network, init


class TrainState(NamedTuple):
    """The content of a checkpoint. It has no device axis, so it can be restored onto any number of devices.

    Attributes:
        step: batches seen, int32 scalar; a skipped update counts too, so that data and keys advance.
        params: {"encoder", "pose", "head_<task>", "camera", "balance"}, those that the run has.
        batch_stats: running averages of BatchNorm.
        opt_state: of the optimiser.
        key: root of all randomness; never advanced, always `fold_in(key, step)`.
        skipped: number of updates skipped because loss or gradient was not finite, int32 scalar.
        skipped_in_row: number of the latest updates that were skipped in a row, int32 scalar.
    """

    step: jax.Array
    params: PyTree
    batch_stats: PyTree
    opt_state: PyTree
    key: jax.Array
    skipped: jax.Array
    skipped_in_row: jax.Array


def create(
    key: jax.Array,
    network: Network,
    optimizer: optax.GradientTransformation,
    *,
    size: tuple[int, int],
    frames: int,
    further_params: Mapping[str, PyTree] = MappingProxyType({}),
) -> TrainState:
    """An initial state with random weights, for pictures of `size` (height, width) and clips of `frames` frames.

    The random weights of a part of the network do not depend on the other parts. `further_params` are parameters
    outside of the network.
    """
    weights_key, root = jax.random.split(key)
    variables = init(network, weights_key, size=size, frames=frames)
    return from_variables(root, variables | {"params": {**variables["params"], **further_params}}, optimizer)


def from_variables(key: jax.Array, variables: dict[str, PyTree], optimizer: optax.GradientTransformation) -> TrainState:
    """A state at step 0 that starts from `variables`."""
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=variables["params"],
        batch_stats=variables["batch_stats"],
        opt_state=optimizer.init(variables["params"]),
        key=key,
        skipped=jnp.zeros((), jnp.int32),
        skipped_in_row=jnp.zeros((), jnp.int32),
    )
