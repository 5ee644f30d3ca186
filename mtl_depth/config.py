"""Every setting, its default and its meaning.

A file in `configs/` returns a `Config`; the command line overrides single fields (`--config.train.steps=500`).
A section is opened by exactly one factory, named in its docstring; nothing beyond that factory sees it.
The least and most value of every number stands in `mtl_depth/bounds.py`.
"""

import dataclasses
from typing import Any, get_args

from mtl_depth.bounds import fault


@dataclasses.dataclass
class Data:
    """Where the frames come from; opened by `mtl_depth.data`."""

    manual_dir: str = ""  # root of a KITTI-360 download; only used to say how to build the data set from it
    data_dir: str = "data"  # folder of the built TFDS data set (`python -m tfds_kitti360.build --data_dir=...`)
    size: tuple[int, int] = (192, 640)  # height, width that the networks see; multiples of 32, at most the stored size
    train_frames: int = 0  # evenly spaced subset of the training clips; 0 means all
    eval_frames: int = 0  # evenly spaced subset of the evaluation frames; 0 means all
    clip_length: int = 3  # frames of a clip (odd); the middle one is the target
    stride: int = 1  # frames between neighbours of a clip
    threads: int = 2  # threads that decode in this process
    workers: int = 0  # further processes that decode; each takes 1 to 2 s to start


@dataclasses.dataclass
class Model:
    """The networks; opened by `mtl_depth.tasks.assemble`."""

    encoder: str = "resnet18"  # resnet18, resnet34, resnet50, efficientnet_lite0, ... (see models/encoder.py)
    width: float = 1.0  # factor on every channel count; 0.25 suits a laptop
    decoder_width: float | None = None  # of the heads, where it differs: published encoder weights need width 1
    dtype: str = "float32"  # arithmetic inside the networks: float32 or bfloat16 (geometry and losses stay float32)
    encoder_weights: str = ""  # to start from: imagenet (from pip), a file, or a hub name such as timm/resnet18.tv_in1k
    freeze_statistics: bool = False  # the encoder's BatchNorm keeps its loaded statistics in training


@dataclasses.dataclass
class DepthTask:
    """Self-supervised depth; opened by `mtl_depth.tasks.depth.make`."""

    weight: float = 1.0  # of all depth terms in the total loss
    motion: str = "predicted"  # "predicted" by the pose network, or "recorded": the data set's poses (metric depth)
    nearest: float | None = None  # depth at disparity 1; None: 0.1 with predicted motion, 1 m with recorded
    farthest: float | None = None  # depth at disparity 0; None: 100 with predicted motion, 200 m with recorded
    initial_depth: float | None = None  # depth from the untrained head; None: Monodepth2's, or 10 m where metric
    canonical_focal: float | None = None  # fx / width that depth is predicted for, then scaled; None: unscaled
    crop: str = ""  # "garg" evaluates inside the Garg crop only
    stereo: bool = False  # the right image as a further source, with the known baseline: metric depth
    translation_weight: float = 0.0  # ties the length of predicted translations to the poses: metric depth; try 0.01
    scan_weight: float = 0.0  # of the mean |log depth error| at laser returns; 0: the scans are not read
    left_out: tuple[str, ...] = ()  # labels whose pixels the photometric loss leaves out: ("sky", "ego vehicle")
    moving_overlap: float = 0.0  # people and vehicles that warp onto each other with less IoU are left out; 0: none
    semantic_edges: bool = False  # disparity may change where the class does, whatever the colours
    learning_rate_multiplier: float = 1.0  # for the parameters of this head


@dataclasses.dataclass
class SemanticTask:
    """Semantic segmentation; opened by `mtl_depth.tasks.semantic.make`."""

    weight: float = 1.0  # of all semantic terms in the total loss
    head: str = "classes"  # "classes": 19 logits a pixel; "report": one sigmoid channel regressed to label id / 255
    hardest: float = 1.0  # share of the hardest pixels that the cross-entropy counts; 0.2 is usual
    learning_rate_multiplier: float = 1.0  # for the parameters of this head


@dataclasses.dataclass
class InstanceTask:
    """Instance segmentation; opened by `mtl_depth.tasks.instance.make`."""

    weight: float = 1.0  # of all instance terms in the total loss
    head: str = "panoptic"  # "panoptic": centres, offsets, thing classes; "report": one channel, value / 65535
    things: tuple[str, ...] = (  # classes whose instances are told apart
        "building",
        "person",
        "rider",
        "car",
        "truck",
        "motorcycle",
        "bicycle",
    )
    center_weight: float = 200.0  # of the centre heatmap's mean square error
    offset_weight: float = 0.01  # of the offsets' mean absolute error
    learning_rate_multiplier: float = 1.0  # for the parameters of this head


@dataclasses.dataclass
class Camera:
    """What is learned of the camera; opened by `mtl_depth.tasks.assemble`."""

    learn: bool = False  # learn a factor on the focal length; for videos whose intrinsics are a guess


@dataclasses.dataclass
class Tasks:
    """Which tasks train together: a section each, or None."""

    depth: DepthTask | None = None
    semantic: SemanticTask | None = None
    instance: InstanceTask | None = None


@dataclasses.dataclass
class Train:
    """The optimisation; opened by `mtl_depth.training.optimizer` and the loop in `mtl_depth.commands.train`."""

    steps: int | None = None  # optimiser steps; wins over epochs when set
    epochs: int = 20  # passes over the training clips
    batch_size: int = 8  # clips of a step, over all devices
    accumulate: int = 1  # parts of a batch that are processed one after the other, in the memory of one part
    rematerialise: bool = False  # computes features again instead of keeping them, for large inputs; not on CPU
    learning_rate: float = 1e-4  # until the drop
    reference_batch: int = 0  # batch size that learning_rate is for, and is scaled from; 0: no scaling
    drop_after: float = 0.75  # share of the steps after which the learning rate drops
    drop_factor: float = 0.1  # learning rate after the drop, relative to before
    warmup_steps: int = 0  # linear warm-up from zero
    encoder_multiplier: float = 1.0  # on the learning rate of the encoder
    pose_multiplier: float = 1.0  # on the learning rate of the pose network
    balance: str = "fixed"  # of the tasks' weights: "fixed", "uncertainty" or "gradient_scale" (see training/balance)
    balance_multiplier: float = 10.0  # on the learning rate of the log-variances of "uncertainty"
    camera_multiplier: float = 10.0  # on the learning rate of the focal length, where config.camera.learn is set
    clip_norm: float | None = None  # clips the global gradient norm; None: no clipping
    max_skipped: int = 10  # updates skipped in a row, because loss or gradient is not finite, before the run stops
    augment: bool = True  # flips and colour jitter
    zoom: float = 1.0  # largest random zoom into a clip, its intrinsics adjusted; 1: none
    exposure: float = 0.0  # largest random change of exposure that the networks see, in stops; 0: none
    seed: int = 0  # of weights, order of clips and augmentation
    log_every: int = 50  # steps between rows of metrics.jsonl
    picture_every: int = 500  # steps between TensorBoard pictures; 0: none
    checkpoint_every: int = 500  # steps between checkpoints
    keep_checkpoints: int = 3  # newest ones kept, in addition to the best
    evaluate_every: int = 0  # steps between evaluations; 0: at the end only
    devices: int = 0  # devices used by this process; 0: all
    profile: str = ""  # START:STOP, steps whose profiler trace is written to the run folder, such as 10:12; "": none


@dataclasses.dataclass
class Evaluation:
    """What `--mode=evaluate` and the evaluations while training do; opened by `mtl_depth.commands.evaluate`."""

    split: str = "val"  # train, val or test
    checkpoint: str = "latest"  # of the run folder: "latest", "best" (by Abs Rel on val) or a step
    batch_size: int = 8  # frames at a time
    flip: bool = False  # average with the prediction for the mirrored picture
    flip_average: str = "mean"  # or "monodepth2": near the sides only one of the two, as in Monodepth2


@dataclasses.dataclass
class Log:
    """Services that get the rows of metrics.jsonl too; opened by `mtl_depth.runtime.loggers`."""

    wandb: str = ""  # project of Weights & Biases (extra wandb; WANDB_MODE=offline keeps all on this machine); "": none
    mlflow: str = ""  # experiment of MLflow (extra mlflow), at MLFLOW_TRACKING_URI or in RUN/mlflow.db; "": none


@dataclasses.dataclass
class Config:
    """A whole run."""

    data: Data = dataclasses.field(default_factory=Data)
    model: Model = dataclasses.field(default_factory=Model)
    tasks: Tasks = dataclasses.field(default_factory=Tasks)
    camera: Camera = dataclasses.field(default_factory=Camera)
    train: Train = dataclasses.field(default_factory=Train)
    evaluation: Evaluation = dataclasses.field(default_factory=Evaluation)
    log: Log = dataclasses.field(default_factory=Log)
    initial_weights: str = ""  # "starter", a run or an exported file that training starts from where the parts fit
    weights: str = ""  # whole-model weights (a Monodepth2 folder) to evaluate, predict or export instead of a run


def to_dict(config: Config) -> dict[str, Any]:
    """The configuration as plain JSON values."""
    return dataclasses.asdict(config)


def from_dict(values: dict[str, Any]) -> Config:
    """The inverse of `to_dict`.

    Runs from before there were several kinds of encoders have `model.depth`, the layers of their ResNet.

    Raises:
        TypeError: a field does not exist.
        ValueError: a value is of another type than its setting, or out of its bounds.
    """
    model = dict(values["model"])
    if "depth" in model:
        model["encoder"] = f"resnet{model.pop('depth')}"
    tasks = {
        field.name: _section(field.type)(**_tuples(values["tasks"][field.name]))
        for field in dataclasses.fields(Tasks)
        if values["tasks"].get(field.name) is not None
    }
    config = Config(
        data=Data(**_tuples(values["data"])),
        model=Model(**model),
        tasks=Tasks(**tasks),
        camera=Camera(**values.get("camera", {})),  # runs from before this section learned nothing of it
        train=Train(**values["train"]),
        evaluation=Evaluation(**values["evaluation"]),
        log=Log(**values.get("log", {})),
        initial_weights=values.get("initial_weights", ""),
        weights=values["weights"],
    )
    if sentence := fault(config):
        raise ValueError(sentence.rstrip("."))
    return config


def _section(optional: Any) -> type:
    """The section in the type `Section | None`."""
    return next(kind for kind in get_args(optional) if dataclasses.is_dataclass(kind))


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    """JSON turns tuples into lists; this turns them back."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
