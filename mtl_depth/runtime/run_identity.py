"""A run's folder belongs to one configuration and one data set."""

import json
import pathlib
from typing import Any

from mtl_depth.config import Config, to_dict
from mtl_depth.errors import UserError
from mtl_depth.runtime import log

SAME_SECTIONS = ("model", "tasks", "data", "camera")  # of the configuration, from one part of a run to the next
FREE = tuple(f"data.{name}" for name in ("manual_dir", "data_dir", "threads", "workers", "eval_frames"))


def claim(workdir: pathlib.Path, config: Config, dataset: Any, *, clips: int) -> None:
    """Saves the configuration and what tells its data set from others, or checks that the run begun here is the same.

    Args:
        workdir: the run's folder.
        config: of the run.
        dataset: the opened data set.
        clips: how many training clips it gives.

    Raises:
        UserError: `workdir` holds a run whose model, tasks, data or data set differ; the message names the fields.
    """
    drives = dataset.metadata["drives"].values()
    identity = {**dataset.metadata.get("settings", {}), "frames": sum(len(drive["frames"]) for drive in drives)}
    settings, identity = json.loads(json.dumps([to_dict(config), identity | {"training_clips": clips}]))
    saved = _saved(workdir / "config.json")
    if saved is not None:
        before, now = (
            {name: each.get(name, settings[name]) for name in SAME_SECTIONS} for each in (saved, settings)
        )  # a section that an earlier version did not have is as it is now
        if differing := _differences(before, now):
            raise UserError(
                f"{workdir} holds a run with other settings: {_listed(differing, 'config.')}. "
                "Give another --workdir, or the same settings."
            )
    saved = _saved(workdir / "dataset.json")
    if saved is not None and (differing := _differences(saved, identity)):
        raise UserError(
            f"{config.data.data_dir} is not the data set that the run in {workdir} began with: "
            f"{_listed(differing)}. Give that one as config.data.data_dir, or another --workdir."
        )
    log.write_json(workdir / "dataset.json", identity)
    log.write_json(workdir / "config.json", settings)


def _saved(path: pathlib.Path) -> dict[str, Any] | None:
    """The content of a JSON file, or None where there is no file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise UserError(f"{path} is damaged; restore it, or give another --workdir.")
    return content


def _differences(before: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """(name, value before, value now) of the leaves in which two trees of settings differ."""
    before, now = _leaves(before, ""), _leaves(now, "")
    names = sorted((before.keys() | now.keys()) - set(FREE))
    return [(name, before.get(name), now.get(name)) for name in names if before.get(name) != now.get(name)]


def _leaves(tree: Any, name: str) -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {name: tree}
    leaves = {}
    for key, value in tree.items():
        leaves |= _leaves(value, f"{name}.{key}" if name else key)
    return leaves


def _listed(differing: list[tuple[str, Any, Any]], prefix: str = "") -> str:
    return "; ".join(f"{prefix}{name} ({before} there, {now} here)" for name, before, now in differing)
