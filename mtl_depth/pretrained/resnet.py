"""ResNet state dicts of torchvision and timm to variables of `ResNetEncoder`."""

import functools
import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from mtl_depth.errors import UserError
from mtl_depth.models.encoder import STAGES, ResNetEncoder
from mtl_depth.pretrained.files import read_arrays
from mtl_depth.pretrained.names import Variables, from_arrays, resnet_name

_CLASSES = 1000  # of the classifier that a published ResNet ends in


def load_resnet(path: str | pathlib.Path) -> Variables:
    """Returns `{"params", "batch_stats"}` of `ResNetEncoder` from a ResNet-18, 34 or 50 weight file.

    Args:
        path: a `.safetensors`, `.npz` or `.pth` file with torchvision's names, which are timm's too.

    Raises:
        UserError: the file cannot be read or is something else.
    """
    path = pathlib.Path(path)
    arrays = without_surplus(read_arrays(path))
    depth = resnet_depth(arrays, source=path)
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    shapes = jax.eval_shape(functools.partial(ResNetEncoder(depth).init, train=False), jax.random.key(0), image)
    flat = from_arrays(arrays, flatten_dict(shapes), resnet_name, source=path, architecture=f"ResNet-{depth}")
    return unflatten_dict(flat)


def initialise_encoder(variables: Variables, encoder_variables: Variables, *, frames: int = 2) -> Variables:
    """Returns a network's variables with its encoder, and that of its pose network, replaced by loaded ones.

    Args:
        variables: of the whole network.
        encoder_variables: as `load_resnet` returns them.
        frames: images that the pose network's encoder takes; its first layer is tiled and divided by their number.

    Raises:
        UserError: the network's encoder is of another depth or width.
    """
    flat = flatten_dict(variables)
    replaced = {}
    for (collection, *path), x in flatten_dict(encoder_variables).items():
        replaced[collection, "encoder", *path] = x
        if "pose" in variables["params"]:
            tiled = jnp.tile(x, (1, 1, frames, 1)) / frames if path == ["conv1", "kernel"] else x
            replaced[collection, "pose", "encoder", *path] = tiled
    present = {path: x.shape for path, x in flat.items() if path[1] == "encoder" or path[1:3] == ("pose", "encoder")}
    if present != {path: x.shape for path, x in replaced.items()}:
        raise UserError(
            "The encoder weights do not fit the network: config.model.depth must be theirs, config.model.width 1."
        )
    return unflatten_dict(flat | replaced)


def resnet_depth(names: Iterable[str], *, source: pathlib.Path, prefix: str = "") -> int:
    """Returns the depth of the ResNet that has these entries; raises UserError if it is not 18, 34 or 50.

    Args:
        names: of the entries.
        source: file that they come from, for messages.
        prefix: what stands before torchvision's names.
    """
    names = list(names)
    blocks = {match.groups() for name in names if (match := re.match(rf"{re.escape(prefix)}layer(\d)\.(\d+)\.", name))}
    stages = tuple(sum(stage == number for stage, _ in blocks) for number in "1234")
    bottleneck = any(".conv3." in name for name in names)
    for depth, expected in STAGES.items():
        if stages == expected and bottleneck == (depth == 50):
            return depth
    if not blocks:
        some = ", ".join(names[:3]) or "nothing"
        raise UserError(f"{source} holds no ResNet: it has {some}, where {prefix}conv1.weight and so on are expected.")
    known = ", ".join(f"ResNet-{depth}" for depth in STAGES)
    kind = "bottleneck" if bottleneck else "basic"
    raise UserError(f"{source} holds none of {known}: it has {', '.join(map(str, stages))} {kind} blocks a stage.")


def without_surplus(arrays: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns the entries without those that a published encoder has and ours does not need."""
    return {
        name: x
        for name, x in arrays.items()
        if not name.startswith(f"{prefix}fc.") and not name.endswith(".num_batches_tracked")
    }


def with_surplus(arrays: Mapping[str, np.ndarray], prefix: str = "") -> dict[str, np.ndarray]:
    """Returns an encoder's entries with a classifier of zeros and the counters, for a strict load."""
    norms = [name.removesuffix("running_mean") for name in arrays if name.endswith(".running_mean")]
    counters = {f"{norm}num_batches_tracked": np.zeros((), np.int64) for norm in norms}
    features = max(x.shape[0] for x in arrays.values())
    classifier = {
        f"{prefix}fc.weight": np.zeros((_CLASSES, features), np.float32),
        f"{prefix}fc.bias": np.zeros(_CLASSES, np.float32),
    }
    return {**arrays, **counters, **classifier}
