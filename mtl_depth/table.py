"""`python -m mtl_depth.table RUN_DIR...`: Table 1 of the report (docs/references.md), with its values in brackets."""

import argparse
import collections
import pathlib
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from mtl_depth.config import Config
from mtl_depth.data import footage
from mtl_depth.errors import UserError
from mtl_depth.evaluation.score_tables import (
    COLUMNS,
    INSTANCE,
    SEMANTIC,
    TRIVIAL,
    aligned,
    number,
    numbers,
    scale,
    show,
    verdicts,
)
from mtl_depth.runtime import disk, log
from mtl_depth.runtime.run_folder import load_config, load_evaluation

# Table 1 of the report (Kinfu, He and Howe, CS482/682). It does not say whether its depth is median-scaled; its values
# stand next to the median-scaled rows.
BASELINE, DEPTH, SEMANTICS, INSTANCES = (
    "Baseline (Monodepth2, KITTI)",
    "Depth",
    "Depth + Semantics",
    "Depth + Instance",
)
REPORT = {
    (BASELINE, "depth"): (0.525, 10.122, 13.624, 0.333, 0.597, 0.768),
    (DEPTH, "depth"): (0.555, 16.409, 15.942, 0.403, 0.652, 0.795),
    (SEMANTICS, "depth"): (0.642, 17.142, 16.153, 0.306, 0.555, 0.728),
    (SEMANTICS, "semantics"): (0.051, 0.002, 0.008, 0.947, 0.976, 0.991),
    (INSTANCES, "depth"): (0.459, 10.783, 14.258, 0.443, 0.692, 0.827),
    (INSTANCES, "instance"): (0.117, 0.015, 0.064, 0.888, 0.963, 0.982),
}
ORDER = (BASELINE, DEPTH, SEMANTICS, INSTANCES)
LOWER_IS_BETTER = {"abs_rel", "sq_rel", "rmse"}


class Run(NamedTuple):
    """The parts of a run folder that the table shows."""

    folder: pathlib.Path
    kind: str  # the row of the report, or all tasks joined by " + "
    config: Config
    evaluation: dict[str, Any]


class Row(NamedTuple):
    """A row of Table 1; bold marks the best among the rows of the same `group`."""

    run: str
    what: str
    group: str
    ours: dict[str, float]
    report: tuple[float, ...] | None


def load(folder: str | pathlib.Path) -> Run:
    """Reads config.json and evaluation.json.

    Raises:
        UserError: one of them is missing or damaged.
    """
    config = load_config(folder)
    return Run(pathlib.Path(folder), kind(config), config, load_evaluation(folder))


def kind(config: Config) -> str:
    """The row of the report that a configuration belongs to."""
    if config.weights:
        return BASELINE
    names = (("depth", "Depth"), ("semantic", "Semantics"), ("instance", "Instance"))
    return " + ".join(label for name, label in names if getattr(config.tasks, name) is not None)


def rows(runs: Sequence[Run]) -> list[Row]:
    """The rows of Table 1 for all runs, then those of the trivial predictors without repetitions."""
    lines, trivial = [], []
    for run in runs:
        name = f"{run.kind} ({run.folder.name})"
        depth = run.evaluation.get("depth", {})
        if "median_scaled" in depth:
            report = REPORT.get((run.kind, "depth"))
            lines.append(Row(name, "depth, median-scaled", "scaled", depth["median_scaled"], report))
            lines.append(Row("", "depth, unscaled", "unscaled", depth["unscaled"], None))
            name = ""
        if "report_head" in run.evaluation:
            semantic = run.config.tasks.semantic is not None and run.config.tasks.semantic.head == "report"
            what = "semantics" if semantic else "instance"
            values = run.evaluation["report_head"]
            lines.append(Row(name, f"{what} (value map)", what, values, REPORT.get((run.kind, what))))
        for key, label in TRIVIAL:
            if key in depth and all(row.ours != depth[key] or row.what != label for row in trivial):
                trivial.append(Row("Trivial", label, "scaled", depth[key], None))
    return lines + trivial


def table(lines: Sequence[Row]) -> str:
    """Table 1 as markdown: ours, the best of each column and group in bold, and (the report's)."""
    best = {}
    sizes = collections.Counter(line.group for line in lines)
    for line in (line for line in lines if sizes[line.group] > 1):
        for _, key in COLUMNS:
            value = line.ours.get(key)
            if value is not None and value == value:
                sign = 1 if key in LOWER_IS_BETTER else -1
                best[line.group, key] = min(best.get((line.group, key), (float("inf"), None)), (sign * value, value))
    cells = [["run", "", *(title for title, _ in COLUMNS)]]
    for line in lines:
        cells.append([line.run, line.what])
        for position, (_, key) in enumerate(COLUMNS):
            value = line.ours.get(key)
            text = number(value)
            if best.get((line.group, key), (None, None))[1] == value and text != "-":
                text = f"**{text}**"
            cells[-1].append(text + (f" ({line.report[position]:.3f})" if line.report else ""))
    return aligned(cells, names=2)


def segmentation(runs: Sequence[Run]) -> list[str]:
    """The segmentation scores of the default heads, which the report does not have."""
    parts = []
    for name, columns in (("semantic", SEMANTIC), ("instance", INSTANCE)):
        lines = [
            [f"{run.kind} ({run.folder.name})", *numbers(run.evaluation[name], columns)]
            for run in runs
            if name in run.evaluation
        ]
        if lines:
            parts.append(aligned([[name, *(title for title, _ in columns)], *lines]))
    return parts


def notes(runs: Sequence[Run]) -> list[str]:
    """Notes on the table: frames, how depth is scored, differences between runs, trivial predictors not beaten."""
    sentences = ["In brackets: the report's values, for other frames. Bold: the best of each column and kind of row."]
    for run in runs:
        scored = f"{run.evaluation['frames']} frames of {run.evaluation['split']}"
        depth = run.config.tasks.depth
        scored += f", {depth.motion} motion" if depth is not None and not run.config.weights else ""
        sentences.append(f"{run.kind} ({run.folder}): {scored}.")
        found = run.evaluation.get("depth", {}).get("scale")
        sentences += [f"  {scale(found)}."] if found else []
        sentences += [f"  {verdict}" for verdict in verdicts(run.evaluation)]
    if len({(run.evaluation["split"], run.evaluation["frames"]) for run in runs}) > 1:
        sentences.append("These runs were scored on different frames: their rows cannot be compared.")
    sentences += changes(runs)
    if any("report_head" in run.evaluation for run in runs):
        sentences.append(
            "Value map: label id / 255 (semantics) or instance value / 65535, scored with the depth errors; the report "
            "does not state this scaling, it is inferred from the ratio of its RMSE and SqRel."
        )
    return sentences + sorted({run.evaluation["recipe"] for run in runs if "recipe" in run.evaluation})


def changes(runs: Sequence[Run]) -> list[str]:
    """The report's central claim for these runs: how a second task changes Abs Rel."""
    found = {run.kind: run.evaluation["depth"]["median_scaled"]["abs_rel"] for run in runs if "depth" in run.evaluation}
    return [
        f"{other} against {DEPTH}: AbsRel {found[other] / found[DEPTH] - 1:+.0%} "
        f"(report: {REPORT[other, 'depth'][0] / REPORT[DEPTH, 'depth'][0] - 1:+.0%})."
        for other in (SEMANTICS, INSTANCES)
        if DEPTH in found and other in found
    ]


def as_json(runs: Sequence[Run], lines: Sequence[Row]) -> dict[str, Any]:
    """The table as plain values for JSON."""
    return {
        "runs": [{"folder": str(run.folder), "kind": run.kind, "evaluation": run.evaluation} for run in runs],
        "table": [
            {
                "run": line.run,
                "row": line.what,
                "ours": {key: line.ours.get(key) for _, key in COLUMNS},
                "report": dict(zip((key for _, key in COLUMNS), line.report)) if line.report else None,
            }
            for line in lines
        ],
    }


def main(argv: Sequence[str]) -> int:
    """Prints Table 1 of the given run folders; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m mtl_depth.table", description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN_DIR", help="run folder with an evaluation.json")
    parser.add_argument("--json", metavar="FILE", help="also write the table to this file")
    arguments = parser.parse_args(argv)
    try:
        runs = sorted((load(footage.expand(folder)) for folder in arguments.runs), key=_order)
        lines = rows(runs)
        show("\n\n".join([table(lines), *segmentation(runs), "\n".join(notes(runs))]))
        if arguments.json:
            with disk.reporting_refusals(arguments.json):
                log.write_json(footage.expand(arguments.json), as_json(runs, lines))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _order(run: Run) -> int:
    return ORDER.index(run.kind) if run.kind in ORDER else len(ORDER)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
