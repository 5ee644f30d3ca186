"""Loads a `Perceiver` from a run, published weights, or an export."""

import functools
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from mtl_depth import pretrained
from mtl_depth.config import Config, Data, DepthTask, Model, Tasks, from_dict
from mtl_depth.data import footage
from mtl_depth.errors import UserError
from mtl_depth.models.network import init
from mtl_depth.prediction.predictor import FLIPS, Perceiver, decode, perceive_padded
from mtl_depth.runtime import checkpoint as checkpoints
from mtl_depth.runtime.run_folder import load_config
from mtl_depth.tasks import assemble

EXPORTS = ("model.stablehlo", "model.safetensors", "model.onnx")
STARTER = "starter"  # name of the model that is part of the package
STARTER_FILE = pathlib.Path(__file__).parents[1] / "pretrained" / "starter" / "model.safetensors"


def load_perceiver(path: str | pathlib.Path, *, checkpoint: str = "latest", flip: bool | str = False) -> Perceiver:
    """Loads a run folder, a folder of Monodepth2 weights or an export (folder or file), without network access.

    Args:
        path: a run (config.json, checkpoints/), weights (encoder.pth, depth.pth), an export (`EXPORTS`), or "starter".
        checkpoint: of a run: "latest", "best" or a step.
        flip: average the disparity with that for the mirrored image: True or "mean", or "monodepth2" for Monodepth2's
            post-processing (`predictor.blend`).

    Raises:
        UserError: the path does not exist, is none of these, or its content is damaged.
    """
    if str(path) == STARTER and not pathlib.Path(path).exists():
        if not STARTER_FILE.is_file():
            raise UserError(
                f"The starter model is missing: {STARTER_FILE} is part of the package; install mtl_depth again, or "
                "give a run with --workdir."
            )
        return _load_safetensors(STARTER_FILE, flip=flip)
    if flip and flip not in FLIPS:
        raise UserError(f"config.evaluation.flip_average={flip!r} does not exist; choose mean or monodepth2.")
    path = footage.expand(path)
    if path.name in EXPORTS and path.is_file():
        return _load_export(path, flip=flip)
    if not path.is_dir():
        raise UserError(f"{path} does not exist; give a run folder, a folder of Monodepth2 weights or an export.")
    if (path / "config.json").is_file():
        config = load_config(path)
        if config.weights and not (path / "checkpoints").exists():  # the folder of an evaluation of published weights
            return load_perceiver(config.weights, flip=flip)
        return _load_run(path, config, checkpoint=checkpoint, flip=flip)
    if any(path.glob("encoder.*")):
        return _load_monodepth2(path, flip=flip)
    if found := [path / name for name in EXPORTS if (path / name).is_file()]:
        return _load_export(found[0], flip=flip)
    raise UserError(
        f"{path} holds neither config.json (a run folder) nor encoder.pth (Monodepth2 weights) "
        f"nor one of {', '.join(EXPORTS)} (an export); give a folder that does."
    )


def _load_run(path: pathlib.Path, config: Config, *, checkpoint: str, flip: bool | str) -> Perceiver:
    network, chosen = assemble(config.model, config.tasks, config.camera)
    size = tuple(config.data.size)
    variables = checkpoints.restore_variables(path / "checkpoints", _shapes(network, size), checkpoint=checkpoint)
    return Perceiver(config, network, chosen, variables, size, flip)


def _load_monodepth2(path: pathlib.Path, *, flip: bool | str) -> Perceiver:
    settings = pretrained.read_monodepth2_settings(path)
    depth = DepthTask(motion="predicted", nearest=settings.nearest, farthest=settings.farthest)
    model = Model(encoder=f"resnet{settings.depth}")
    config = Config(data=Data(size=settings.size), model=model, tasks=Tasks(depth=depth), weights=str(path))
    network, chosen = assemble(config.model, config.tasks)
    if not settings.predict_motion:
        network = network.clone(pose=None)
    return Perceiver(config, network, chosen, pretrained.load_monodepth2(path), tuple(settings.size), flip)


def _load_export(path: pathlib.Path, *, flip: bool | str) -> Perceiver:
    if path.suffix == ".safetensors":
        return _load_safetensors(path, flip=flip)
    if flip:
        raise UserError(f"{path} is an exported program; to flip, export it again with --config.evaluation.flip=True.")
    description = _describe(path)
    try:
        config = from_dict(description["config"])
        program = {".stablehlo": _read_stablehlo, ".onnx": _read_onnx}[path.suffix](path, description)
    except UserError:
        raise
    except Exception as error:  # jax, MLIR and onnxruntime raise many kinds of errors
        if isinstance(error, OSError) and error.strerror:
            raise UserError(f"{path} cannot be read ({error.strerror}); make it readable, or check the disk.") from None
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        if path.suffix == ".stablehlo" and description.get("jax", jax.__version__) != jax.__version__:
            raise UserError(
                f"{path} was written by jax {description['jax']}, which guarantees to read it for six months, until "
                f"{description['readable_until']}, and jax {jax.__version__} does not read it; export the run again, "
                f"or install jax=={description['jax']}."
            ) from error
        raise UserError(f"{path} cannot be loaded ({reason}); export it again.") from error
    _, tasks = assemble(config.model, config.tasks)
    if description["batch"] != "free":
        program = functools.partial(_in_batches, program, description["batch"])
    if path.suffix == ".onnx":
        program = _decoded(program, tasks)
    return Perceiver(config, None, tasks, None, tuple(config.data.size), flip=description["flip"], program=program)


def _load_safetensors(path: pathlib.Path, *, flip: bool | str) -> Perceiver:
    import flax
    import safetensors

    try:
        with safetensors.safe_open(path, "numpy") as file:
            config = from_dict(json.loads(file.metadata()["config"]))
            flat = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise UserError(f"{path} is damaged or not an export of this program ({reason}); export it again.") from error
    network, chosen = assemble(config.model, config.tasks, config.camera)
    variables, size = flax.traverse_util.unflatten_dict(flat, sep="/"), tuple(config.data.size)
    wanted = flax.traverse_util.flatten_dict(dict(_shapes(network, size)), sep="/")
    if {name: leaf.shape for name, leaf in wanted.items()} != {name: leaf.shape for name, leaf in flat.items()}:
        raise UserError(f"{path} does not fit this version of mtl_depth; export it again.")
    variables = jax.tree.map(lambda value: value.astype(np.float32), variables)  # a file may hold half of the precision
    return Perceiver(config, network, chosen, variables, size, flip)


def _describe(path: pathlib.Path) -> dict[str, Any]:
    """The content of model.json, the description of an exported program."""
    file = path.with_name("model.json")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file}, the description of {path.name}, cannot be read ({error}); export it again.") from None
    if not isinstance(found, dict) or not {"config", "batch", "flip"} <= found.keys():
        raise UserError(f"{file} does not describe {path.name}; export it again.")
    return found


def _read_stablehlo(path: pathlib.Path, description: Mapping[str, Any]) -> Callable[[Any], Mapping[str, Any]]:
    import jax.export

    return jax.jit(jax.export.deserialize(bytearray(path.read_bytes())).call)


def _read_onnx(path: pathlib.Path, description: Mapping[str, Any]) -> Callable[[Any], Mapping[str, Any]]:
    try:
        import onnxruntime
    except ImportError:
        raise UserError(f"{path} needs onnxruntime: pip install -c constraints.txt -e '.[onnx]'") from None
    session = onnxruntime.InferenceSession(str(path), providers=onnxruntime.get_available_providers())
    names = list(description["outputs"])
    return lambda image: dict(zip(names, session.run(names, {"image": np.asarray(image, np.float32)})))


def _decoded(program: Callable[[Any], Mapping[str, Any]], tasks: Any) -> Callable[[Any], Mapping[str, Any]]:
    """Adds the part that ONNX cannot express: the tasks' decoding of the heads' outputs."""
    finish = jax.jit(functools.partial(decode, tasks))

    def answer(image: Any) -> Mapping[str, Any]:
        outputs = dict(program(image))
        if "disparity" in outputs:
            outputs["disparity"] = (outputs["disparity"],)
        return finish(outputs)

    return answer


def _in_batches(program: Callable[[Any], Mapping[str, Any]], size: int, image: Any) -> dict[str, np.ndarray]:
    """Wraps a program for batches of exactly `size` images into one for any number of images."""
    image = np.asarray(image)
    parts = [
        perceive_padded(program, image[start : start + size], batch_size=size) for start in range(0, len(image), size)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _shapes(network: Any, size: tuple[int, int]) -> Any:
    return jax.eval_shape(functools.partial(init, network, size=size), jax.random.key(0))
