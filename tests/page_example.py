"""A page with two frames and a run's numbers, made without any network."""

import json
import pathlib

import numpy as np

from mtl_depth import config as configuration
from mtl_depth.media import visualize
from mtl_depth.prediction.results import Prediction
from mtl_depth.tasks.classes import PALETTE
from mtl_depth.viewer import document, frames

SIZE = (90, 240)
ERRORS = {"abs_rel": 0.2, "sq_rel": 1.5, "rmse": 5.0, "rmse_log": 0.3, "delta_1": 0.8, "delta_2": 0.9, "delta_3": 0.95}


def frame(name: str, height: float) -> frames.Frame:
    """A road below a camera at `height` metres, with a wall at its end; its truth is a tenth farther."""
    v, u = np.mgrid[: SIZE[0], : SIZE[1]].astype(float)
    intrinsics = np.array([[120.0, 0, 119.5], [0, 120, 30.0], [0, 0, 1]])
    depth = np.minimum(height / np.maximum((v - 30) / 120, 1e-3), 25)
    image = np.stack([128 + 100 * np.sin(depth), 2 * v, u], axis=-1).clip(0, 255).astype(np.uint8)
    labels = np.where(depth < 25, 7, 11)
    shown = {
        "depth_truth": visualize.depth_picture(1.1 * depth),
        "semantic": visualize.label_picture(labels, PALETTE),
        "depth_error": frames.error_picture(depth, 1.1 * depth, image, metric=True),
    }
    return frames.from_prediction(Prediction(name, image, {"depth": depth}, shown), intrinsics, metric=True)


def run(folder: pathlib.Path) -> pathlib.Path:
    """A run folder with an evaluation and logged steps."""
    folder.mkdir()
    config = configuration.Config(tasks=configuration.Tasks(depth=configuration.DepthTask()))
    (folder / "config.json").write_text(json.dumps(configuration.to_dict(config)))
    depth = {"median_scaled": ERRORS, "unscaled": ERRORS, "constant": ERRORS | {"abs_rel": 0.5}, "mean_image": ERRORS}
    evaluation = {"split": "val", "frames": 9, "depth": depth, "recipe": "the recipe"}
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    rows = [
        {"step": step, "loss": 1 / step, "depth/photometric": 0.5 / step, "zero": 0, "learning_rate": 1e-4}
        for step in range(1, 900)
    ]
    rows += [
        {"step": step, "split": "val", "depth/median_scaled/abs_rel": 0.5 - step / 3000} for step in (300, 600, 899)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def write(folder: pathlib.Path) -> pathlib.Path:
    """The page of both."""
    figure = np.zeros((40, 60, 3), np.uint8)
    document.write(
        folder / "page.html",
        title="a <b>run</b> & more </script>",
        sentences=["Predicted for a test."],
        metric=True,
        frames=[frame("low", 1.2), frame("high", 4.0)],
        figure=figure,
        run=run(folder / "run"),
    )
    return folder / "page.html"
