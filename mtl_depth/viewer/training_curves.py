"""The rows of metrics.jsonl as charts of the page."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MOST_STEPS = 300  # of a curve
HIDDEN = ("step", "split")  # columns without a curve
SCORES = ("depth/median_scaled/abs_rel", "depth/unscaled/abs_rel", "semantic/miou", "instance/pq", "instance/ap")


def charts(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Charts as `{"name", "series": [{"run", "points": [[step, value], ...]}, ...]}`; scores on a split come first.

    Args:
        rows: of metrics.jsonl, by the name of the run.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for run, logged in rows.items():
        for curve in curves(logged):
            found.setdefault(curve["name"], []).append({"run": run, "points": curve["points"]})
    return [{"name": name, "series": found[name]} for name in sorted(found, key=_order)]


def curves(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every logged number as `{"name", "points": [[step, value], ...]}`, thinned; constant zeros are left out."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        prefix = f"{row['split']}: " if "split" in row else ""
        if prefix:  # only the main ones of the many scores
            row = {name: row[name] for name in row if name in SCORES} | {"step": row["step"]}
        for name, value in row.items():
            if name not in HIDDEN and isinstance(value, int | float) and np.isfinite(value):
                found.setdefault(prefix + name, []).append([row["step"], value])
    return [
        {"name": name, "points": _thinned(found[name])}
        for name in sorted(found, key=_order)
        if any(value for _, value in found[name]) and (len(found[name]) > 1 or ": " in name)
    ]


def _order(name: str) -> tuple[bool, bool, str]:
    return (": " not in name, name != "loss", name)


def _thinned(points: list[Any]) -> list[Any]:
    """At most about `MOST_STEPS` evenly spaced points, with the last one."""
    stride = max(1, len(points) // MOST_STEPS)
    return points[::-1][::stride][::-1]
