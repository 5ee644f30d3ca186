"""The trainings of the study of Table 1: two scales, the four variants, and further ones with one changed setting."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from mtl_depth.config import (
    Config,
    Data,
    DepthTask,
    Evaluation,
    InstanceTask,
    Model,
    ReconstructionTask,
    SemanticTask,
    Tasks,
    Train,
)

RATIO = 5.5  # depth : segmentation, of the report
HELD_OUT_SPLIT = "train"  # a city of a single street lists it as train; nothing is ever trained on these


@dataclasses.dataclass(frozen=True)
class Scale:
    """One size of the study. Cities are drawn to train on, each with a camera of its own where they vary; the last
    street of each is left out, and that of the first is the validation street. The held-out streets are cities of a
    single street each.

    Attributes:
        cities: seeds of the cities to train on.
        streets: of each, the left-out one included.
        frames: drawn on each of them; three quarters get labels.
        held_out: seeds of the held-out streets.
        held_out_frames: drawn on each of these.
        variety: whether cameras, light and streets vary.
        drawn: height and width of the drawn pictures, and of the truth that is scored against.
        size: height and width that the networks see.
        train_frames: evenly spaced training clips; 0: all.
        eval_frames: evenly spaced frames of either evaluation; 0: all.
        model: the networks.
        canonical_focal: see `config.DepthTask`.
        motion: of the depth task.
        steps: of each training; None: 20 epochs.
        batch_size: clips of a step.
        learning_rate: until its drop.
        offset_weight: of the instance task, for pixels of the full picture, 1408 wide.
        announce: whether the speed of a step is measured and printed first.
    """

    cities: tuple[int, ...]
    streets: int
    frames: int
    held_out: tuple[int, ...]
    held_out_frames: int
    variety: bool
    drawn: tuple[int, int]
    size: tuple[int, int]
    train_frames: int
    eval_frames: int
    model: Model
    canonical_focal: float | None
    motion: str
    steps: int | None
    batch_size: int
    learning_rate: float
    offset_weight: float
    announce: bool


SCALES = {
    # The report's experiment. 6 x 2,800 frames x 3/4 with labels: 10,500 to train on, 2,100 to validate on.
    "paper": Scale(
        cities=(0,), streets=6, frames=2800, held_out=(1,), held_out_frames=2800, variety=False, drawn=(192, 720),
        size=(192, 640), train_frames=9000, eval_frames=2000,
        model=Model(dtype="bfloat16", encoder_weights="timm/resnet18.tv_in1k"), canonical_focal=None,
        motion="predicted", steps=None, batch_size=8, learning_rate=1e-4, offset_weight=0.01 * 1408 / 640,
        announce=True,
    ),
    # What two CPU cores finish overnight. Motion is the recorded one: with predicted motion depth collapses first and
    # needs about ten times the steps, which leaves nothing to compare after this budget.
    "small": Scale(
        cities=tuple(range(200, 212)), streets=5, frames=50, held_out=(300, 301, 302, 303), held_out_frames=60,
        variety=True, drawn=(128, 416), size=(96, 320), train_frames=0, eval_frames=0,
        model=Model(encoder="efficientnet_lite0", encoder_weights="imagenet", decoder_width=0.5), canonical_focal=0.5,
        motion="recorded", steps=1000, batch_size=4, learning_rate=5e-4, offset_weight=0.01 * 1408 / 320,
        announce=False,
    ),
}  # fmt: skip


def no_change(config: Config) -> None:
    """The change of the four variants: none."""


class Arm(NamedTuple):
    """A training of the study; with the same seed, all start from the same weights and see the same batches.

    Attributes:
        title: title of its row in a table.
        tasks: in addition to depth.
        change: changes the configuration of the variant with the same tasks.
    """

    title: str
    tasks: tuple[str, ...] = ()
    change: Callable[[Config], None] = no_change


def _ratio(value: float) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        config.tasks.depth.weight = value

    return change


def _balance(mode: str, *, depth: float = RATIO) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        config.train.balance = mode
        config.tasks.depth.weight = depth

    return change


def _guided(**switches: Any) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        config.tasks.depth = dataclasses.replace(config.tasks.depth, **switches)

    return change


VARIANTS = {
    "depth": Arm("Depth"),
    "semantic": Arm("Depth + Semantics", ("semantic",)),
    "instance": Arm("Depth + Instance", ("instance",)),
    "panoptic": Arm("Depth + Semantics + Instance", ("semantic", "instance")),
}


def _report_head(task: str) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        getattr(config.tasks, task).head = "report"

    return change


def _clips(count: int) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        config.data.train_frames = count

    return change


_SHORT = {"semantic": "Depth + Semantics", "instance": "Depth + Instance"}
_SKY, _EDGES, _MOVING = {"left_out": ("sky", "ego vehicle")}, {"semantic_edges": True}, {"moving_overlap": 0.5}
_BALANCED = {
    f"{task}_{name}": Arm(f"{title}, {what}", (task,), change)
    for name, what, change in (
        ("ratio_1", "ratio 1 : 1", _ratio(1.0)),
        ("ratio_20", "ratio 20 : 1", _ratio(20.0)),
        ("uncertainty", "learned uncertainty", _balance("uncertainty", depth=1.0)),
        ("gradient_scale", "gradients 9 : 1", _balance("gradient_scale", depth=9.0)),
    )
    for task, title in _SHORT.items()
}
_SWITCHED = {
    "depth_sky": Arm("Depth, sky left out", (), _guided(**_SKY)),
    "depth_edges": Arm("Depth, semantic edges", (), _guided(**_EDGES)),
    "depth_moving": Arm("Depth, moving left out", (), _guided(**_MOVING)),
    "semantic_guided": Arm("Depth + Semantics, all three", ("semantic",), _guided(**_SKY, **_EDGES, **_MOVING)),
    "instance_guided": Arm("Depth + Instance, all three", ("instance",), _guided(**_SKY, **_EDGES, **_MOVING)),
    "panoptic_guided": Arm(
        "Depth + Semantics + Instance, all three", ("semantic", "instance"), _guided(**_SKY, **_EDGES, **_MOVING)
    ),
}
_HEADS = {
    f"{task}_report_head": Arm(f"{title}, the report's head", (task,), _report_head(task))
    for task, title in _SHORT.items()
}
_FEWER = {
    f"{name}_{count}": Arm(f"{VARIANTS[name].title}, {count} clips", VARIANTS[name].tasks, _clips(count))
    for count in (250, 500, 1000)
    for name in ("depth", "instance")
}
_CONTROL = {"reconstruction": Arm("Depth + Reconstruction (no labels)", ("reconstruction",))}
ARMS = VARIANTS | _CONTROL | _BALANCED | _SWITCHED | _HEADS | _FEWER


def configuration(scale: Scale, arm: Arm, *, seed: int, data_dir: str) -> Config:
    """The configuration of a training. Those of one seed differ only by what they name."""
    sections = {
        "depth": DepthTask(
            weight=RATIO if arm.tasks else 1.0, motion=scale.motion, canonical_focal=scale.canonical_focal
        ),
        "semantic": SemanticTask() if "semantic" in arm.tasks else None,
        "instance": InstanceTask(offset_weight=scale.offset_weight) if "instance" in arm.tasks else None,
        "reconstruction": ReconstructionTask() if "reconstruction" in arm.tasks else None,
    }
    config = Config(
        data=Data(
            data_dir=data_dir, size=scale.size, train_frames=scale.train_frames, eval_frames=scale.eval_frames
        ),
        model=dataclasses.replace(scale.model),
        tasks=Tasks(**sections),
        train=Train(
            steps=scale.steps, batch_size=scale.batch_size, learning_rate=scale.learning_rate, seed=seed,
            picture_every=0, keep_checkpoints=1,
        ),
        evaluation=Evaluation(split="val"),
    )  # fmt: skip
    arm.change(config)
    return config
