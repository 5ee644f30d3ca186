"""Entries of the PyTorch reference's state dicts (weights, statistics or gradients) as variables of our networks."""

import functools
import pathlib

import jax
from flax.traverse_util import flatten_dict, unflatten_dict

from mtl_depth.models.network import init
from mtl_depth.pretrained.names import from_arrays, monodepth2_name


def as_variables(files, network, *, size=(64, 96)):
    """State dicts by file as variables of the network; collections of which they have no entry are left out."""
    shapes = flatten_dict(jax.eval_shape(functools.partial(init, network, size=size), jax.random.key(0)))
    found = {}
    for file, entries in files.items():
        arrays = {name: entry.detach().float().numpy() for name, entry in entries.items()}
        own = {path: x for path, x in shapes.items() if monodepth2_name(path)[0] == file}
        own = {path: x for path, x in own.items() if monodepth2_name(path)[1] in arrays}
        arrays = {name: arrays[name] for _, name in map(monodepth2_name, own)}
        found |= from_arrays(
            arrays, own, lambda path: monodepth2_name(path)[1], source=pathlib.Path(file), architecture="network"
        )
    return unflatten_dict(found)
