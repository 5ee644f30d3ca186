"""Published names and layouts of our variables.

A variable is identified by its path: collection, modules, leaf, e.g. ("params", "layer1_0", "conv1", "kernel").
Our kernels are height, width, inputs, outputs; published ones are outputs, inputs, height, width.
"""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mtl_depth.errors import UserError

Path = tuple[str, ...]
Variables = dict[str, Any]

_LEAVES = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
_DOWNSAMPLE = {"downsample_conv": "downsample.0", "downsample_bn": "downsample.1"}
_UNEXPANDED = {"depthwise_conv": "conv_dw", "depthwise_bn": "bn1", "project_conv": "conv_pw", "project_bn": "bn2"}
_INVERTED = {
    "expand_conv": "conv_pw", "expand_bn": "bn1", "depthwise_conv": "conv_dw", "depthwise_bn": "bn2",
    "project_conv": "conv_pwl", "project_bn": "bn3",
}  # fmt: skip
_NUMBERED = {"expand_bn": "_bn0", "depthwise_bn": "_bn1", "project_bn": "_bn2"}
_POSE_LAYERS = ("squeeze", "conv1", "conv2", "motion")
_LISTED = 3  # entries that a message lists of each kind of fault


def resnet_name(path: Path) -> str:
    """torchvision's name of a variable of `ResNetEncoder`."""
    _, *modules, leaf = path
    modules = [_DOWNSAMPLE.get(module, module.replace("_", ".")) for module in modules]
    return ".".join([*modules, _LEAVES[leaf]])


def efficientnet_name(path: Path) -> str:
    """timm's name of a variable of `EfficientNetEncoder`."""
    _, module, *inner, leaf = path
    if not inner:
        return f"{'conv_stem' if module == 'stem_conv' else 'bn1'}.{_LEAVES[leaf]}"
    stage, index = module.removeprefix("block").split("_")
    names = _UNEXPANDED if stage == "0" else _INVERTED
    return f"blocks.{stage}.{index}.{names[inner[0]]}.{_LEAVES[leaf]}"


def efficientnet_pytorch_name(path: Path, blocks: Sequence[int]) -> str:
    """The name of a variable of `EfficientNetEncoder`, with `blocks` in its stages, in the files that pip installs."""
    _, module, *inner, leaf = path
    if not inner:
        return f"{'_conv_stem' if module == 'stem_conv' else '_bn0'}.{_LEAVES[leaf]}"
    stage, index = map(int, module.removeprefix("block").split("_"))
    return f"_blocks.{sum(blocks[:stage]) + index}.{_NUMBERED.get(inner[0], f'_{inner[0]}')}.{_LEAVES[leaf]}"


def monodepth2_name(path: Path) -> tuple[str, str]:
    """Monodepth2's file (without its extension) and name for a variable of a network with a depth head."""
    collection, network, *modules, leaf = path
    if network == "encoder":
        return "encoder", f"encoder.{resnet_name((collection, *modules, leaf))}"
    if network == "pose" and modules[0] == "encoder":
        return "pose_encoder", f"encoder.{resnet_name((collection, *modules[1:], leaf))}"
    if network == "pose":
        return "pose", f"net.{_POSE_LAYERS.index(modules[0])}.{_LEAVES[leaf]}"
    if modules[0] == "decoder":
        level, position = modules[1].removeprefix("level").split("_")
        index = 2 * (4 - int(level)) + ("in", "out").index(position)
        return "depth", f"decoder.{index}.conv.conv.{_LEAVES[leaf]}"
    scale = int(modules[0].removeprefix("disparity_"))
    return "depth", f"decoder.{10 + scale}.conv.{_LEAVES[leaf]}"


def from_arrays(
    arrays: Mapping[str, np.ndarray],
    shapes: Mapping[Path, Any],
    name: Callable[[Path], str],
    *,
    source: pathlib.Path,
    architecture: str,
) -> dict[Path, jax.Array]:
    """Converts arrays with published names to variables by path.

    Args:
        arrays: by published name; all of them must be used.
        shapes: variables of the network by path, of which only the shapes are read.
        name: published name of a variable.
        source: file that the arrays come from, for messages.
        architecture: name of the network, for messages.

    Raises:
        UserError: entries are missing, unexpected, or have another shape or type.
    """
    expected = {name(path): published_shape(path, leaf.shape) for path, leaf in shapes.items()}
    lacking = [key for key in expected if key not in arrays]
    surplus = [key for key in arrays if key not in expected]
    misshapen = [
        f"{key} of shape {arrays[key].shape} instead of {shape}"
        for key, shape in expected.items()
        if key in arrays and arrays[key].shape != shape
    ]
    mistyped = [
        f"{key} of type {arrays[key].dtype}" for key in expected if key in arrays and arrays[key].dtype != np.float32
    ]
    faults = [
        f"it {verb} {_listed(entries)}"
        for verb, entries in (("lacks", lacking), ("has an unexpected", surplus), ("has", misshapen), ("has", mistyped))
        if entries
    ]
    if faults:
        raise UserError(f"{source} does not hold a {architecture}: {', '.join(faults)}.")
    return {path: jnp.asarray(_from_published(path, arrays[name(path)])) for path in shapes}


def to_arrays(variables: Mapping[Path, jax.Array], name: Callable[[Path], str]) -> dict[str, np.ndarray]:
    """Returns variables, by path, as float32 arrays by published name."""
    return {name(path): _to_published(path, np.asarray(x)) for path, x in variables.items()}


def _listed(entries: list[str]) -> str:
    rest = len(entries) - _LISTED
    return ", ".join(entries[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def published_shape(path: Path, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The published shape of a variable that has this shape here."""
    return (shape[3], shape[2], shape[0], shape[1]) if path[-1] == "kernel" else tuple(shape)


def _from_published(path: Path, x: np.ndarray) -> np.ndarray:
    return x.transpose(2, 3, 1, 0) if path[-1] == "kernel" else x


def _to_published(path: Path, x: np.ndarray) -> np.ndarray:
    return np.array(x.transpose(3, 2, 0, 1) if path[-1] == "kernel" else x, np.float32, order="C")
