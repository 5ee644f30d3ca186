"""Converts Monodepth2 checkpoint folders to variables of a network with a depth head, and back."""

import functools
import pathlib
from typing import NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from mtl_depth.errors import UserError
from mtl_depth.models.heads import DisparityHead
from mtl_depth.models.network import init, make_network
from mtl_depth.pretrained.files import SUFFIXES, read_arrays, write_torch
from mtl_depth.pretrained.names import Path, Variables, from_arrays, monodepth2_name, to_arrays
from mtl_depth.pretrained.resnet import resnet_depth, with_surplus, without_surplus

_PREFIX = "encoder."  # before the names of the two ResNets
_POSE_FILES = ("pose_encoder", "pose")
_SETTINGS = ("height", "width", "use_stereo")  # numbers next to the tensors of the encoder file


class Monodepth2Settings(NamedTuple):
    """The settings of the network in a checkpoint folder.

    Attributes:
        depth: layers of the ResNet encoders.
        size: height and width of the images it was trained on.
        predict_motion: whether the folder has a pose network.
        nearest: depth at disparity 1, which is fixed in Monodepth2.
        farthest: depth at disparity 0.
    """

    depth: int
    size: tuple[int, int]
    predict_motion: bool
    nearest: float = 0.1
    farthest: float = 100.0


def load_monodepth2(directory: str | pathlib.Path) -> Variables:
    """Returns variables of `make_network(heads=(("depth", DisparityHead()),))`, with `pose` if the folder has one.

    Args:
        directory: with encoder.pth and depth.pth, and both or neither of pose_encoder.pth and pose.pth; `.safetensors`
            and `.npz` files of the same names work too.

    Raises:
        UserError: a file is missing, damaged or of another architecture.
    """
    files = _files(directory)
    arrays = {file: without_surplus(read_arrays(path), _PREFIX) for file, path in files.items()}
    encoder = {name: x for name, x in arrays["encoder"].items() if name not in _SETTINGS}
    depth = resnet_depth(encoder, source=files["encoder"], prefix=_PREFIX)
    variables = {}
    for file, shapes in _shapes(depth).items():
        if file in files:
            variables |= from_arrays(
                encoder if file == "encoder" else arrays[file],
                shapes,
                _entry,
                source=files[file],
                architecture=f"Monodepth2 {file} with ResNet-{depth}",
            )
    return unflatten_dict(variables)


def read_monodepth2_settings(directory: str | pathlib.Path) -> Monodepth2Settings:
    """Returns the settings that a checkpoint folder implies, without loading its weights.

    Raises:
        UserError: a file is missing or damaged, or the image size is not stored.
    """
    files = _files(directory)
    arrays = read_arrays(files["encoder"])
    if not {"height", "width"} <= arrays.keys():
        raise UserError(
            f"{files['encoder']} does not have the height and width that it was trained for; give the published file."
        )
    try:
        size = (int(arrays["height"]), int(arrays["width"]))
    except (TypeError, ValueError, OverflowError):
        size = (0, 0)
    if min(size) < 1:
        raise UserError(
            f"{files['encoder']} has a height and a width that are not a valid picture size; give the published file."
        )
    return Monodepth2Settings(
        depth=resnet_depth(arrays, source=files["encoder"], prefix=_PREFIX),
        size=size,
        predict_motion="pose" in files,
    )


def export_monodepth2(
    variables: Variables,
    directory: str | pathlib.Path,
    *,
    height: int,
    width: int,
    use_stereo: bool = False,
    translation_unit: float = 1.0,
) -> None:
    """Writes encoder.pth and depth.pth, and pose_encoder.pth and pose.pth if there is a pose network.

    Monodepth2's strict loading accepts them. Heads of other tasks are left out.

    Args:
        variables: of a network with a depth head, of the published width.
        directory: created if it does not exist.
        height: of the images that the network was trained on.
        width: of these images.
        use_stereo: whether it was trained on stereo pairs.
        translation_unit: of its pose network. Monodepth2 does not have this factor, so the last layer is multiplied
            by it.

    Raises:
        UserError: there is no depth head, or the network does not have the published channels.
    """
    kept = {
        path: x
        for path, x in flatten_dict({name: variables[name] for name in ("params", "batch_stats")}).items()
        if path[1] in ("encoder", "head_depth", "pose")
    }
    if not any(path[1] == "head_depth" for path in kept):
        raise UserError(
            "Only a network with a depth head can be written as a Monodepth2 checkpoint; choose another --format."
        )
    for path in kept:
        if path[1:3] == ("pose", "motion"):  # two motions of a rotation and a translation each
            kept[path] = kept[path] * np.tile(np.repeat([1, translation_unit], 3), 2)
    published = _shapes(resnet_depth([_entry(path) for path in kept], source=pathlib.Path(directory), prefix=_PREFIX))
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for file, shapes in published.items():
        own = {path: x for path, x in kept.items() if monodepth2_name(path)[0] == file}
        if not own and file in _POSE_FILES:
            continue
        if {path: x.shape for path, x in own.items()} != {path: x.shape for path, x in shapes.items()}:
            raise UserError(
                "Only a network with config.model.width=1 can be written as a Monodepth2 checkpoint; choose another "
                "--format."
            )
        entries = to_arrays(own, _entry)
        if file in ("encoder", "pose_encoder"):
            entries = with_surplus(entries, _PREFIX)
        if file == "encoder":
            entries |= {"height": height, "width": width, "use_stereo": use_stereo}
        write_torch(entries, directory / f"{file}.pth")


def _entry(path: Path) -> str:
    """The name of a variable in its file."""
    return monodepth2_name(path)[1]


@functools.cache
def _shapes(depth: int) -> dict[str, dict[Path, jax.ShapeDtypeStruct]]:
    """The shapes of the published network's variables by file."""
    network = make_network(encoder=f"resnet{depth}", heads=(("depth", DisparityHead()),), predict_motion=True)
    shapes = flatten_dict(jax.eval_shape(functools.partial(init, network, size=(64, 64)), jax.random.key(0)))
    files = ("encoder", "depth", *_POSE_FILES)
    return {file: {path: x for path, x in shapes.items() if monodepth2_name(path)[0] == file} for file in files}


def _files(directory: str | pathlib.Path) -> dict[str, pathlib.Path]:
    """The existing files of the checkpoint, by name without extension."""
    directory = pathlib.Path(directory)
    if not directory.is_dir():
        raise UserError(f"There is no folder {directory} (of a Monodepth2 checkpoint: encoder.pth, depth.pth).")
    files = {}
    for file in ("encoder", "depth", *_POSE_FILES):
        found = [path for suffix in SUFFIXES if (path := directory / f"{file}{suffix}").is_file()]
        if found:
            files[file] = found[0]
    lacking = [file for file in ("encoder", "depth") if file not in files]
    if len(files.keys() & set(_POSE_FILES)) == 1:
        lacking += [file for file in _POSE_FILES if file not in files]
    if lacking:
        missing = " and ".join(f"{file}.pth" for file in lacking)
        raise UserError(
            f"{directory} is not a complete Monodepth2 checkpoint: {missing} missing; give the folder with all files."
        )
    return files
