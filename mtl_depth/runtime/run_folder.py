"""Reads what a run has left in its folder: the configuration and the evaluation."""

import json
import pathlib
import sys
from typing import Any

from mtl_depth.config import Config, from_dict
from mtl_depth.errors import UserError


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
            f"{pathlib.Path(folder) / 'config.json'} does not fit this version of mtl_depth ({error!r}); train again."
        ) from error


def load_evaluation(folder: str | pathlib.Path) -> dict[str, Any]:
    """The scores of the run (DESIGN 4).

    Raises:
        UserError: evaluation.json is missing or damaged.
    """
    way_out = f"run --mode=evaluate --workdir={folder} first"
    values = _load(folder, "evaluation.json", way_out=way_out)
    if not isinstance(values, dict) or not {"split", "frames"} <= values.keys():
        raise UserError(f"{pathlib.Path(folder) / 'evaluation.json'} is damaged (it holds no scores); {way_out}.")
    return values


def _load(folder: str | pathlib.Path, name: str, *, way_out: str) -> Any:
    file = pathlib.Path(folder) / name
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError:
        raise UserError(f"{folder} holds no {name}; {way_out}.") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is damaged ({error}); {way_out}.") from None
