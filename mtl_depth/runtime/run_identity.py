"""Checks that a resumed run has the configuration and data set that it began with, except for what may change."""

import hashlib
import json
import pathlib
from typing import Any

from mtl_depth.config import Config, Train, from_dict, to_dict
from mtl_depth.errors import UserError
from mtl_depth.runtime import log, record
from mtl_depth.runtime.checkpoint import steps_in

# Which settings may differ when a run is resumed. A name is that of a setting or of a section; the longest matching
# name applies.
MAY = "may change"
WARNS = "may change, with a warning"
NOT = "may not change"
SETTINGS = {
    "data": NOT,
    "data.manual_dir": MAY,
    "data.data_dir": MAY,  # the content of the data set is compared, not its location
    "data.threads": MAY,
    "data.workers": MAY,
    "data.eval_frames": WARNS,
    "model": NOT,
    "model.encoder_weights": WARNS,
    "initial_weights": WARNS,
    "tasks": NOT,
    "tasks.depth.crop": WARNS,
    "camera": NOT,
    "train": WARNS,
    "train.balance": NOT,
    "train.log_every": MAY,
    "train.picture_every": MAY,
    "train.checkpoint_every": MAY,
    "train.keep_checkpoints": MAY,
    "train.evaluate_every": MAY,
    "train.max_skipped": MAY,
    "train.rematerialise": MAY,
    "train.devices": MAY,
    "train.profile": MAY,
    "evaluation": MAY,
    "log": MAY,
    "weights": MAY,
}
NOT_COMPARED = ("built_with", "steps")  # of dataset.json
WORDS = {
    "data.eval_frames": "later scores are for other frames",
    "model.encoder_weights": "only the first step of a run reads it",
    "initial_weights": "only the first step of a run reads it",
    "tasks.depth.crop": "later scores are for another crop",
    "train.batch_size": "an epoch has another number of steps, and the clips come in another order",
    "train.accumulate": "BatchNorm sees other parts of a batch",
    "train.seed": "the clips come in another order; the weights are those of before",
}


def check_or_record(
    workdir: pathlib.Path, config: Config, dataset: Any, *, clips: int, rate: Any = None, steps: int | None = None
) -> None:
    """Records the configuration and the identity of the data set, or checks that the run in `workdir` has the same.

    Args:
        workdir: the run's folder.
        config: of the run.
        dataset: the opened data set.
        clips: number of its training clips.
        rate: (training section, steps of the run, step) -> learning rate; used to report a change of it in numbers.
        steps: of the run.

    Raises:
        UserError: `workdir` has a run whose model, tasks, data or data set differ; the message lists the fields.
    """
    settings, identity = json.loads(json.dumps([to_dict(config), fingerprint(dataset.metadata)]))
    identity |= {"training_clips": clips, "steps": steps}
    before = _settings(workdir, settings)
    known = _saved(workdir / "dataset.json")
    differing = []
    if before is not None:
        differing = [entry for entry in _differences(before, settings) if rule(entry[0]) != MAY]
        if refused := [entry for entry in differing if rule(entry[0]) == NOT]:
            raise UserError(
                f"{workdir} holds a run with other settings: {_listed(refused, 'config.')}. "
                "Give another --workdir, or the same settings."
            )
    if known is not None:
        compared = {name: value for name, value in known.items() if name in identity and name not in NOT_COMPARED}
        if other := _differences(compared, {name: identity[name] for name in compared}):
            raise UserError(
                f"{config.data.data_dir} is not the data set that the run in {workdir} began with: "
                f"{_listed(other)}. Give that one as config.data.data_dir, or another --workdir."
            )
    for name, there, here in differing:
        word = f"; {WORDS[name]}" if name in WORDS else ""
        log.say(f"warning: config.{name} was {there} in this run and is {here} from now on{word}.")
    if before is not None:
        _say_rates(workdir, before, config, known or {}, steps, rate)
    record.write(workdir / "dataset.json", identity)
    record.write(workdir / "config.json", settings)


def fingerprint(metadata: dict[str, Any]) -> dict[str, Any]:
    """The identity of a data set, independent of its folder: sizes and camera, and a digest of frames and splits."""
    names = ["size", "image_size", "intrinsics", "depth_scale", "stereo"]
    names += ["baseline"] if metadata.get("stereo") else []
    described = {name: metadata[name] for name in names if name in metadata}
    described["lossy"] = metadata.get("storage") == "jpeg"
    drives = metadata["drives"]
    keys = ("frames", "splits", "content", "pose", "semantic", "instance", "scan", "positions")
    content = {name: {key: drive[key] for key in keys if key in drive} for name, drive in drives.items()}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    frames = sum(len(drive["frames"]) for drive in drives.values())
    return described | {"frames": frames, "content": digest, "built_with": dict(metadata.get("settings", {}))}


def rule(name: str) -> str:
    """Whether a setting, such as `train.steps`, may differ when a run is continued."""
    parts = name.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((SETTINGS[name] for name in names if name in SETTINGS), NOT)


def _say_rates(
    workdir: pathlib.Path, before: dict[str, Any], config: Config, known: dict[str, Any], steps: int | None, rate: Any
) -> None:
    """Warns if the learning rate of the next step differs from the previous one: more steps move its drop."""
    checkpoints = workdir / "checkpoints"
    step = max(steps_in(checkpoints), default=0) if checkpoints.is_dir() else 0
    if rate is None or not step or not known.get("steps"):
        return
    there = rate(Train(**before["train"]), known["steps"], step - 1)
    here = rate(config.train, steps, step)
    if there != here:
        log.say(
            f"warning: the learning rate was {there:.3g} at step {step} and is {here:.3g} from the next on, since the "
            f"run has {steps} steps now and not {known['steps']}, or another schedule."
        )


def _settings(workdir: pathlib.Path, now: dict[str, Any]) -> dict[str, Any] | None:
    """The settings that the run began with; a section that its version did not have is taken from `now`."""
    saved = _saved(workdir / "config.json")
    if saved is None:
        return None
    try:
        return json.loads(json.dumps(to_dict(from_dict(now | saved))))
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise UserError(
            f"{workdir / 'config.json'} does not fit this version of mtl_depth ({str(error).splitlines()[0]}); "
            "give another --workdir."
        ) from None


def _saved(path: pathlib.Path) -> dict[str, Any] | None:
    """The content of a record, or None if there is no file."""
    try:
        return record.read(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise UserError(f"{path} is damaged; restore it, or give another --workdir.") from None


def _differences(before: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """(name, value before, value now) for the leaves in which two trees of settings differ."""
    before, now = _leaves(before, ""), _leaves(now, "")
    names = sorted(before.keys() | now.keys())
    return [(name, before.get(name), now.get(name)) for name in names if before.get(name) != now.get(name)]


def _leaves(tree: Any, name: str) -> dict[str, Any]:
    if not isinstance(tree, dict) or not tree:
        return {name: tree}
    leaves = {}
    for key, value in tree.items():
        leaves |= _leaves(value, f"{name}.{key}" if name else key)
    return leaves


def _listed(differing: list[tuple[str, Any, Any]], prefix: str = "") -> str:
    return "; ".join(f"{prefix}{name} ({before} there, {now} here)" for name, before, now in differing)
