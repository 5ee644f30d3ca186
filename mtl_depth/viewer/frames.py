"""The content of the page for one picture: its layers, and the depth of its point cloud."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Num, UInt8

from mtl_depth.media import image_files, visualize
from mtl_depth.prediction import results
from mtl_depth.prediction.cameras import Camera
from mtl_depth.prediction.predictor import Perceiver
from mtl_depth.prediction.results import Prediction

LARGEST_ERROR = 0.3  # relative error with the brightest colour of an error map
NAMES = {
    "depth": "Depth",
    "instance": "Instances",
    "semantic": "Semantics",
    "depth_truth": "True depth",
    "instance_truth": "True instances",
    "semantic_truth": "True semantics",
    "depth_error": "Depth error",
}  # pictures of a prediction -> layers, in the order of the page
CLASSES = ("instance", "semantic", "instance_truth", "semantic_truth")


class Layer(NamedTuple):
    """One layer that can be selected.

    Attributes:
        name: its name on the page.
        picture: of any size; it is stretched over the input.
        legend: the kind of its legend: `depth`, `error`, `classes` or empty.
        nearest: depth of the brightest colour, if the legend is `depth`.
    """

    name: str
    picture: UInt8[np.ndarray, "_ _ 3"]
    legend: str = ""
    nearest: float = 0.0


class Frame(NamedTuple):
    """One picture of the page.

    Attributes:
        name: the text below its thumbnail.
        image: the input.
        depth_picture: coloured depth; shown only if there are no `layers`.
        depth: at the input's size; None: no point cloud.
        intrinsics: of the input.
        farthest: depth beyond which the cloud has no points.
        layers: layers in addition to the input.
        others: depth of further runs by name, at the input's size, each with its own cloud.
    """

    name: str
    image: UInt8[np.ndarray, "h w 3"]
    depth_picture: UInt8[np.ndarray, "H W 3"] | None
    depth: Float[np.ndarray, "h w"] | None
    intrinsics: Float[np.ndarray, "3 3"]
    farthest: float
    layers: Sequence[Layer] = ()
    others: Mapping[str, Float[np.ndarray, "h w"]] = {}


def from_prediction(
    one: Prediction, intrinsics: Float[np.ndarray, "3 3"], *, metric: bool, nearest: float | None = None
) -> Frame:
    """The frame of a prediction, with all of its layers.

    Args:
        one: the prediction.
        intrinsics: of its picture.
        metric: whether depth is in metres.
        nearest: depth of the brightest colour; None: the 5th percentile of the picture.
    """
    depth = one.arrays.get("depth")
    if depth is not None:
        known = depth[np.isfinite(depth) & (depth > 0)]
        nearest = nearest or (float(np.percentile(known, 5)) if len(known) else 1.0)
    layers = []
    for key, name in NAMES.items():
        if key == "depth" and depth is not None:
            layers.append(Layer(name, visualize.depth_picture(depth, nearest=nearest), "depth", nearest))
        elif key in one.shown:
            kind = "classes" if key in CLASSES else "error" if key == "depth_error" else ""
            layers.append(Layer(name, one.shown[key], kind))
    farthest = 1.0 if depth is None else results.farthest(depth, metric=metric)
    return Frame(one.name, one.image, None, depth, intrinsics, farthest, layers)


def of_picture(perceiver: Perceiver, image: UInt8[np.ndarray, "h w 3"], *, name: str, camera_of: Camera) -> Frame:
    """Predicts for one picture and returns its frame."""
    intrinsics = camera_of(image.shape[:2])
    predictions = perceiver.perceive_padded([image], batch_size=1, intrinsics=intrinsics)
    one = results.make(perceiver, predictions, 0, image, name=name)
    return from_prediction(one, intrinsics, metric=perceiver.metric)


def merged(frames: Sequence[Frame], names: Sequence[str], *, metric: bool) -> Frame:
    """Merges the frames of several runs for the same picture: each run's layers, and the input and the truth once.

    If all of them are `metric`, their depth is coloured by the range of the first run.
    """
    first = frames[0]
    if metric:
        frames = [first, *(_recolored(frame, first) for frame in frames[1:])]
    truths = [layer for layer in first.layers if layer.name.startswith("True")]
    own = [
        layer._replace(name=f"{layer.name}, {name}")
        for frame, name in zip(frames, names)
        for layer in frame.layers
        if not layer.name.startswith("True")
    ]
    others = {
        name: image_files.resize_depth(frame.depth, size=first.image.shape[:2])
        for frame, name in zip(frames, names)
        if frame.depth is not None
    }
    return first._replace(layers=[*own, *truths], others=others, depth=None)


def _recolored(frame: Frame, other: Frame) -> Frame:
    """The frame with its depth coloured by the range of another frame."""
    nearest = next((layer.nearest for layer in other.layers if layer.legend == "depth"), None)
    if nearest is None or frame.depth is None:
        return frame
    picture = visualize.depth_picture(frame.depth, nearest=nearest)
    layers = [
        layer._replace(picture=picture, nearest=nearest) if layer.legend == "depth" else layer for layer in frame.layers
    ]
    return frame._replace(layers=layers)


def error_picture(
    depth: Float[np.ndarray, "h w"],
    truth: Num[np.ndarray, "H W"],
    image: UInt8[np.ndarray, "_ _ 3"],
    *,
    metric: bool,
) -> UInt8[np.ndarray, "H W 3"]:
    """|depth - truth| / truth where the truth is known (above 0), over the darkened picture.

    Depth that is not metric is first scaled to the median of the truth, as in the evaluation.
    """
    depth, known = image_files.resize_depth(depth, size=truth.shape), truth > 0
    if not metric and known.any():
        depth = depth * np.median(truth[known]) / np.median(depth[known])
    error = np.where(known, np.abs(depth - truth) / np.where(known, truth, 1), -1).astype(np.float32)
    if known.mean() < 0.3:  # the points of a scan would hardly be seen
        import cv2

        error = cv2.dilate(error, np.ones((3, 3), np.uint8))
    colored = visualize.color_map(np.maximum(error, 0) / LARGEST_ERROR)
    return np.where((error >= 0)[..., None], colored, visualize.fit(image, truth.shape) // 4)
