"""Loads published encoder weights as variables of the encoders in `models.encoder`, and puts them into a network."""

import functools
import pathlib
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from mtl_depth.errors import UserError
from mtl_depth.models.efficientnet import TENSORFLOW, TIMM, EfficientNetEncoder
from mtl_depth.models.encoder import ENCODERS, make_encoder
from mtl_depth.pretrained.files import read_arrays
from mtl_depth.pretrained.names import (
    Path,
    Variables,
    efficientnet_name,
    efficientnet_pytorch_name,
    from_arrays,
    published_shape,
    resnet_name,
)
from mtl_depth.pretrained.resnet import resnet_depth, without_surplus

_FIRST_KERNELS = (["conv1", "kernel"], ["stem_conv", "kernel"])
_CLASSIFIERS = ("_conv_head.", "_bn1.", "_fc.", "conv_head.", "bn2.", "classifier.")  # of EfficientNets


def load_encoder(path: str | pathlib.Path, encoder: str) -> Variables:
    """Returns `{"params", "batch_stats"}` of the encoder of that name, of full width, from a weight file.

    Args:
        path: a `.safetensors`, `.npz` or `.pth` file with the names of torchvision, timm or EfficientNet-PyTorch.
        encoder: one of `models.encoder.ENCODERS`.

    Raises:
        UserError: the file cannot be read or belongs to another encoder.
    """
    path = pathlib.Path(path)
    return _as_variables(_read(path), encoder, path)


def load_resnet(path: str | pathlib.Path) -> Variables:
    """`load_encoder` for a file with any ResNet.

    Raises:
        UserError: the file cannot be read or is something else.
    """
    path = pathlib.Path(path)
    arrays = _read(path)
    return _as_variables(arrays, f"resnet{resnet_depth(arrays, source=path)}", path)


def initialise_encoder(variables: Variables, encoder_variables: Variables, *, frames: int = 2) -> Variables:
    """Returns a network's variables with its encoder, and that of its pose network, replaced by loaded ones.

    Args:
        variables: of the whole network.
        encoder_variables: as `load_encoder` returns them.
        frames: images that the pose network's encoder takes; its first layer is tiled and divided by their number.

    Raises:
        UserError: the network's encoder is another one, or has another width.
    """
    flat = flatten_dict(variables)
    replaced = {}
    for (collection, *path), x in flatten_dict(encoder_variables).items():
        replaced[collection, "encoder", *path] = x
        if "pose" in variables["params"]:
            tiled = jnp.tile(x, (1, 1, frames, 1)) / frames if path in _FIRST_KERNELS else x
            replaced[collection, "pose", "encoder", *path] = tiled
    present = {path: x.shape for path, x in flat.items() if path[1] == "encoder" or path[1:3] == ("pose", "encoder")}
    if present != {path: x.shape for path, x in replaced.items()}:
        raise UserError(
            "The encoder weights do not fit the network; set config.model.encoder to theirs and config.model.width "
            "to 1."
        )
    return unflatten_dict(flat | replaced)


def _read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The entries of a file, except those of a classifier."""
    arrays = without_surplus(read_arrays(path))
    if "conv1.weight" in arrays:
        return arrays
    return {name: x for name, x in arrays.items() if not name.startswith(_CLASSIFIERS)}


def _as_variables(arrays: Mapping[str, np.ndarray], encoder: str, path: pathlib.Path) -> Variables:
    if not _fits(arrays, encoder, path):
        for other in ENCODERS:
            if _fits(arrays, other, path):
                raise UserError(
                    f"{path} holds weights of {other}, not of {encoder}; set config.model.encoder={other}, or give "
                    "the weights of the other."
                )
    name = _naming(arrays, encoder)
    return unflatten_dict(from_arrays(arrays, _shapes(encoder), name, source=path, architecture=encoder))


def _fits(arrays: Mapping[str, np.ndarray], encoder: str, path: pathlib.Path) -> bool:
    """Whether the entries have the names and shapes of this encoder, and were trained with its arithmetic.

    timm has two sets of weights for EfficientNet-Lite0 with the same entries; the one that was converted from
    TensorFlow is called tf_efficientnet_lite0.
    """
    arithmetic = TIMM if "conv_stem.weight" in arrays and "tf_" not in str(path) else TENSORFLOW
    name = _naming(arrays, encoder)
    expected = {name(key): published_shape(key, leaf.shape) for key, leaf in _shapes(encoder).items()}
    return {entry: x.shape for entry, x in arrays.items()} == expected and (
        getattr(make_encoder(encoder), "arithmetic", arithmetic) == arithmetic
    )


def _naming(arrays: Mapping[str, np.ndarray], encoder: str) -> Callable[[Path], str]:
    """The function from a variable of this encoder to its name in a file with these entries."""
    made = make_encoder(encoder)
    if not isinstance(made, EfficientNetEncoder):
        return resnet_name
    if "_conv_stem.weight" in arrays:
        return functools.partial(efficientnet_pytorch_name, blocks=made.blocks)
    return efficientnet_name


@functools.cache
def _shapes(encoder: str) -> dict[Path, jax.ShapeDtypeStruct]:
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    made = functools.partial(make_encoder(encoder).init, train=False)
    return flatten_dict(jax.eval_shape(made, jax.random.key(0), image))
