"""The bounds of every numeric setting, and the check of a configuration's types and values."""

import dataclasses
import math
import types
from typing import Any, NamedTuple, get_args, get_origin

WORDS = {int: "a whole number", float: "a number", bool: "True or False", str: "a text"}
WHOLE = 2**31 - 1  # the most that a whole number may be by default


class Bounds(NamedTuple):
    """The bounds of one number.

    Attributes:
        least: the smallest value.
        most: the largest value; None: WHOLE for an integer, any finite value for a float.
        above: a value that the number has to exceed.
        none: the meaning of None, where the setting may be None.
    """

    least: float = -math.inf
    most: float | None = None
    above: float = -math.inf
    none: str = ""


FACTOR, POSITIVE, COUNT, ONE = Bounds(least=0), Bounds(above=0), Bounds(least=0), Bounds(least=1)
BOUNDS = {
    "data.size": Bounds(least=32, most=2**14),
    "data.train_frames": COUNT,
    "data.eval_frames": COUNT,
    "data.clip_length": Bounds(least=1, most=99),
    "data.stride": ONE,
    "data.threads": Bounds(least=0, most=1024),
    "data.workers": Bounds(least=0, most=1024),
    "model.width": Bounds(least=0, most=16),
    "model.decoder_width": Bounds(above=0, most=16, none="for the width"),
    "tasks.depth.weight": FACTOR,
    "tasks.depth.nearest": POSITIVE,
    "tasks.depth.farthest": POSITIVE,
    "tasks.depth.initial_depth": POSITIVE,
    "tasks.depth.canonical_focal": Bounds(least=0.1, most=10, none="to leave depth unscaled"),
    "tasks.depth.translation_weight": FACTOR,
    "tasks.depth.scan_weight": FACTOR,
    "tasks.depth.moving_overlap": FACTOR,
    "tasks.depth.learning_rate_multiplier": FACTOR,
    "tasks.semantic.weight": FACTOR,
    "tasks.semantic.hardest": FACTOR,
    "tasks.semantic.learning_rate_multiplier": FACTOR,
    "tasks.instance.weight": FACTOR,
    "tasks.instance.center_weight": FACTOR,
    "tasks.instance.offset_weight": FACTOR,
    "tasks.instance.learning_rate_multiplier": FACTOR,
    "tasks.reconstruction.weight": FACTOR,
    "tasks.reconstruction.learning_rate_multiplier": FACTOR,
    "train.steps": Bounds(least=1, none="to count epochs"),
    "train.epochs": ONE,
    "train.batch_size": Bounds(least=1, most=2**16),
    "train.accumulate": Bounds(least=1, most=2**16),
    "train.learning_rate": POSITIVE,
    "train.reference_batch": COUNT,
    "train.zoom": Bounds(least=1, most=8),
    "train.exposure": Bounds(least=0, most=4),
    "train.drop_after": Bounds(least=0, most=1),
    "train.drop_factor": FACTOR,
    "train.warmup_steps": COUNT,
    "train.encoder_multiplier": FACTOR,
    "train.pose_multiplier": FACTOR,
    "train.balance_multiplier": FACTOR,
    "train.camera_multiplier": FACTOR,
    "train.clip_norm": Bounds(above=0, none="not to clip"),
    "train.max_skipped": COUNT,
    "train.seed": Bounds(least=-(2**63), most=2**63 - 1),
    "train.log_every": ONE,
    "train.picture_every": COUNT,
    "train.checkpoint_every": ONE,
    "train.keep_checkpoints": ONE,
    "train.evaluate_every": COUNT,
    "train.devices": COUNT,
    "evaluation.batch_size": Bounds(least=1, most=2**12),
}  # by name without `config.`; a new setting that is a number gets a line here


def fault(section: Any, name: str = "config") -> str | None:
    """The message for the first setting whose value has a wrong type, is out of bounds or not finite; else None."""
    for field in dataclasses.fields(section):
        value, setting = getattr(section, field.name), f"{name}.{field.name}"
        if dataclasses.is_dataclass(value):
            found = fault(value, setting)
        else:
            found = _wanted(value, _kinds(field.type), BOUNDS.get(setting.removeprefix("config."), Bounds()))
            found = found and f"{setting} is {value!r}; it must be {found}."
        if found:
            return found
    return None


def _wanted(value: Any, kinds: tuple[Any, ...], bounds: Bounds) -> str | None:
    """Describes what a value would have to be; None where it is valid."""
    if value is None and type(None) in kinds:
        return None
    kind = next(kind for kind in kinds if kind is not type(None))
    or_none = f", or None {bounds.none}".rstrip() if type(None) in kinds else ""
    if dataclasses.is_dataclass(kind):
        return f"a section of settings{or_none}"
    values = [value]
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        fixed = Ellipsis not in inner
        if not isinstance(value, tuple | list) or (fixed and len(value) != len(inner)):
            return f"{len(inner)} numbers" if fixed else "a tuple of names"
        values, kind = value, inner[0]
    if not all(_is_a(entry, kind) for entry in values):
        return f"{WORDS[kind]}{or_none}"
    most = bounds.most or (WHOLE if kind is int else math.inf)
    for entry in values if kind in (int, float) else ():
        if not entry > bounds.above:
            return ("positive" if bounds.above == 0 else "finite") + or_none
        if not entry >= bounds.least:
            return f"at least {bounds.least}{or_none}"
        if not entry <= most or math.isinf(entry):
            return (f"at most {most}" if math.isfinite(most) else "finite") + or_none
    return None


def _is_a(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of a type such as `float | None`."""
    return get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
