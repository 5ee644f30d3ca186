"""The results for one picture: arrays at the picture's own size, coloured pictures of them, files."""

import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from mtl_depth.data import LABELS
from mtl_depth.media import image_files, point_cloud, visualize
from mtl_depth.media.point_cloud import farthest
from mtl_depth.prediction.output_folder import OutputFolder
from mtl_depth.prediction.predictor import RESIZE, Perceiver, to_float

LEGEND_WIDTH = 480  # pixels; a narrower picture of depth is enlarged so that its legend is legible
LEGEND_TALLEST = 8  # largest height / width of a picture of depth with a legend
FILES = {"depth": "depth_color", "semantic": "semantic", "instance": "instance"}  # picture -> end of its file's name
IDS = {"labels": ("semantic", np.uint8), "instances": ("instance", np.uint16)}  # the same of the ids, with their bits


class Prediction(NamedTuple):
    """The prediction for one picture.

    Attributes:
        name: the start of its file names.
        image: the picture.
        arrays: `depth`, `labels`, `instances` at its size, as far as the run predicts them.
        shown: coloured pictures: `input`, `depth`, `semantic`, `instance`, and the truth if it is known.
    """

    name: str
    image: UInt8[np.ndarray, "h w 3"]
    arrays: dict[str, np.ndarray]
    shown: dict[str, np.ndarray]


def make(
    perceiver: Perceiver,
    predictions: Mapping[str, Any],
    row: int,
    image: UInt8[np.ndarray, "h w 3"],
    *,
    name: str,
    metric: bool | None = None,
    truth: Mapping[str, np.ndarray] | None = None,
    nearest: float | None = None,
) -> Prediction:
    """Brings one row of a batch's predictions to the picture's size and colours it.

    Args:
        perceiver: the network that predicted.
        predictions: a batch, at the network's size.
        row: index in the batch.
        image: the picture.
        name: the start of its file names.
        metric: whether depth is in metres; None: as the network predicts it.
        truth: the row of a batch with the truth (`semantic`, `instance`), to be shown as well.
        nearest: depth of the brightest colour; None: the 5th percentile of the picture.
    """
    size = image.shape[:2]
    arrays = {key: resize(predictions[key][row], size=size) for key, resize in RESIZE.items() if key in predictions}
    batch = {key: values[None] for key, values in (truth or {}).items()} | {"image": to_float(image)[None, None]}
    # Predictions of other tasks, which a user has added, are shown at the network's size.
    others = {key: values[row] for key, values in predictions.items() if isinstance(values, np.ndarray)}
    shown = {"input": image}
    for task in perceiver.tasks:
        coloured = task.pictures({key: values[None] for key, values in (others | arrays).items()}, batch)
        shown |= {key: picture[0] for key, picture in coloured.items()}
    if "depth" in arrays:
        shown["depth"] = depth_picture(
            arrays["depth"], metric=perceiver.metric if metric is None else metric, nearest=nearest
        )
    return Prediction(name, image, arrays, shown)


def depth_picture(
    depth: Float[np.ndarray, "h w"], *, metric: bool, nearest: float | None = None
) -> UInt8[np.ndarray, "H W 3"]:
    """Coloured depth with a legend, in metres where it is metric."""
    height, width = depth.shape
    upright = height > LEGEND_TALLEST * width  # a strip so narrow that no legend has a place on it
    if width < LEGEND_WIDTH and not upright:
        depth = image_files.resize_depth(depth, size=(max(1, round(height * LEGEND_WIDTH / width)), LEGEND_WIDTH))
    return visualize.depth_picture(depth, nearest=nearest, legend=not upright, unit=" m" if metric else "")


def write(
    prediction: Prediction,
    output: OutputFolder,
    wanted: Iterable[str],
    *,
    metric: bool,
    intrinsics: Float[np.ndarray, "3 3"] | None,
) -> None:
    """Writes the `wanted` ones of `depth`, `npy`, `cloud`, `color` and `labels`, as far as the run predicts them.

    NAME_depth.png has 16 bits, metres x 256. Without metric scale, its largest value is 65535 and NAME_depth.json
    has the factor that depth was multiplied by.

    Args:
        prediction: the prediction to write.
        output: folder to write into.
        wanted: kinds of files.
        metric: whether depth is in metres.
        intrinsics: of the picture; needed by `cloud`.
    """
    depth = prediction.arrays.get("depth")

    def path(ending: str) -> pathlib.Path:
        return output.file(f"{prediction.name}{ending}")

    if "depth" in wanted and depth is not None:
        units = image_files.UNITS_PER_METRE if metric else image_files.units_of_range(depth)
        image_files.write_depth(path("_depth.png"), depth, units=units)
        if not metric:
            described = {"unit": "up to scale", "factor": units, "depth": "value / factor"}
            path("_depth.json").write_text(json.dumps(described) + "\n", encoding="utf-8")
    if "npy" in wanted and depth is not None:
        np.save(path("_depth.npy"), depth.astype(np.float32))
    if "cloud" in wanted and depth is not None:
        limit = farthest(depth, metric=metric)
        cloud = point_cloud.from_depth(depth, prediction.image, intrinsics, farthest=limit)
        unit = "metres" if metric else "up to scale"
        point_cloud.write_ply(path(".ply"), cloud, comment=f"x right, y down, z forward; {unit}")
    for key, ending in FILES.items():
        kind = "color" if key == "depth" else "labels"
        if kind in wanted and key in prediction.shown:
            image_files.write(path(f"_{ending}.png"), prediction.shown[key])
    for key, (ending, bits) in IDS.items():
        if "labels" in wanted and key in prediction.arrays:
            image_files.write_values(path(f"_{ending}_ids.png"), prediction.arrays[key].astype(bits))


def write_legend(path: pathlib.Path, ids: Iterable[int]) -> None:
    """Writes the names and colours of the classes with these label ids."""
    classes = [(each.name, each.color) for each in LABELS if each.id in set(ids)]
    names, colors = zip(*classes) if classes else ((), ())
    image_files.write(path, visualize.class_legend(names, np.array(colors, np.uint8).reshape(-1, 3)))


def classes(prediction: Prediction) -> set[int]:
    """Label ids that occur in the semantic or instance labels."""
    found = {key: np.unique(prediction.arrays[key]).tolist() for key in IDS if key in prediction.arrays}
    return {*found.get("labels", ()), *(value // 1000 for value in found.get("instances", ()) if value)}
