"""Reads the configuration and the evaluation in the folder of a run."""

import pathlib
import sys
from collections.abc import Iterator
from numbers import Real
from typing import Any

from mtl_depth.config import Config, from_dict
from mtl_depth.errors import UserError
from mtl_depth.runtime import record


def load_config(folder: str | pathlib.Path) -> Config:
    """The configuration that the run was trained with.

    Raises:
        UserError: config.json is missing, damaged or from another version.
    """
    values = _load(folder, "config.json", way_out="give the --workdir of a training")
    try:
        config = from_dict(values)
        if "depth" in values["model"]:
            sentence = "config.json says model.depth, from before model.encoder; it is read as"
            print(f"{pathlib.Path(folder)}: {sentence} {config.model.encoder}.", file=sys.stderr)
        return config
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise UserError(
            f"{pathlib.Path(folder) / 'config.json'} does not fit this version of mtl_depth "
            f"({str(error).splitlines()[0]}); train again."
        ) from error


def load_evaluation(folder: str | pathlib.Path) -> dict[str, Any]:
    """The scores of the run, the content of evaluation.json.

    Raises:
        UserError: evaluation.json is missing or damaged.
    """
    way_out = f"run --mode=evaluate --workdir={folder} first"
    values = _load(folder, "evaluation.json", way_out=way_out)
    if fault := _fault(values):
        raise UserError(f"{pathlib.Path(folder) / 'evaluation.json'} is damaged ({fault}); {way_out}.")
    return values


SECTIONS = ("depth", "semantic", "instance", "report_head", "odometry")  # of evaluation.json: scores by name
GROUPS = {  # groups of scores inside them, with the scores that must exist
    "median_scaled": ("abs_rel",),
    "unscaled": ("abs_rel",),
    "constant": ("abs_rel",),
    "mean_image": ("abs_rel",),
    "scale": ("median", "spread"),
    "majority": ("miou",),
    "per_class": (),
}


def _fault(values: dict[str, Any]) -> str | None:
    """Describes what in an evaluation differs from the evaluator's format; None if nothing does."""
    if not {"split", "frames"} <= values.keys():
        return "it holds no scores"
    if not isinstance(values["split"], str) or type(values["frames"]) is not int:
        return "split is not a word or frames not a number"
    if not isinstance(values.get("recipe", ""), str):
        return "recipe is not a text"
    sections = {name: values[name] for name in SECTIONS if name in values}
    depth = sections.get("depth")
    if isinstance(depth, dict) and depth and not {"median_scaled", "unscaled"} <= depth.keys():
        return "depth has no median_scaled or no unscaled"
    return next(_wrong_scores(sections, ""), None)


def _wrong_scores(tree: dict[str, Any], where: str) -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, dict):
            lacking = [key for key in GROUPS.get(name, ()) if not isinstance(value.get(key), Real)]
            yield from (f"{where}{name} has no number {key}" for key in lacking)
            yield from _wrong_scores(value, f"{where}{name}.")
        elif where == "" or (name in GROUPS and where != "odometry."):
            yield f"{where}{name} is not a group of scores"
        elif isinstance(value, str | bool):
            yield f"{where}{name} is not a number"


def _load(folder: str | pathlib.Path, name: str, *, way_out: str) -> dict[str, Any]:
    file = pathlib.Path(folder) / name
    try:
        return record.read(file)
    except FileNotFoundError:
        raise UserError(f"{folder} holds no {name}; {way_out}.") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}); {way_out}.") from None
    except ValueError as error:
        raise UserError(f"{file} is damaged ({error}); {way_out}.") from None
