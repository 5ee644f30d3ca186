"""Predicts depth and segmentation for pictures with a trained network."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mtl_depth.config import Config, DepthTask
from mtl_depth.errors import UserError
from mtl_depth.image import resize_nearest
from mtl_depth.media import image_files, point_cloud, visualize
from mtl_depth.models.camera import focal_scale
from mtl_depth.models.network import Network
from mtl_depth.prediction import cameras, pictures
from mtl_depth.prediction.pictures import Pictures, to_float
from mtl_depth.runtime.devices import Devices
from mtl_depth.tasks.base import Arrays, Task
from mtl_depth.tasks.depth import is_metric

__all__ = ["FLIPS", "RESIZE", "Perceiver", "decode", "fill_up", "flip_of", "make_perceive"]
__all__ += ["perceive_padded", "to_float"]

# Predictions at the network's size -> at the picture's own.
RESIZE = {"depth": image_files.resize_depth, "labels": resize_nearest, "instances": resize_nearest}
TASK_OF = {"depth": "depth", "labels": "semantic", "instances": "instance"}


def mean(seen: Float[Array, "b h w"], mirrored: Float[Array, "b h w"]) -> Float[Array, "b h w"]:
    """The mean of two disparities, of which the second is already mirrored back."""
    return (seen + mirrored) / 2


def blend(seen: Float[Array, "b h w"], mirrored: Float[Array, "b h w"]) -> Float[Array, "b h w"]:
    """The mean in the centre, the second disparity near the left border, the first one near the right border.

    The post-processing of Godard et al., "Unsupervised Monocular Depth Estimation with Left-Right Consistency" (CVPR
    2017), section 4.1, which Monodepth2 uses as well: with x from 0 to 1 over the width, the second disparity has the
    weight (1 + l - r) / 2, where l = 1 - clip(20 (x - 0.05), 0, 1) falls from 1 at 5 % of the width to 0 at 10 %, and r
    is l mirrored.
    """
    x = jnp.linspace(0, 1, seen.shape[-1])
    left = 1 - jnp.clip(20 * (x - 0.05), 0, 1)
    weight = (1 + left - left[::-1]) / 2
    return weight * mirrored + (1 - weight) * seen


FLIPS = {True: mean, "mean": mean, "monodepth2": blend}


def flip_of(config: Config) -> bool | str:
    """The value of `Perceiver.flip` for a configuration."""
    return config.evaluation.flip and config.evaluation.flip_average


def make_perceive(network: Network, tasks: tuple[Task, ...], *, flip: bool | str = False) -> Callable[..., Any]:
    """The jitted function (variables, image[b h w 3] at the network's size, focal) -> outputs and decoded predictions.

    `focal` is fx / width of each picture [b]; None: the camera that the run was trained for.

    Args:
        network: the network.
        tasks: the tasks whose `decode` turns outputs into predictions.
        flip: how to average the disparity with that for the mirrored image, one of `FLIPS`; False: no averaging.
    """

    @jax.jit
    def perceive(variables: Any, image: Any, focal: Any = None) -> dict[str, Any]:
        outputs = network.apply(variables, image, method="perceive")
        if flip and "disparity" in outputs:
            mirrored = network.apply(variables, image[:, :, ::-1], method="perceive")["disparity"]
            averaged = tuple(FLIPS[flip](a, b[:, :, ::-1]) for a, b in zip(outputs["disparity"], mirrored))
            outputs = {**outputs, "disparity": averaged}
        return for_camera(tasks, decode(tasks, outputs), focal)

    return perceive


def decode(tasks: tuple[Task, ...], outputs: Arrays) -> dict[str, Any]:
    """The outputs, and the predictions that the tasks derive from them."""
    predictions = {}
    for task in tasks:
        predictions |= task.decode(outputs)
    return {**outputs, **predictions}


def for_camera(tasks: tuple[Task, ...], predictions: Arrays, focal: Any) -> dict[str, Any]:
    """The predictions scaled for cameras with `focal` = fx / width [b]; None: unchanged."""
    predictions = dict(predictions)
    for task in tasks if focal is not None else ():
        predictions |= task.for_camera(predictions, focal) if task.for_camera else {}
    return predictions


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Perceiver:
    """A trained network, or an exported program, that predicts depth and segmentation for pictures.

    Every method takes a path, a PIL image, a NumPy or jax array, or a list or batch [b h w 3] of them, as
    `pictures.read` does. The result for a list is a list, and that for a batch is a batch.

    Attributes:
        config: the configuration of the run, or one that corresponds to the published weights.
        network: the network; None for an exported program.
        tasks: the tasks of the run.
        variables: `{"params": ..., "batch_stats": ...}`; None for an exported program.
        size: height and width of the network's input.
        flip: how disparity is averaged with that for the mirrored image, one of `FLIPS`; False: no averaging.
        program: the exported program, image[b h w 3] at the network's size -> outputs and predictions; else None.
    """

    config: Config
    network: Network | None
    tasks: tuple[Task, ...]
    variables: Any
    size: tuple[int, int]
    flip: bool | str = False
    program: Callable[[Any], Mapping[str, Any]] | None = None

    def __repr__(self) -> str:
        names = ", ".join(task.name for task in self.tasks)
        unit = {True: ", depth in metres", False: ", depth up to scale"}[self.metric] * (self._depth is not None)
        return f"Perceiver({names} at {self.size[0]}x{self.size[1]}{unit})"

    @property
    def _depth(self) -> DepthTask | None:
        return self.config.tasks.depth

    @property
    def metric(self) -> bool:
        """Whether depth is in metres, rather than up to an unknown scale; see `canonical_focal`."""
        return self._depth is not None and is_metric(self._depth)

    @property
    def canonical_focal(self) -> float | None:
        """fx / width of the camera that depth is learned for; metres for another camera need its intrinsics."""
        return None if self._depth is None else self._depth.canonical_focal

    @property
    def focal_scale(self) -> float:
        """The learned factor on the focal length of the data set's intrinsics; 1 without config.camera.learn."""
        return 1.0 if self.variables is None else focal_scale(self.variables["params"])

    def depth(self, picture: Any, *, intrinsics: Any = None) -> Any:
        """Depth [h w] float32 at the picture's own size; metres if `metric`.

        Args:
            picture: one picture, or several.
            intrinsics: of the picture, in its pixels: 3x3 or (fx, fy, cx, cy). Depth depends on them where
                `canonical_focal` is set; without them a field of view is assumed, and a message is printed.

        Raises:
            UserError: it is not a picture, the file cannot be read, or the run has no depth task.
        """
        return self._answers("depth", picture, intrinsics=intrinsics)

    def labels(self, picture: Any) -> Any:
        """KITTI-360 label ids [h w] uint8 at the picture's own size; raises as `depth` does."""
        return self._answers("labels", picture)

    def instances(self, picture: Any) -> Any:
        """Instances [h w] int32, label id * 1000 + number, 0 for none, at the picture's own size; raises as `depth`."""
        return self._answers("instances", picture)

    def cloud(self, picture: Any, *, intrinsics: Any = None, farthest: float | None = None) -> Any:
        """The picture as coloured points (`PointCloud`), or a list of them; raises as `depth` does.

        Args:
            picture: one picture, or several.
            intrinsics: as in `depth`; without them a field of view is assumed, and a message is printed.
            farthest: depth beyond which there are no points; None: 80 m, or 5 x the median depth without metric scale.
        """
        given = pictures.read(picture)
        matrices = cameras.for_each(intrinsics, [each.shape[:2] for each in given.each])
        clouds = []
        for each, matrix, depth in zip(given.each, matrices, self._each("depth", given, matrices)):
            limit = point_cloud.farthest(depth, metric=self.metric) if farthest is None else farthest
            clouds.append(point_cloud.from_depth(depth, visualize.to_uint8(each), matrix, farthest=limit))
        return clouds[0] if given.came_as == "one" else clouds

    def perceive(self, image: Any, *, intrinsics: Any = None) -> dict[str, Any]:
        """Outputs and predictions of all pictures at the network's size; `intrinsics` as in `depth`.

        Returns:
            The outputs of the heads and, if the run has the task, `depth` b h w (metres if `metric`), `labels` b h w
            label ids, and `instances` b h w, label id * 1000 + number, with `scores` b n. A StableHLO export returns
            only the predictions.
        """
        if isinstance(image, jax.core.Tracer) or (self.canonical_focal is None and self._is_fitted(image)):
            return self.answer(image)
        given = pictures.read(image)
        return self._rescaled(self.answer(self._fit(given.each)), given.each, intrinsics)

    def perceive_padded(
        self, images: Sequence[np.ndarray], *, batch_size: int, intrinsics: Any = None
    ) -> dict[str, Any]:
        """`perceive` of at most `batch_size` pictures in NumPy arrays, with that many rows for one compiled shape."""
        return self._rescaled(
            perceive_padded(self.answer, self._fit(images), batch_size=batch_size), images, intrinsics
        )

    def motion(self, first: Any, second: Any) -> Float[Array, "b 4 4"]:
        """second_from_first of pictures in temporal order.

        Raises:
            UserError: the weights have no pose network.
        """
        if self.network is None or self.network.pose is None:
            raise UserError(
                "These weights have no pose network, so they cannot predict the motion between two images; "
                "train with config.tasks.depth.motion=predicted."
            )
        fitted = (
            image if self._is_fitted(image) else self._fit(pictures.read(image).each) for image in (first, second)
        )
        return self._motion(self.variables, *fitted)

    def answer(
        self, image: Float[Array, "b h w 3"] | Float[np.ndarray, "b h w 3"], focal: Any = None
    ) -> dict[str, Any]:
        """`perceive` for floats in [0, 1] at the network's size; can be traced by jax and checks nothing.

        Args:
            image: a batch.
            focal: fx / width of each picture [b]; None: the camera that the run was trained for.
        """
        if self.program is not None:
            return for_camera(self.tasks, self.program(image), focal)
        return self._perceive(self.variables, image, focal)

    def on(self, devices: Devices) -> "Perceiver":
        """The same with its variables on all of the devices, to answer batches whose rows are spread over them."""
        return dataclasses.replace(self, variables=devices.place_state(self.variables))

    def _answers(self, name: str, picture: Any, *, intrinsics: Any = None) -> Any:
        given = pictures.read(picture)
        sizes = [each.shape[:2] for each in given.each]
        matrices = None if intrinsics is None else cameras.for_each(intrinsics, sizes)
        return given.like(list(self._each(name, given, matrices)))

    def _each(self, name: str, given: Pictures, matrices: Any) -> Iterator[np.ndarray]:
        """Yields one prediction per picture, at its own size; one picture at a time, so that one shape is compiled."""
        for row, each in enumerate(given.each):
            answers = self.answer(self._fit([each]))
            if name == "depth":  # the only one that depends on the camera
                answers = self._rescaled(answers, [each], None if matrices is None else matrices[row])
            if name not in answers:
                raise UserError(
                    f"This network was trained without the {TASK_OF[name]} task, which predicts {name}; train one with "
                    f"config.tasks.{TASK_OF[name]} set."
                )
            yield RESIZE[name](np.asarray(answers[name])[0], size=each.shape[:2])

    def _rescaled(self, answers: dict[str, Any], images: Sequence[np.ndarray], intrinsics: Any) -> dict[str, Any]:
        """The predictions with depth times (fx / width) / canonical_focal of each picture's camera, where it is set."""
        if self.canonical_focal is None:
            return answers
        sizes = [image.shape[:2] for image in images]
        focals = [matrix[0, 0] / size[1] for matrix, size in zip(cameras.for_each(intrinsics, sizes), sizes)]
        return for_camera(self.tasks, answers, np.array(focals, np.float32))

    def _is_fitted(self, image: Any) -> bool:
        """Whether it is a batch of floats in [0, 1] at the network's size, which needs no conversion."""
        fitted = getattr(image, "dtype", None) == np.float32 and image.shape[1:] == (*self.size, 3) and image.size > 0
        return fitted and bool(image.min() >= 0) and bool(image.max() <= 1)

    def _fit(self, images: Sequence[np.ndarray]) -> Float[np.ndarray, "b h w 3"]:
        return np.stack([pictures.fitted(image, size=self.size) for image in images])

    @functools.cached_property
    def _perceive(self) -> Callable[..., Any]:
        return make_perceive(self.network, self.tasks, flip=self.flip)

    @functools.cached_property
    def _motion(self) -> Callable[[Any, Any, Any], Any]:
        return jax.jit(functools.partial(self.network.apply, method="motion"))


def perceive_padded(
    perceive: Callable[[Any], Arrays], image: Float[np.ndarray, "b h w 3"], *, batch_size: int
) -> dict[str, Any]:
    """NumPy predictions for at most `batch_size` images, filled up to it so that one shape is compiled."""
    predictions = perceive(fill_up(image, batch_size=batch_size))
    return jax.tree.map(lambda values: np.asarray(values)[: len(image)], dict(predictions))


def fill_up(rows: Float[np.ndarray, "b *shape"], *, batch_size: int) -> Float[np.ndarray, "n *shape"]:
    """The rows, padded to `batch_size` with copies of the last one, so that one shape is compiled."""
    return np.concatenate([rows, np.repeat(rows[-1:], batch_size - len(rows), axis=0)])
