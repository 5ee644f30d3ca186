"""A trained network looking at pictures: restored from a run or from published weights, and scored on a split."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, UInt8

from mtl_depth import data as dataset_reader
from mtl_depth import pictures, pretrained
from mtl_depth.config import Config, Data, DepthTask, Model, Tasks
from mtl_depth.errors import UserError
from mtl_depth.models.network import Network, init
from mtl_depth.run_folder import load_config
from mtl_depth.runtime import checkpoint as checkpoints
from mtl_depth.runtime import log
from mtl_depth.tasks import assemble
from mtl_depth.tasks.base import Arrays, Task, add

SPLITS = ("train", "val", "test")
RECIPE = (
    "Depth truth: one laser scan a frame, corrected for the motion during the sweep, projected to the rectified left "
    "camera, pixel = floor(u + 0.5), nearest return wins, z in metres, 0 unknown. Predicted disparity resized "
    "bilinearly to the truth's size. Scored where 1e-3 < truth < 80 m ({crop} crop), prediction clipped to that range, "
    "errors a frame, then averaged over the frames. median_scaled: prediction times median(truth) / median(prediction) "
    "of the frame; unscaled: as predicted."
)


def make_perceive(network: Network, tasks: tuple[Task, ...], *, flip: bool = False) -> Callable[[Any, Any], Any]:
    """The jitted function (variables, image[b h w 3] at the network's size) -> outputs and decoded predictions.

    Args:
        network: the network.
        tasks: whose `decode` turn outputs into predictions.
        flip: average the disparity with the mirrored answer for the mirrored image.
    """

    @jax.jit
    def perceive(variables: Any, image: Any) -> dict[str, Any]:
        outputs = network.apply(variables, image, method="perceive")
        if flip and "disparity" in outputs:
            mirrored = network.apply(variables, image[:, :, ::-1], method="perceive")["disparity"]
            averaged = tuple((a + b[:, :, ::-1]) / 2 for a, b in zip(outputs["disparity"], mirrored))
            outputs = {**outputs, "disparity": averaged}
        predictions = {}
        for task in tasks:
            predictions |= task.decode(outputs)
        return {**outputs, **predictions}

    return perceive


@dataclasses.dataclass(frozen=True, eq=False)
class Perceiver:
    """A restored network; two lines lead from a picture to metres.

    Attributes:
        config: the run's; of published weights, what corresponds to them.
        network: of the run's tasks.
        tasks: the run's.
        variables: `{"params": ..., "batch_stats": ...}`.
        size: height and width that the network sees.
        flip: whether disparity is averaged with the mirrored answer.
    """

    config: Config
    network: Network
    tasks: tuple[Task, ...]
    variables: Any
    size: tuple[int, int]
    flip: bool = False

    def perceive(self, image: Float[Array, "b h w 3"] | Float[np.ndarray, "b h w 3"]) -> dict[str, Any]:
        """Outputs and predictions, at the network's size, for images in [0, 1] of any size.

        Returns:
            The outputs of the heads and, where the run has the task, `depth` b h w (metres, or up to scale where motion
            was predicted), `labels` b h w label ids, `instances` b h w label id * 1000 + number with `scores` b n.
        """
        return self._perceive(self.variables, self._fit(image))

    def motion(
        self,
        first: Float[Array, "b h w 3"] | Float[np.ndarray, "b h w 3"],
        second: Float[Array, "b h w 3"] | Float[np.ndarray, "b h w 3"],
    ) -> Float[Array, "b 4 4"]:
        """second_from_first for images in [0, 1] in temporal order.

        Raises:
            UserError: the weights hold no pose network.
        """
        if self.network.pose is None:
            raise UserError("These weights hold no pose network, so they cannot tell the motion between two images.")
        return self._motion(self.variables, self._fit(first), self._fit(second))

    def _fit(self, image: Any) -> Any:
        if tuple(image.shape[1:3]) == tuple(self.size):
            return image
        return np.stack([pictures.resize(frame, size=self.size) for frame in np.asarray(image)])

    @functools.cached_property
    def _perceive(self) -> Callable[[Any, Any], Any]:
        return make_perceive(self.network, self.tasks, flip=self.flip)

    @functools.cached_property
    def _motion(self) -> Callable[[Any, Any, Any], Any]:
        return jax.jit(functools.partial(self.network.apply, method="motion"))


def load_perceiver(path: str | pathlib.Path, *, checkpoint: str = "latest", flip: bool = False) -> Perceiver:
    """Restores a run folder (config.json, checkpoints/) or a Monodepth2 weight folder (encoder.pth, depth.pth).

    Args:
        path: the folder.
        checkpoint: of a run: "latest", "best" or a step.
        flip: average the disparity with the mirrored answer for the mirrored image.

    Raises:
        UserError: there is no such folder, it is neither of the two, or what it holds is damaged.
    """
    path = pathlib.Path(path)
    if not path.is_dir():
        raise UserError(f"{path} does not exist; give a run folder or a folder of Monodepth2 weights.")
    if (path / "config.json").is_file():
        config = load_config(path)
        if config.weights and not (path / "checkpoints").exists():  # an evaluation of published weights
            return load_perceiver(config.weights, flip=flip)
        return _load_run(path, config, checkpoint=checkpoint, flip=flip)
    if any(path.glob("encoder.*")):
        return _load_monodepth2(path, flip=flip)
    raise UserError(f"{path} holds neither config.json (a run folder) nor encoder.pth (Monodepth2 weights).")


def _load_run(path: pathlib.Path, config: Config, *, checkpoint: str, flip: bool) -> Perceiver:
    network, chosen = assemble(config.model, config.tasks)
    size = tuple(config.data.size)
    target = jax.eval_shape(functools.partial(init, network, size=size), jax.random.key(0))
    variables = checkpoints.restore_variables(path / "checkpoints", target, checkpoint=checkpoint)
    return Perceiver(config, network, chosen, variables, size, flip)


def _load_monodepth2(path: pathlib.Path, *, flip: bool) -> Perceiver:
    settings = pretrained.read_monodepth2_settings(path)
    depth = DepthTask(motion="predicted", nearest=settings.nearest, farthest=settings.farthest)
    config = Config(
        data=Data(size=settings.size), model=Model(depth=settings.depth), tasks=Tasks(depth=depth), weights=str(path)
    )
    network, chosen = assemble(config.model, config.tasks)
    if not settings.predict_motion:
        network = network.clone(pose=None)
    return Perceiver(config, network, chosen, pretrained.load_monodepth2(path), tuple(settings.size), flip)


def measure(
    perceive: Callable[[Any], Arrays],
    tasks: tuple[Task, ...],
    dataset: Any,
    data: Data,
    *,
    split: str,
    batch_size: int,
    studied: dict[str, Any] | None = None,
    crop: str = "",
    progress: bool = True,
) -> dict[str, Any]:
    """Scores predictions on the frames of a split that have any truth the tasks are scored against.

    Args:
        perceive: image[b h w 3] in [0, 1] -> predictions; called with `batch_size` images each time.
        tasks: whose `metrics` do the scoring.
        dataset: an opened data set.
        data: the section of the configuration that it was opened with.
        split: train, val or test.
        batch_size: frames at a time.
        studied: what `study` answered; None: the trivial baselines are computed now.
        crop: the one that the depth task scores inside, to be named in the recipe.
        progress: whether to show a bar.

    Returns:
        The content of evaluation.json (DESIGN 4).

    Raises:
        UserError: there is no such split, or it holds no truth.
    """
    check_split(split)
    reads = frozenset().union(*(task.metrics.reads for task in tasks))
    total = dataset_reader.frames(dataset, data, split=split, reads=reads)
    if not total:
        truths = " or ".join(sorted(reads - {"confidence"}))
        raise UserError(
            f"The split {split} of {data.data_dir} has no frame with {truths} to score against; "
            "choose another one with --config.evaluation.split."
        )
    if studied is None:
        studied = study(tasks, dataset, data, batch_size=batch_size, progress=progress)
    sums = {task.name: None for task in tasks}
    batches = dataset_reader.evaluation_batches(dataset, data, split=split, reads=reads, batch_size=batch_size)
    with log.progress(total=total, desc=f"evaluate {split}", unit="frame", disable=not progress) as bar:
        for batch in batches:
            predictions = perceive_padded(perceive, to_float(batch["image"][:, 0]), batch_size=batch_size)
            for task in tasks:
                sums[task.name] = add(sums[task.name], task.metrics.measure(predictions, batch, studied[task.name]))
            bar.update(len(batch["image"]))
    sections = {}
    for task in tasks:
        sections |= task.metrics.summarise(sums[task.name])
    return {"split": split, "frames": total, **sections, "recipe": RECIPE.format(crop=crop or "no")}


def study(
    tasks: tuple[Task, ...], dataset: Any, data: Data, *, batch_size: int = 8, progress: bool = True
) -> dict[str, Any]:
    """What the trivial predictors know of the training frames, by task name (SPEC 8)."""
    data = dataclasses.replace(data, eval_frames=data.train_frames)

    def batches(task: Task) -> Iterator[Arrays]:
        reads = task.metrics.reads
        total = dataset_reader.frames(dataset, data, split="train", reads=reads)
        with log.progress(
            total=total, desc=f"trivial baselines of {task.name}", unit="frame", disable=not (progress and total)
        ) as bar:
            for batch in dataset_reader.evaluation_batches(
                dataset, data, split="train", reads=reads, batch_size=batch_size
            ):
                yield batch
                bar.update(len(batch["image"]))

    return {task.name: task.metrics.study(batches(task)) for task in tasks}


def check_split(split: str) -> None:
    """Raises UserError for a split that no data set has."""
    if split not in SPLITS:
        raise UserError(f"config.evaluation.split is {split!r}; choose one of {', '.join(SPLITS)}.")


def perceive_padded(
    perceive: Callable[[Any], Arrays], image: Float[np.ndarray, "b h w 3"], *, batch_size: int
) -> dict[str, Any]:
    """NumPy predictions for at most `batch_size` images, filled up to it so that one shape is compiled."""
    rows = len(image)
    padded = np.concatenate([image, np.repeat(image[-1:], batch_size - rows, axis=0)])
    return jax.tree.map(lambda values: np.asarray(values)[:rows], dict(perceive(padded)))


def to_float(image: UInt8[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Stored colours as float32 in [0, 1]."""
    return image.astype(np.float32) / 255
