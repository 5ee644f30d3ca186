"""Settings that training takes from its data set unless the command line sets them: picture size, split, camera."""

import dataclasses
import math
import pathlib
from collections.abc import Collection

import jax

from mtl_depth import data
from mtl_depth.config import Config, Data
from mtl_depth.errors import UserError
from mtl_depth.runtime import log
from mtl_depth.runtime.run_folder import load_config

_STEP = 32  # pixels: the networks halve a picture five times
_OTHER_SHAPE = 4 / 3  # ratio of two aspect ratios from which pictures of one size would be squeezed into the other
_SCORED = ("val", "test")  # splits to score, if the one that is asked for is empty


def adopt(config: Config, workdir: pathlib.Path, *, typed: Collection[str]) -> Config:
    """The configuration with what is taken from the data set, or from the run in `workdir` if one has begun there.

    * `data.size`: the stored size if the configuration has the default; if it has another that is larger than the
      stored one or of another shape, about as many pixels in the shape of the stored pictures.
    * `evaluation.split`: test if the data set has no validation frames.
    * `camera.learn`: if the intrinsics were guessed and motion is predicted.

    Args:
        config: as the file and the command line give it.
        workdir: folder of the run.
        typed: names of the settings on the command line, such as `data.size`, which are left alone.

    Raises:
        UserError: the data set cannot be opened.
    """
    if (workdir / "config.json").is_file():
        try:
            before = load_config(workdir)
        except UserError:  # what is wrong with it is reported where the run's settings are compared
            return config
        size = config.data.size if "data.size" in typed else before.data.size
        learn = config.camera.learn if "camera.learn" in typed else before.camera.learn
        return _with(config, size=size, learn=learn, split=config.evaluation.split)
    size = config.data.size if "data.size" in typed else (1, 1)  # another size is not yet a mistake
    dataset = data.open_dataset(dataclasses.replace(config.data, size=size))
    size, split, learn, taken = config.data.size, config.evaluation.split, config.camera.learn, []
    if "data.size" not in typed and size != (fitting := _size(size, dataset.size)):
        size = fitting
        taken.append(f"--config.data.size={size[0]},{size[1]}")
    if "evaluation.split" not in typed and split in _SCORED and not dataset.splits[split]:
        others = [other for other in _SCORED if dataset.splits[other]]
        split = others[0] if others else split
        taken += [f"--config.evaluation.split={split}"] * bool(others)
    predicted = config.tasks.depth is not None and config.tasks.depth.motion == "predicted"
    if "camera.learn" not in typed and not learn and predicted and dataset.camera == "guessed":
        learn = True
        taken.append("--config.camera.learn=True")
    if taken and jax.process_index() == 0:
        log.say(f"Taken from the data set: {' '.join(taken)} (settings on the command line are not changed).")
    return _with(config, size=size, learn=learn, split=split)


def _size(wanted: tuple[int, int], stored: tuple[int, int]) -> tuple[int, int]:
    """Height and width to train at; sides of the networks' pictures are multiples of 32."""
    if wanted == Data().size:
        return stored
    squeezed = (wanted[0] / wanted[1]) / (stored[0] / stored[1])
    if max(squeezed, 1 / squeezed) < _OTHER_SHAPE and all(side <= most for side, most in zip(wanted, stored)):
        return wanted
    scale = min(1.0, math.sqrt(wanted[0] * wanted[1] / (stored[0] * stored[1])))
    return tuple(max(1, min(round(side * scale / _STEP), side // _STEP)) * _STEP for side in stored)


def _with(config: Config, *, size: tuple[int, int], learn: bool, split: str) -> Config:
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, size=tuple(size)),
        camera=dataclasses.replace(config.camera, learn=learn),
        evaluation=dataclasses.replace(config.evaluation, split=split),
    )
