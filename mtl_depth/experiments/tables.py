"""The tables of the study: scores by variant over seeds, with the report's values and trivial predictors."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mtl_depth import table
from mtl_depth.evaluation.score_tables import COLUMNS, TRIVIAL, aligned
from mtl_depth.experiments.statistics import Paired, mean, paired
from mtl_depth.experiments.variants import ARMS

Scores = dict[tuple[str, int], dict[str, Any]]  # by variant and seed


class Number(NamedTuple):
    """A number of evaluation.json: its path and its title."""

    title: str
    path: tuple[str, ...]


ABS_REL = Number("AbsRel", ("depth", "median_scaled", "abs_rel"))
DEPTH = [Number(title, ("depth", "median_scaled", key)) for title, key in COLUMNS]
CARS = Number("PQ of cars", ("instance", "per_class", "car", "pq"))
OTHERS = [
    Number("AbsRel unscaled", ("depth", "unscaled", "abs_rel")),
    Number("scale", ("depth", "scale", "median")),
    Number("scale's spread over frames", ("depth", "scale", "spread")),
    Number("mIoU", ("semantic", "miou")),
    Number("mIoU of the majority image", ("semantic", "majority", "miou")),
    Number("PQ", ("instance", "pq")),
    CARS,
    Number("AP", ("instance", "ap")),
    Number("AP50", ("instance", "ap50")),
]


def look_up(scores: Mapping[str, Any], path: Sequence[str]) -> float | None:
    """The number at a path, or None."""
    found: Any = scores
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def values(scores: Scores, name: str, path: Sequence[str]) -> dict[int, float]:
    """The number of a variant by seed, where it exists."""
    found = {seed: look_up(scored, path) for (arm, seed), scored in scores.items() if arm == name}
    return {seed: value for seed, value in found.items() if value is not None}


def main_table(scores: Scores, names: Sequence[str]) -> str:
    """Median-scaled depth by variant: mean and spread over seeds, the report's value in brackets; then trivial rows."""
    rows = [["depth, median-scaled", "seeds", *(number.title for number in DEPTH)]]
    for name in names:
        report = table.REPORT.get((ARMS[name].title, "depth"), (None,) * len(DEPTH))
        cells = [cell(values(scores, name, number.path), given) for number, given in zip(DEPTH, report)]
        rows.append([ARMS[name].title, str(len(values(scores, name, ABS_REL.path))), *cells])
    first = next(iter(scores.values()))
    for key, title in TRIVIAL:
        cells = [cell({0: first["depth"][key][k]} if key in first["depth"] else {}) for _, k in COLUMNS]
        rows.append([title, "", *cells])
    return aligned(rows)


def other_table(scores: Scores, names: Sequence[str]) -> str:
    """Metric depth and segmentation by variant; columns without any value are left out."""
    shown = [number for number in OTHERS if any(values(scores, name, number.path) for name in names)]
    rows = [["", *(number.title for number in shown)]]
    for name in names:
        none = "-" if values(scores, name, ABS_REL.path) else "not run"
        rows.append([ARMS[name].title, *(cell(values(scores, name, number.path), none=none) for number in shown)])
    return aligned(rows)


def cell(found: Mapping[int, float], report: float | None = None, *, none: str = "not run") -> str:
    """`0.215 ± 0.004 (0.459)`: mean, spread, the report's; `none` where there is no value."""
    if not found:
        return none
    average = mean(list(found.values()))
    spread = "" if math.isnan(average.spread) else f" ± {average.spread:.3f}"
    return f"{average.mean:.3f}{spread}" + ("" if report is None else f" ({report:.3f})")


def difference_table(scores: Scores, names: Sequence[str]) -> str | None:
    """The Abs Rel of every variant compared with depth alone, paired by seed; None without a pair."""
    rows = [["AbsRel against depth alone", "seeds", "difference", "standard error", "relative", "significant"]]
    for name in names:
        found = differences(scores, name)
        if name != "depth" and found:
            pair, relative = found
            error = "-" if math.isnan(pair.error) else f"{pair.error:.4f}"
            verdict = "yes" if pair.significant else "no"
            rows.append([ARMS[name].title, str(pair.count), f"{pair.mean:+.4f}", error, f"{relative:+.1%}", verdict])
    if len(rows) == 1:
        return None
    return aligned(rows) + "\n\nSignificant: p < 0.05, paired t-test over the seeds."


def differences(scores: Scores, name: str) -> tuple[Paired, float] | None:
    """The paired difference of Abs Rel to depth alone and its size relative to depth alone's mean."""
    ours, alone = (values(scores, arm, ABS_REL.path) for arm in (name, "depth"))
    seeds = sorted(ours.keys() & alone.keys())
    if not seeds:
        return None
    pair = paired([ours[seed] for seed in seeds], [alone[seed] for seed in seeds])
    return pair, pair.mean / mean([alone[seed] for seed in seeds]).mean


def street_table(scores: Scores, names: Sequence[str]) -> str | None:
    """Every arm's Abs Rel against depth alone, street by street: means over the seeds that both have."""
    rows = [["AbsRel against depth alone", "streets", "difference", "standard error", "better on", "significant"]]
    for name in names:
        ours, alone = (streets(scores, arm) for arm in (name, "depth"))
        seeds = sorted(ours.keys() & alone.keys())
        if name == "depth" or not seeds:
            continue
        means = [[mean(list(found)).mean for found in zip(*(side[seed] for seed in seeds))] for side in (ours, alone)]
        pair = paired(*means)
        better = sum(ours < alone for ours, alone in zip(*means))
        rows.append(
            [
                ARMS[name].title, str(pair.count), f"{pair.mean:+.4f}", f"{pair.error:.4f}", f"{better}",
                "yes" if pair.significant else "no",
            ]
        )  # fmt: skip
    if len(rows) == 1:
        return None
    return aligned(rows) + "\n\nMeans over the seeds, paired by street; significant: p < 0.05, paired t-test."


def streets(scores: Scores, name: str) -> dict[int, list[float]]:
    """By seed, the Abs Rel of an arm on each held-out street."""
    found = {seed: scored.get("streets", ()) for (arm, seed), scored in scores.items() if arm == name}
    return {seed: [look_up(street, ABS_REL.path) for street in each] for seed, each in found.items() if len(each) > 1}
