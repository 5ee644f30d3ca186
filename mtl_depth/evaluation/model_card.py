"""The model card of a run: data, split, steps, numbers, limits and licence, in the run folder."""

import collections
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from mtl_depth.config import Config
from mtl_depth.errors import UserError
from mtl_depth.evaluation import score_tables
from mtl_depth.runtime import log
from mtl_depth.runtime.run_folder import load_config, load_evaluation
from mtl_depth.tasks.depth import is_metric

NAME = "model_card.md"
SPLITS = ("train", "val", "test")
KITTI360 = (
    "If the frames are KITTI-360's, its licence, CC BY-NC-SA 3.0, holds for them, and weights trained on them inherit "
    "it: name the source, no commercial use, share alike. If they are your own recording, their terms are yours."
)
CITY = (
    "The frames are of the synthetic city of this program, which is under Apache-2.0; so are weights trained on them."
)


def write(
    workdir: pathlib.Path, *, metadata: Mapping[str, Any] | None = None, splits: Mapping[str, Sequence] | None = None
) -> None:
    """Writes `workdir`/model_card.md from the files of the run.

    Args:
        workdir: folder with config.json and, if the run was evaluated, evaluation.json.
        metadata: of the data set; None if it is not available.
        splits: frames of train, val and test as (drive, position).
    """
    config = load_config(workdir)
    try:
        evaluation = load_evaluation(workdir)
    except UserError:
        evaluation = None
    rows = log.read_metrics(workdir / "metrics.jsonl")
    steps = max((row["step"] for row in rows), default=(evaluation or {}).get("step"))
    text = make(config, evaluation, name=workdir.resolve().name, steps=steps, metadata=metadata, splits=splits)
    (workdir / NAME).write_text(text, encoding="utf-8")


def make(
    config: Config,
    evaluation: Mapping[str, Any] | None,
    *,
    name: str,
    steps: int | None,
    metadata: Mapping[str, Any] | None = None,
    splits: Mapping[str, Sequence] | None = None,
) -> str:
    """The card as markdown; see `write`."""
    numbers = "Not evaluated yet." if evaluation is None else score_tables.summary(evaluation)
    recipe = (evaluation or {}).get("recipe", "")
    sections = {
        "What it is": [_network(config)],
        "Data": [*_data(config, metadata, splits), "", licence(metadata)],
        "Training": [_training(config, steps)],
        "Numbers": [numbers, "", recipe] if recipe else [numbers],
        "Limits": [f"* {limit}" for limit in limits(config, evaluation)],
    }
    parts = [f"# {name}", ""]
    for title, lines in sections.items():
        parts += [f"## {title}", "", *lines, ""]
    return "\n".join(parts)


def licence(metadata: Mapping[str, Any] | None) -> str:
    """The licence of the frames, and so of the weights."""
    root = pathlib.Path((metadata or {}).get("settings", {}).get("manual_dir", ""))
    return CITY if root.name and (root / "city.json").is_file() else KITTI360


def limits(config: Config, evaluation: Mapping[str, Any] | None) -> list[str]:
    """The limits of the model, in sentences."""
    depth, found = config.tasks.depth, []
    if depth is not None and not is_metric(depth):
        found.append("Depth is up to scale: it has to be multiplied by a factor that this model does not know.")
    elif depth is not None and depth.canonical_focal is not None:
        found.append("Depth is in metres only for pictures whose intrinsics are given.")
    elif depth is not None:
        found.append("Depth is in metres for the camera it was trained with; another focal length changes the scale.")
    if depth is not None:
        found.append("Objects that move with the camera look infinitely far away; depth at glass and sky is wrong.")
    found += [f"Trained at {_sides(config)} pixels (height x width): small and distant objects are lost."]
    found += score_tables.verdicts(evaluation or {})
    if evaluation is not None:
        found.append(
            f"Scored on {evaluation['frames']} frames of {evaluation['split']}; the accuracy elsewhere is unknown."
        )
    return [*found, "Not suitable for driving or for any decision that affects safety."]


def _network(config: Config) -> str:
    tasks = [name for name, section in vars(config.tasks).items() if section is not None]
    model = config.model
    start = model.encoder_weights or config.weights or "random weights"
    return (
        f"The encoder {model.encoder} with {model.width:g} times the published channels and heads for "
        f"{', '.join(tasks)}, for RGB pictures of {_sides(config)} (height x width). Initial weights of the encoder: "
        f"{start}."
    )


def _data(config: Config, metadata: Mapping[str, Any] | None, splits: Mapping[str, Sequence] | None) -> list[str]:
    lines = [
        f"Data set: {config.data.data_dir}"
        + (f", built from {metadata['settings']['manual_dir']}." if metadata else ".")
    ]
    for split in SPLITS if splits else ():
        drives = collections.Counter(int(drive) for drive, _ in splits.get(split, ()))
        if drives:
            listed = ", ".join(f"{drive:04d} ({count})" for drive, count in sorted(drives.items()))
            lines.append(f"* {split}: {sum(drives.values())} frames; drives {listed}")
    for kind, chosen in (("training clips", config.data.train_frames), ("evaluation frames", config.data.eval_frames)):
        if chosen:
            lines.append(f"* of these, {chosen} evenly spaced {kind}")
    return lines


def _training(config: Config, steps: int | None) -> str:
    if config.weights:
        return "Published weights, not trained here."
    train = config.train
    motion = f", {config.tasks.depth.motion} motion" if config.tasks.depth else ""
    return (
        f"{'Unknown' if steps is None else steps} steps of {train.batch_size} clips, learning rate "
        f"{train.learning_rate:g}, seed {train.seed}{motion}. All settings: config.json."
    )


def _sides(config: Config) -> str:
    return "x".join(map(str, config.data.size))
