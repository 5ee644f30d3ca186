"""`--mode=export`: writes a trained network in a form that other programs read."""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import flax
import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import safetensors.numpy

from mtl_depth import inference, pretrained, submission
from mtl_depth.config import Config, to_dict
from mtl_depth.errors import UserError
from mtl_depth.inference import Perceiver
from mtl_depth.runtime import log

MONODEPTH2_RANGE = (0.1, 100.0)  # nearest and farthest depth, fixed in the original
PLATFORMS = ("cpu", "cuda", "tpu")  # that an exported program runs on


def run(config: Config, workdir: str | pathlib.Path, format: str, output: str | pathlib.Path | None) -> None:
    """Writes the run, or the weights that `config.weights` names, as `format` into the folder `output`.

    Raises:
        UserError: no such format, no run or weights, or a network that the format cannot hold.
    """
    if format not in FORMATS:
        raise UserError(f"--format={format} does not exist; there are {', '.join(FORMATS)}.")
    if output is None:
        raise UserError("--output=DIR is needed: the folder to export into.")
    perceiver = inference.load_perceiver(config.weights or workdir, checkpoint=config.evaluation.checkpoint)
    output = pathlib.Path(output)
    output.mkdir(parents=True, exist_ok=True)
    if config.data.manual_dir:
        data = dataclasses.replace(perceiver.config.data, manual_dir=config.data.manual_dir)
        perceiver = dataclasses.replace(perceiver, config=dataclasses.replace(perceiver.config, data=data))
    FORMATS[format](perceiver, output)
    log.say(f"exported to {output}: {', '.join(sorted(file.name for file in output.iterdir()))}")


def write_safetensors(perceiver: Perceiver, output: pathlib.Path) -> None:
    """model.safetensors: `params/encoder/...` and `batch_stats/...`; the configuration as JSON in its metadata."""
    flat = flax.traverse_util.flatten_dict(perceiver.variables, sep="/")
    arrays = {name: np.ascontiguousarray(value) for name, value in flat.items()}
    metadata = {"config": json.dumps(to_dict(perceiver.config)), "layout": "channels last; kernels height width in out"}
    safetensors.numpy.save_file(arrays, output / "model.safetensors", metadata=metadata)


def write_stablehlo(perceiver: Perceiver, output: pathlib.Path) -> None:
    """model.stablehlo: the whole network, weights inside, for any batch; model.json says what goes in and out.

    `jax.export.deserialize(bytes).call(image)` takes float32 [b h w 3] in [0, 1] and answers the decoded predictions.
    """

    def predict(image: Any) -> dict[str, Any]:
        answers = perceiver.perceive(image)
        return {name: answers[name] for name in ("depth", "labels", "instances", "scores") if name in answers}

    (batch,) = jax.export.symbolic_shape("b")
    image = jax.ShapeDtypeStruct((batch, *perceiver.size, 3), np.float32)
    exported = jax.export.export(jax.jit(predict), platforms=PLATFORMS)(image)
    (output / "model.stablehlo").write_bytes(exported.serialize())
    names = sorted(jax.eval_shape(predict, jax.ShapeDtypeStruct((1, *perceiver.size, 3), np.float32)))
    description = {
        "input": f"float32 [b, {perceiver.size[0]}, {perceiver.size[1]}, 3], RGB in [0, 1]",
        "outputs": {name: MEANING[name] for name in names},
        "platforms": PLATFORMS,
    }
    log.write_json(output / "model.json", description)


MEANING = {
    "depth": "float32 [b, h, w], metres, or up to scale where motion was predicted",
    "labels": "uint8 [b, h, w], KITTI-360 label ids",
    "instances": "int32 [b, h, w], label id * 1000 + number, 0 where there is none",
    "scores": "float32 [b, n], of instance number k + 1",
}


def write_monodepth2(perceiver: Perceiver, output: pathlib.Path) -> None:
    """encoder.pth, depth.pth and, where motion is predicted, pose_encoder.pth and pose.pth (SPEC 4)."""
    height, width = perceiver.size
    pretrained.export_monodepth2(perceiver.variables, output, height=height, width=width)
    farthest, nearest = depth_range(perceiver)
    if not np.allclose((nearest, farthest), MONODEPTH2_RANGE):
        log.say(
            f"Note: this network's disparity 0 to 1 means {farthest:g} to {nearest:g} m; the original's programs take "
            f"it for {MONODEPTH2_RANGE[1]:g} to {MONODEPTH2_RANGE[0]:g} unless told."
        )


def write_kitti360(perceiver: Perceiver, output: pathlib.Path) -> None:
    """semantic/ and instance/: what the benchmark's server takes for the test images of a KITTI-360 download."""
    root = perceiver.config.data.manual_dir
    if not root:
        raise UserError("--config.data.manual_dir=KITTI360_ROOT is needed: the test images are read from there.")
    submission.write(pathlib.Path(root), output, perceiver.perceive)


def depth_range(perceiver: Perceiver) -> tuple[float, float]:
    """Depths of disparity 0 and 1."""
    ends = {"disparity": (jnp.array([[[0.0, 1.0]]]),)}
    task = next(task for task in perceiver.tasks if task.name == "depth")
    farthest, nearest = np.asarray(task.decode(ends)["depth"]).ravel().tolist()
    return farthest, nearest


FORMATS: dict[str, Callable[[Perceiver, pathlib.Path], None]] = {
    "monodepth2": write_monodepth2,
    "safetensors": write_safetensors,
    "stablehlo": write_stablehlo,
    "kitti360": write_kitti360,
}
