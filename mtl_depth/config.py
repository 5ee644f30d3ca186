"""Every setting, its default and its meaning.

A file in `configs/` returns a `Config`; the command line overrides single fields (`--config.train.steps=500`).
A section is read by exactly one factory, which its docstring names; other code receives plain values.
The bounds of every number are in `mtl_depth/bounds.py`.
"""

import dataclasses
from typing import Any, get_args

from mtl_depth.bounds import fault


@dataclasses.dataclass
class Data:
    """Where the frames come from; read by `mtl_depth.data`."""

    manual_dir: str = ""  # root of a KITTI-360 download; only used to print the command that builds the data set
    data_dir: str = "data"  # folder of the built TFDS data set (`python -m tfds_kitti360.build --data_dir=...`)
    size: tuple[int, int] = (192, 640)  # height, width of the networks' input; multiples of 32, at most the stored size
    train_frames: int = 0  # evenly spaced subset of the training clips; 0 means all
    eval_frames: int = 0  # evenly spaced subset of the evaluation frames; 0 means all
    clip_length: int = 3  # frames of a clip (odd); the middle one is the target
    stride: int = 1  # frames between neighbours of a clip
    threads: int = 2  # decoding threads in this process
    workers: int = 0  # additional decoding processes; each takes 1 to 2 s to start


@dataclasses.dataclass
class Model:
    """The networks; read by `mtl_depth.tasks.assemble`."""

    encoder: str = "resnet18"  # resnet18, resnet34, resnet50, efficientnet_lite0, ... (see models/encoder.py)
    width: float = 1.0  # factor on every channel count; 0.25 suits a laptop
    decoder_width: float | None = None  # the same for the heads; None: width (published encoder weights need width 1)
    dtype: str = "float32"  # arithmetic inside the networks: float32 or bfloat16 (geometry and losses stay float32)
    encoder_weights: str = ""  # initial weights: imagenet (from pip), a file, or a hub name (timm/resnet18.tv_in1k)
    freeze_statistics: bool = False  # the encoder's BatchNorm keeps its loaded statistics during training


@dataclasses.dataclass
class DepthTask:
    """Self-supervised depth; read by `mtl_depth.tasks.depth.make`."""

    weight: float = 1.0  # of all depth terms in the total loss
    motion: str = "predicted"  # "predicted" by the pose network, or "recorded": the data set's poses (metric depth)
    nearest: float | None = None  # depth at disparity 1; None: 0.1 with predicted motion, 1 m with recorded
    farthest: float | None = None  # depth at disparity 0; None: 100 with predicted motion, 200 m with recorded
    initial_depth: float | None = None  # depth that the untrained head predicts; None: Monodepth2's, or 10 m if metric
    canonical_focal: float | None = None  # predict for this fx / width, then scale to the camera; None: no scaling
    crop: str = ""  # "garg" evaluates inside the Garg crop only
    stereo: bool = False  # use the right image as an additional source, with the known baseline: metric depth
    translation_weight: float = 0.0  # weight that ties the length of predicted translations to the poses; try 0.01
    scan_weight: float = 0.0  # weight of the mean |log depth error| at laser returns; 0: scans are not read
    left_out: tuple[str, ...] = ()  # labels excluded from the photometric loss, such as ("sky", "ego vehicle")
    moving_overlap: float = 0.0  # exclude people and vehicles whose warped and true masks have a lower IoU; 0: none
    semantic_edges: bool = False  # smoothness allows disparity to change at class borders, whatever the colours
    learning_rate_multiplier: float = 1.0  # factor on the learning rate of this head


@dataclasses.dataclass
class SemanticTask:
    """Semantic segmentation; read by `mtl_depth.tasks.semantic.make`."""

    weight: float = 1.0  # of all semantic terms in the total loss
    head: str = "classes"  # "classes": 19 logits per pixel; "report": one sigmoid channel regressed to label id / 255
    hardest: float = 1.0  # the cross-entropy is averaged over this share of the hardest pixels; 0.2 is usual
    learning_rate_multiplier: float = 1.0  # factor on the learning rate of this head


@dataclasses.dataclass
class InstanceTask:
    """Instance segmentation; read by `mtl_depth.tasks.instance.make`."""

    weight: float = 1.0  # of all instance terms in the total loss
    head: str = "panoptic"  # "panoptic": centres, offsets, thing classes; "report": one channel, value / 65535
    things: tuple[str, ...] = (  # classes with separate instances
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
    learning_rate_multiplier: float = 1.0  # factor on the learning rate of this head


@dataclasses.dataclass
class Camera:
    """Learning of the camera; read by `mtl_depth.tasks.assemble`."""

    learn: bool = False  # learn a factor on the focal length; for videos whose intrinsics are a guess


@dataclasses.dataclass
class ReconstructionTask:
    """The picture's own colours, without labels: a control; opened by `mtl_depth.tasks.reconstruction.make`."""

    weight: float = 1.0  # of the term in the total loss
    learning_rate_multiplier: float = 1.0  # for the parameters of this head


@dataclasses.dataclass
class Tasks:
    """The tasks that are trained together: a section for each, or None."""

    depth: DepthTask | None = None
    semantic: SemanticTask | None = None
    instance: InstanceTask | None = None
    reconstruction: ReconstructionTask | None = None


@dataclasses.dataclass
class Train:
    """The optimisation; read by `mtl_depth.training.optimizer` and the loop in `mtl_depth.commands.train`."""

    steps: int | None = None  # optimiser steps; overrides epochs
    epochs: int = 20  # passes over the training clips
    batch_size: int = 8  # clips per step, over all devices
    accumulate: int = 1  # process a batch in this many parts, one after the other, in the memory of one part
    rematerialise: bool = False  # recompute features instead of storing them, for large inputs; saves nothing on a CPU
    learning_rate: float = 1e-4  # until the drop
    reference_batch: int = 0  # batch size that learning_rate is meant for; others scale it linearly; 0: no scaling
    drop_after: float = 0.75  # share of the steps after which the learning rate drops
    drop_factor: float = 0.1  # learning rate after the drop, relative to before
    warmup_steps: int = 0  # linear warm-up from zero
    encoder_multiplier: float = 1.0  # on the learning rate of the encoder
    pose_multiplier: float = 1.0  # on the learning rate of the pose network
    balance: str = "fixed"  # task weights: "fixed", "uncertainty" or "gradient_scale" (see training/balance.py)
    balance_multiplier: float = 10.0  # on the learning rate of the log-variances of "uncertainty"
    camera_multiplier: float = 10.0  # on the learning rate of the focal length, where config.camera.learn is set
    clip_norm: float | None = None  # clips the global gradient norm; None: no clipping
    max_skipped: int = 10  # the run stops after more updates in a row whose loss or gradient is not finite
    augment: bool = True  # flips and colour jitter
    zoom: float = 1.0  # largest random zoom into a clip, with adjusted intrinsics; 1: none
    exposure: float = 0.0  # largest random change of the exposure of the networks' input, in stops; 0: none
    seed: int = 0  # of weights, order of clips and augmentation
    log_every: int = 50  # steps between rows of metrics.jsonl
    picture_every: int = 500  # steps between TensorBoard pictures; 0: none
    checkpoint_every: int = 500  # steps between checkpoints
    keep_checkpoints: int = 3  # newest checkpoints that are kept, in addition to the best
    evaluate_every: int = 0  # steps between evaluations; 0: at the end only
    devices: int = 0  # devices used by this process; 0: all
    profile: str = ""  # write a profiler trace of the steps START:STOP, such as 10:12, to the run folder; "": none


@dataclasses.dataclass
class Evaluation:
    """`--mode=evaluate` and evaluations during training; read by `mtl_depth.commands.evaluate`."""

    split: str = "val"  # train, val or test
    checkpoint: str = "latest"  # of the run folder: "latest", "best" (by Abs Rel on val) or a step
    batch_size: int = 8  # frames at a time
    flip: bool = False  # average with the prediction for the mirrored picture
    flip_average: str = "mean"  # or "monodepth2", its post-processing: only one of the two near left and right borders


@dataclasses.dataclass
class Log:
    """Services that also receive the rows of metrics.jsonl; read by `mtl_depth.runtime.loggers`."""

    wandb: str = ""  # project of Weights & Biases (extra wandb; WANDB_MODE=offline keeps all data local); "": none
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
    initial_weights: str = ""  # "starter", a run or an exported file: training starts from all weights that fit
    weights: str = ""  # weights of a whole model (a Monodepth2 folder) to evaluate, predict or export instead of a run


def to_dict(config: Config) -> dict[str, Any]:
    """The configuration as plain JSON values."""
    return dataclasses.asdict(config)


def from_dict(values: dict[str, Any]) -> Config:
    """The inverse of `to_dict`.

    Runs of earlier versions have `model.depth`, the number of layers of their ResNet, instead of `model.encoder`.

    Raises:
        TypeError: a field does not exist.
        ValueError: a value has another type than its setting, or is out of bounds.
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
        camera=Camera(**values.get("camera", {})),  # earlier versions had no such section
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
