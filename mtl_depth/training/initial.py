"""Starts training from existing weights: which settings and arrays are inherited."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from mtl_depth.config import Config
from mtl_depth.errors import UserError
from mtl_depth.tasks.depth import depth_range


def inherit(config: Config, trained: Config) -> Config:
    """The configuration with the trained model's range of depth and canonical camera, unless it sets its own.

    With another range the same weights would predict another depth. So a metric model stays metric from the first step
    on, even if motion is predicted.
    """
    if config.tasks.depth is None or trained.tasks.depth is None:
        return config
    names = ("nearest", "farthest", "initial_depth")
    settings = dict(zip(names, depth_range(trained.tasks.depth))) | {
        "canonical_focal": trained.tasks.depth.canonical_focal
    }
    open_ones = {name: value for name, value in settings.items() if getattr(config.tasks.depth, name) is None}
    depth = dataclasses.replace(config.tasks.depth, **open_ones)
    return dataclasses.replace(config, tasks=dataclasses.replace(config.tasks, depth=depth))


def start_from(
    fresh: Mapping[str, Any], trained: Mapping[str, Any], *, source: str
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Replaces the arrays of the initial variables by those of `trained` with the same name and shape.

    Returns:
        The variables, and the parts of the network (`encoder`, `head_depth`, ...) that keep some random weights.

    Raises:
        UserError: no array fits.
    """
    kept = {name: flatten_dict(dict(tree)) for name, tree in fresh.items()}
    given = {name: flatten_dict(dict(tree)) for name, tree in trained.items()}
    fits = {
        (name, path)
        for name, tree in kept.items()
        for path, value in tree.items()
        if np.shape(given.get(name, {}).get(path)) == np.shape(value) and path in given.get(name, {})
    }
    if not fits:
        raise UserError(
            f"config.initial_weights={source}: no part of that network fits this one; choose the same "
            "config.model.encoder, width and decoder_width, or leave the setting out."
        )
    variables = {
        name: unflatten_dict({path: given[name][path] if (name, path) in fits else tree[path] for path in tree})
        for name, tree in kept.items()
    }
    missing = {path[0] for name, tree in kept.items() for path in tree if (name, path) not in fits}
    return variables, tuple(sorted(missing))
