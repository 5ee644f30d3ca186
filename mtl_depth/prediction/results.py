"""What a network has seen in one picture: arrays at the picture's own size, coloured pictures of them, files."""

import pathlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from mtl_depth.media import image_files, point_cloud, visualize
from mtl_depth.prediction.predictor import Perceiver, to_float

FARTHEST_METRES = 80.0  # of a point cloud, as in the evaluation; beyond, depth from one picture is a guess
FARTHEST_MEDIANS = 5.0  # the same where there are no metres: in medians of the picture's depth
LEGEND_WIDTH = 480  # pixels; a smaller picture of depth is enlarged, or its legend could not be read
FILES = {"depth": "depth_color", "semantic": "semantic", "instance": "instance"}  # picture -> end of its file's name
RESIZE = {
    "depth": image_files.resize_depth,
    "labels": image_files.resize_nearest,
    "instances": image_files.resize_nearest,
}  # predictions at the network's size -> at the picture's own


class Prediction(NamedTuple):
    """One picture's.

    Attributes:
        name: of its files.
        image: the picture.
        arrays: `depth`, `labels`, `instances` at its size, those that the run has.
        shown: coloured pictures: `input`, `depth`, `semantic`, `instance`, and the truth where there is any.
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
    truth: Mapping[str, np.ndarray] | None = None,
    nearest: float | None = None,
) -> Prediction:
    """Brings one row of a batch's predictions to the picture's size and colours it.

    Args:
        perceiver: who predicted.
        predictions: a batch, at the network's size.
        row: of the batch.
        image: the picture.
        name: of its files.
        truth: one row of a batch that can be shown beside (`semantic`, `instance`).
        nearest: depth of the brightest colour; None: the picture's own 5th percentile.
    """
    size = image.shape[:2]
    arrays = {key: resize(predictions[key][row], size=size) for key, resize in RESIZE.items() if key in predictions}
    batch = {key: values[None] for key, values in (truth or {}).items()} | {"image": to_float(image)[None, None]}
    # What a task of one's own predicts is shown at the network's size.
    others = {key: values[row] for key, values in predictions.items() if isinstance(values, np.ndarray)}
    shown = {"input": image}
    for task in perceiver.tasks:
        coloured = task.pictures({key: values[None] for key, values in (others | arrays).items()}, batch)
        shown |= {key: picture[0] for key, picture in coloured.items()}
    if "depth" in arrays:
        shown["depth"] = depth_picture(arrays["depth"], metric=perceiver.metric, nearest=nearest)
    return Prediction(name, image, arrays, shown)


def depth_picture(
    depth: Float[np.ndarray, "h w"], *, metric: bool, nearest: float | None = None
) -> UInt8[np.ndarray, "H W 3"]:
    """Coloured depth with a legend, in metres where it is metric."""
    height, width = depth.shape
    if width < LEGEND_WIDTH:
        depth = image_files.resize_depth(depth, size=(round(height * LEGEND_WIDTH / width), LEGEND_WIDTH))
    return visualize.depth_picture(depth, nearest=nearest, legend=True, unit=" m" if metric else "")


def write(
    prediction: Prediction,
    folder: pathlib.Path,
    wanted: Iterable[str],
    *,
    metric: bool,
    intrinsics: Float[np.ndarray, "3 3"] | None,
) -> None:
    """Writes NAME_depth.png (16 bit, metres x 256), NAME_depth.npy, NAME.ply and the coloured pictures.

    Args:
        prediction: what to write.
        folder: where to.
        wanted: of `depth`, `npy`, `cloud`, `color` and `labels`; what the run does not have is passed over.
        metric: whether depth is in metres.
        intrinsics: of the picture; needed by `cloud`.
    """
    depth = prediction.arrays.get("depth")

    def path(ending: str) -> pathlib.Path:
        return folder / f"{prediction.name}{ending}"

    if "depth" in wanted and depth is not None:
        image_files.write_depth(path("_depth.png"), depth)
    if "npy" in wanted and depth is not None:
        np.save(path("_depth.npy"), depth.astype(np.float32))
    if "cloud" in wanted and depth is not None:
        cloud = point_cloud.from_depth(depth, prediction.image, intrinsics, farthest=farthest(depth, metric=metric))
        unit = "metres" if metric else "up to scale"
        point_cloud.write_ply(path(".ply"), cloud, comment=f"x right, y down, z forward; {unit}")
    for key, ending in FILES.items():
        kind = "color" if key == "depth" else "labels"
        if kind in wanted and key in prediction.shown:
            image_files.write(path(f"_{ending}.png"), prediction.shown[key])


def farthest(depth: Float[np.ndarray, "h w"], *, metric: bool) -> float:
    """Depth beyond which a cloud has no point."""
    return FARTHEST_METRES if metric else FARTHEST_MEDIANS * float(np.median(depth))
