"""A trained network that looks at pictures: images in, depth and segmentation out."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, UInt8

from mtl_depth.config import Config
from mtl_depth.errors import UserError
from mtl_depth.media import image_files
from mtl_depth.models.camera import focal_scale
from mtl_depth.models.network import Network
from mtl_depth.tasks.base import Arrays, Task
from mtl_depth.tasks.depth import is_metric


def make_perceive(network: Network, tasks: tuple[Task, ...], *, flip: bool = False) -> Callable[[Any, Any], Any]:
    """The jitted function (variables, image[b h w 3] at the network's size, focal) -> outputs and decoded predictions.

    `focal` is fx / width of each picture [b]; None: the camera that the run was trained for.

    Args:
        network: the network.
        tasks: whose `decode` turn outputs into predictions.
        flip: average the disparity with the mirrored answer for the mirrored image.
    """

    @jax.jit
    def perceive(variables: Any, image: Any, focal: Any = None) -> dict[str, Any]:
        outputs = network.apply(variables, image, method="perceive")
        if flip and "disparity" in outputs:
            mirrored = network.apply(variables, image[:, :, ::-1], method="perceive")["disparity"]
            averaged = tuple((a + b[:, :, ::-1]) / 2 for a, b in zip(outputs["disparity"], mirrored))
            outputs = {**outputs, "disparity": averaged}
        return for_camera(tasks, decode(tasks, outputs), focal)

    return perceive


def decode(tasks: tuple[Task, ...], outputs: Arrays) -> dict[str, Any]:
    """The outputs and what all tasks make of them."""
    predictions = {}
    for task in tasks:
        predictions |= task.decode(outputs)
    return {**outputs, **predictions}


def for_camera(tasks: tuple[Task, ...], predictions: Arrays, focal: Any) -> dict[str, Any]:
    """The predictions for cameras of `focal` = fx / width [b]; None: as they are."""
    predictions = dict(predictions)
    for task in tasks if focal is not None else ():
        predictions |= task.for_camera(predictions, focal) if task.for_camera else {}
    return predictions


@dataclasses.dataclass(frozen=True, eq=False)
class Perceiver:
    """A restored network, or an exported program; two lines lead from a picture to metres.

    Attributes:
        config: the run's; of published weights, what corresponds to them.
        network: of the run's tasks; None where a program answers.
        tasks: the run's.
        variables: `{"params": ..., "batch_stats": ...}`; None where a program answers.
        size: height and width that the network sees.
        flip: whether disparity is averaged with the mirrored answer.
        program: image[b h w 3] at the network's size -> outputs and predictions, instead of the network.
    """

    config: Config
    network: Network | None
    tasks: tuple[Task, ...]
    variables: Any
    size: tuple[int, int]
    flip: bool = False
    program: Callable[[Any], Mapping[str, Any]] | None = None

    @property
    def metric(self) -> bool:
        """Whether depth is in metres, and not up to an unknown scale."""
        return self.config.tasks.depth is not None and is_metric(self.config.tasks.depth)

    @property
    def focal_scale(self) -> float:
        """What to multiply the focal length of the data set's intrinsics with; 1 unless config.camera.learn was set."""
        return 1.0 if self.variables is None else focal_scale(self.variables["params"])

    def depth(self, picture: str | pathlib.Path | UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w"]:
        """Depth of one picture, a file or its RGB bytes, at the picture's own size; metres if `metric`.

        Raises:
            UserError: the file cannot be read, or the run has no depth task.
        """
        if self.config.tasks.depth is None:
            raise UserError("This network was trained without the depth task; train one with config.tasks.depth set.")
        image = np.asarray(picture) if isinstance(picture, np.ndarray) else image_files.read(picture)
        fitted = to_float(image_files.resize(image, size=self.size))
        return image_files.resize_depth(np.asarray(self.perceive(fitted[None])["depth"])[0], size=image.shape[:2])

    def perceive(
        self, image: Float[Array, "b h w 3"] | Float[np.ndarray, "b h w 3"], focal: Any = None
    ) -> dict[str, Any]:
        """Outputs and predictions, at the network's size, for images in [0, 1] of any size.

        Args:
            image: a batch.
            focal: fx / width of each picture [b]; None: the camera that the run was trained for.

        Returns:
            The outputs of the heads and, where the run has the task, `depth` b h w (metres, or up to scale where motion
            was predicted), `labels` b h w label ids, `instances` b h w label id * 1000 + number with `scores` b n.
            A StableHLO export answers the predictions only.
        """
        if self.program is not None:
            return for_camera(self.tasks, self.program(self._fit(image)), focal)
        return self._perceive(self.variables, self._fit(image), focal)

    def motion(
        self,
        first: Float[Array, "b h w 3"] | Float[np.ndarray, "b h w 3"],
        second: Float[Array, "b h w 3"] | Float[np.ndarray, "b h w 3"],
    ) -> Float[Array, "b 4 4"]:
        """second_from_first for images in [0, 1] in temporal order.

        Raises:
            UserError: the weights hold no pose network.
        """
        if self.network is None or self.network.pose is None:
            raise UserError(
                "These weights hold no pose network, so they cannot tell the motion between two images; "
                "train with config.tasks.depth.motion=predicted."
            )
        return self._motion(self.variables, self._fit(first), self._fit(second))

    def _fit(self, image: Any) -> Any:
        if tuple(image.shape[1:3]) == tuple(self.size):
            return image
        return np.stack([image_files.resize(frame, size=self.size) for frame in np.asarray(image)])

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
    """The rows and as many copies of the last as make `batch_size`, so that one shape is compiled."""
    return np.concatenate([rows, np.repeat(rows[-1:], batch_size - len(rows), axis=0)])


def to_float(image: UInt8[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Stored colours as float32 in [0, 1]."""
    return image.astype(np.float32) / 255
