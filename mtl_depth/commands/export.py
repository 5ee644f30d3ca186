"""`--mode=export`: writes a trained network in a format that other programs read."""

import dataclasses
import datetime
import functools
import json
import logging
import pathlib
from collections.abc import Callable
from typing import Any

import flax
import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import safetensors.numpy

from mtl_depth import inference, pretrained
from mtl_depth.config import Config, to_dict
from mtl_depth.data import footage
from mtl_depth.errors import UserError
from mtl_depth.evaluation import submission
from mtl_depth.models.encoder import translatable
from mtl_depth.prediction import output_folder
from mtl_depth.prediction.predictor import Perceiver, flip_of, make_perceive
from mtl_depth.runtime import log

MONODEPTH2_RANGE = (0.1, 100.0)  # nearest and farthest depth, the defaults of Monodepth2's programs
PLATFORMS = ("cpu", "cuda", "tpu")  # that an exported StableHLO program runs on
PREDICTIONS = ("depth", "labels", "instances", "scores")
READABLE = datetime.timedelta(days=182)  # what jax.export promises of serialized programs: six months
MOST_IMAGES = 4096  # of --batch
OPSET = 23  # of ONNX; onnxruntime reads it from release 1.23 on


def run(
    config: Config,
    workdir: str | pathlib.Path,
    format: str,
    output: str | pathlib.Path | None,
    *,
    batch: str = "free",
) -> None:
    """Exports the run, or the weights that `config.weights` names, in `format` to the folder `output`.

    Args:
        config: weights, checkpoint, and whether a program flips (`evaluation.flip`); the model is the run's own.
        workdir: the run.
        format: one of `FORMATS`.
        output: folder to write into.
        batch: batch size of an exported program: `free` or a number.

    Raises:
        UserError: no such format, no run or weights, a network that the format cannot hold, or a file of the user's own
            that would be lost.
    """
    if format not in FORMATS:
        raise UserError(f"--format={format} does not exist; there are {', '.join(FORMATS)}.")
    if output is None:
        raise UserError("--output=DIR is needed: the folder to export into.")
    if batch != "free" and not (batch.isdecimal() and 0 < int(batch) <= MOST_IMAGES):
        raise UserError(f"--batch={batch} is neither free nor a number of images up to {MOST_IMAGES}; give one.")
    perceiver = inference.load_perceiver(
        config.weights or workdir, checkpoint=config.evaluation.checkpoint, flip=flip_of(config)
    )
    if perceiver.network is None:
        raise UserError(f"{config.weights} is an exported program already; give the run, or a safetensors export.")
    output = footage.expand(output)
    if config.weights and output.resolve() == footage.expand(config.weights).resolve():
        raise UserError(
            f"--output is the folder of config.weights, {output}, whose files would be overwritten; give another one."
        )
    output_folder.check_replaceable(output, FILES[format])
    output.mkdir(parents=True, exist_ok=True)
    if config.data.manual_dir:
        data = dataclasses.replace(perceiver.config.data, manual_dir=config.data.manual_dir)
        perceiver = dataclasses.replace(perceiver, config=dataclasses.replace(perceiver.config, data=data))
    FORMATS[format](perceiver, output, None if batch == "free" else int(batch))
    output_folder.note_exported(output, FILES[format])
    log.say(f"exported to {output}: {', '.join(name for name in FILES[format] if (output / name).exists())}")


def write_safetensors(
    perceiver: Perceiver, output: pathlib.Path, batch: int | None = None, *, half: bool = False
) -> None:
    """Writes model.safetensors: `params/encoder/...`, `batch_stats/...`, and the configuration as JSON metadata.

    With `half`, parameters are stored as float16, in half the space; computations use float32 in either case.
    """
    flat = flax.traverse_util.flatten_dict(perceiver.variables, sep="/")
    arrays = {
        name: np.ascontiguousarray(value, np.float16 if half and name.startswith("params/") else None)
        for name, value in flat.items()
    }
    metadata = {"config": json.dumps(to_dict(perceiver.config)), "layout": "channels last; kernels height width in out"}
    safetensors.numpy.save_file(arrays, output / "model.safetensors", metadata=metadata)


def write_stablehlo(perceiver: Perceiver, output: pathlib.Path, batch: int | None = None) -> None:
    """Writes model.stablehlo, the whole network with its weights, and model.json, which describes input and outputs.

    `jax.export.deserialize(bytes).call(image)` takes float32 [b h w 3] in [0, 1] and returns the decoded predictions.
    """

    def predict(image: Any) -> dict[str, Any]:
        answers = perceiver.answer(image)
        return {name: answers[name] for name in PREDICTIONS if name in answers}

    rows = jax.export.symbolic_shape("b")[0] if batch is None else batch
    exported = jax.export.export(jax.jit(predict), platforms=PLATFORMS)(_image(perceiver, rows))
    (output / "model.stablehlo").write_bytes(exported.serialize())
    names = sorted(jax.eval_shape(predict, _image(perceiver, 1)))
    until = (datetime.date.today() + READABLE).isoformat()
    written = {"jax": jax.__version__, "readable_until": until}
    _describe(perceiver, output, batch, names, {"format": "stablehlo", "platforms": PLATFORMS, **written})
    log.say(
        f"jax promises that its releases of the next six months read this, until {until}; jax {jax.__version__} always "
        "does. For longer, keep the run, or --format=safetensors."
    )


def write_onnx(perceiver: Perceiver, output: pathlib.Path, batch: int | None = None) -> None:
    """Writes model.onnx, the network with its weights and the decoding of depth and labels, and model.json.

    ONNX cannot express the grouping of instances: the program returns the head's outputs, and `load_perceiver` groups
    them.
    """
    for name in ("jax2onnx", "onnx_ir"):  # they warn of plugins and of every shape that depends on the batch
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        import jax2onnx
        import onnx
    except ImportError:
        raise UserError("--format=onnx needs jax2onnx: pip install -c constraints.txt -e '.[onnx]'") from None

    image = _image(perceiver, 1)
    outputs = jax.eval_shape(functools.partial(perceiver.network.apply, method="perceive"), perceiver.variables, image)
    simple = tuple(
        task for task in perceiver.tasks if jax.eval_shape(task.decode, outputs).keys() <= {"depth", "labels"}
    )
    network = perceiver.network.clone(encoder=translatable(perceiver.network.encoder))
    perceive = make_perceive(network, simple, flip=perceiver.flip)

    def predict(image: Any) -> dict[str, Any]:
        answers = perceive(perceiver.variables, image)
        if "disparity" in answers:
            answers = {**answers, "disparity": answers["disparity"][0]}  # the finest, of which depth is made
        return dict(sorted(answers.items()))

    names = list(jax.eval_shape(predict, image))
    model = jax2onnx.to_onnx(
        lambda image: tuple(predict(image).values()),
        inputs=[("b" if batch is None else batch, *perceiver.size, 3)],
        input_names=["image"],
        output_names=names,
        model_name="mtl_depth",
        opset=OPSET,
    )
    onnx.save(model, output / "model.onnx")
    _describe(perceiver, output, batch, names, {"format": "onnx", "opset": OPSET})


def _image(perceiver: Perceiver, rows: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((rows, *perceiver.size, 3), np.float32)


def _describe(
    perceiver: Perceiver, output: pathlib.Path, batch: int | None, names: list[str], more: dict[str, Any]
) -> None:
    """Writes model.json, which `load_perceiver` reads as well, and prints its content."""
    rows, (height, width) = batch or "b", perceiver.size
    image = f"float32 [{rows}, {height}, {width}, 3], RGB in [0, 1], rows from the top"
    description = {
        **more,
        "inputs": {"image": image},
        "outputs": {name: MEANING.get(name, "output of a head") for name in names},
        "batch": batch or "free",
        "metric": perceiver.metric,
        "flip": perceiver.flip,
        "config": to_dict(perceiver.config),
    }
    log.write_json(output / "model.json", description)
    log.say("; ".join(f"{name} {value}" for name, value in more.items()))
    log.say(f"in: image, {image}")
    for name in names:
        log.say(f"out: {name}, {description['outputs'][name]}")


MEANING = {
    "depth": "float32 [b, h, w], metres where `metric`, otherwise up to scale",
    "disparity": "float32 [b, h, w], the sigmoid that depth is made of",
    "semantic": "float32 [b, h, w, 19], logits by train id",
    "center": "float32 [b, h, w], heatmap of the instances' centres",
    "offset": "float32 [b, h, w, 2], (dy, dx) in pixels to the centre of the pixel's instance",
    "thing": "float32 [b, h, w, classes], logits, the first of no thing",
    "value": "float32 [b, h, w], the report's value map",
    "labels": "uint8 [b, h, w], KITTI-360 label ids",
    "instances": "int32 [b, h, w], label id * 1000 + number, 0 where there is none",
    "scores": "float32 [b, n], of instance number k + 1",
}


def write_monodepth2(perceiver: Perceiver, output: pathlib.Path, batch: int | None = None) -> None:
    """Writes Monodepth2's files: encoder.pth, depth.pth and, with predicted motion, pose_encoder.pth and pose.pth."""
    (height, width), depth = perceiver.size, perceiver.config.tasks.depth
    stereo = depth is not None and depth.stereo
    pose = perceiver.network.pose
    unit = 1.0 if pose is None else pose.translation_unit
    pretrained.export_monodepth2(
        perceiver.variables, output, height=height, width=width, use_stereo=stereo, translation_unit=unit
    )
    farthest, nearest = depth_range(perceiver)
    if not np.allclose((nearest, farthest), MONODEPTH2_RANGE):
        log.say(
            f"Note: this network's disparity 0 to 1 means {farthest:g} to {nearest:g} m; Monodepth2's programs "
            f"assume {MONODEPTH2_RANGE[1]:g} to {MONODEPTH2_RANGE[0]:g} by default."
        )


def write_kitti360(perceiver: Perceiver, output: pathlib.Path, batch: int | None = None) -> None:
    """Writes semantic/ and instance/, the submission to the benchmark's server, for the test images of KITTI-360."""
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


FILES = {
    "monodepth2": ("encoder.pth", "depth.pth", "pose_encoder.pth", "pose.pth"),
    "onnx": ("model.onnx", "model.json"),
    "safetensors": ("model.safetensors",),
    "stablehlo": ("model.stablehlo", "model.json"),
    "kitti360": ("semantic", "instance"),
}  # that a format writes
FORMATS: dict[str, Callable[[Perceiver, pathlib.Path, int | None], None]] = {
    "monodepth2": write_monodepth2,
    "onnx": write_onnx,
    "safetensors": write_safetensors,
    "stablehlo": write_stablehlo,
    "kitti360": write_kitti360,
}
