"""Balances the tasks: by fixed weights, by learned uncertainty, or by scaling gradients at the shared encoder.

`fixed` takes the weights of the task sections as they are. `uncertainty` (Kendall et al., "Multi-task learning using
uncertainty to weigh losses", CVPR 2018, with s the log-variance of a task) learns on top of them

    sum over tasks of exp(-s) * loss + s,   s = 0 at the start.

`gradient_scale` (Klingner et al., SGDepth, ECCV 2020) does not weight the losses but multiplies a task's gradient by
its weight where it enters the shared encoder. Adam is invariant to the scale of the loss of a head with its own
parameters, so with the default optimiser this differs from `fixed` only in gradient clipping and in the logged losses.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mtl_depth import config
from mtl_depth.errors import UserError

MODES = ("fixed", "uncertainty", "gradient_scale")
Terms = dict[str, jax.Array]  # of the loss, `<task>/<what>`


class Balance(NamedTuple):
    """The changes that a mode makes to a run.

    Attributes:
        tasks: the sections to assemble the tasks from.
        scales: by task name, the factor on its gradient into the encoder; {} for none.
        params: further parameters to learn, under the key `balance`; {} for none.
        weigh: (params, terms, share) -> terms whose sum is the loss; `share` = 1 / number of devices is this device's
            part of terms that are not means over samples.
    """

    tasks: config.Tasks
    scales: dict[str, float]
    params: dict[str, Any]
    weigh: Callable[[Mapping[str, Any], Terms, Any], Terms]


def unchanged(params: Mapping[str, Any], terms: Terms, share: Any) -> Terms:
    """`weigh` for fixed weights, which are already part of the terms."""
    return terms


def make(mode: str, tasks: config.Tasks) -> Balance:
    """The balance of the tasks whose section is set.

    Raises:
        UserError: there is no such mode.
    """
    if mode not in MODES:
        raise UserError(f"config.train.balance is {mode!r}; choose one of {', '.join(MODES)}.")
    sections = {field.name: getattr(tasks, field.name) for field in dataclasses.fields(tasks)}
    sections = {name: section for name, section in sections.items() if section is not None}
    if mode == "uncertainty":
        params = {"balance": {name: jnp.zeros(()) for name in sections}}
        return Balance(tasks, {}, params, by_uncertainty)
    if mode == "gradient_scale":
        unweighted = {name: dataclasses.replace(section, weight=1.0) for name, section in sections.items()}
        scales = {name: section.weight for name, section in sections.items()}
        return Balance(dataclasses.replace(tasks, **unweighted), scales, {}, unchanged)
    return Balance(tasks, {}, {}, unchanged)


def by_uncertainty(params: Mapping[str, Any], terms: Terms, share: Any) -> Terms:
    """`weigh` for learned uncertainty: exp(-s) times every term of a task, and s as another term."""
    log_variance = params["balance"]
    weighted = {name: jnp.exp(-log_variance[name.split("/")[0]]) * value for name, value in terms.items()}
    return weighted | {f"balance/{task}": share * value for task, value in log_variance.items()}
