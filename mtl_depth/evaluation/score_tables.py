"""The content of evaluation.json as text: aligned tables, and a statement for each trivial predictor not beaten."""

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = (
    ("AbsRel", "abs_rel"),
    ("SqRel", "sq_rel"),
    ("RMSE", "rmse"),
    ("d<1.25", "delta_1"),
    ("d<1.25^2", "delta_2"),
    ("d<1.25^3", "delta_3"),
)
TRIVIAL = (("constant", "constant depth"), ("mean_image", "mean depth image"))
SEMANTIC = (("mIoU", "miou"), ("mIoU of categories", "miou_category"))
ODOMETRY = (
    ("ATE of 5 frames, m", "ate_5"),
    ("its spread", "ate_5_spread"),
    ("scale", "scale"),
    ("t_rel, %", "t_rel"),
    ("r_rel, deg/100 m", "r_rel"),
)
INSTANCE = (("PQ", "pq"), ("SQ", "sq"), ("RQ", "rq"), ("AP", "ap"), ("AP50", "ap50"))


def show(text: str) -> None:
    """Prints tables to any output: characters that a terminal cannot show are replaced, and a pipe that is closed early
    (`| head`) is not an error."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if text != text.encode(encoding, "replace").decode(encoding):
        text = text.replace("±", "+-").encode(encoding, "replace").decode(encoding)
    try:
        print(text, flush=True)
    except BrokenPipeError:
        with contextlib.suppress(OSError, AttributeError):  # of a stream that is no file
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def summary(evaluation: Mapping[str, Any]) -> str:
    """The tables of one evaluation, with the trivial predictors, and the verdicts below."""
    parts = [f"{evaluation['split']}: {evaluation['frames']} frames"]
    header = [title for title, _ in COLUMNS]
    depth = evaluation.get("depth", {})
    names = (("median_scaled", "ours, median-scaled"), ("unscaled", "ours, unscaled"), *TRIVIAL)
    rows = [[label, *numbers(depth[name])] for name, label in names if depth.get(name)]
    if rows:
        parts.append(aligned([["depth", *header], *rows]))
    if depth.get("scale"):
        parts.append(scale(depth["scale"]))
    if evaluation.get("odometry"):
        found = evaluation["odometry"]
        parts.append(aligned([["motion", *(title for title, _ in ODOMETRY)], ["ours", *numbers(found, ODOMETRY)]]))
    report = evaluation.get("report_head")
    if report:
        rows = [
            ["ours", *numbers(report)],
            ["mean image of the training labels", *numbers(report.get("mean_image", {}))],
        ]
        parts.append(aligned([["value map of the report", *header], *rows]))
    for name, columns in (("semantic", SEMANTIC), ("instance", INSTANCE)):
        section = evaluation.get(name)
        if section:
            rows = [[name, *(title for title, _ in columns)], ["ours", *numbers(section, columns)]]
            if isinstance(section.get("majority"), Mapping):
                rows.append(["majority label image", *numbers(section["majority"], columns)])
            parts.append(aligned(rows))
    return "\n\n".join([*parts, *verdicts(evaluation)])


def scale(found: Mapping[str, float]) -> str:
    """The line about the factor from predicted to true depth, which is 1 where predictions are in metres."""
    return f"scale, median(truth) / median(ours) of a frame: {found['median']:.3f} ± {found['spread']:.3f} over frames"


def verdicts(evaluation: Mapping[str, Any]) -> list[str]:
    """A sentence for every trivial predictor that is not beaten, median-scaled; a model that does not beat it in metres
    either has not learned depth."""
    sentences = []
    depth = evaluation.get("depth", {})
    for name, label in TRIVIAL:
        if not depth.get(name) or depth["median_scaled"]["abs_rel"] < depth[name]["abs_rel"]:
            continue
        better = depth.get("unscaled") and depth["unscaled"]["abs_rel"] < depth[name]["abs_rel"]
        conclusion = "it has not learned depth"
        if better:
            conclusion = f"but in metres, unscaled, the model is better ({depth['unscaled']['abs_rel']:.3f})"
        sentences.append(
            f"NOT BEATEN: the {label} (Abs Rel {depth[name]['abs_rel']:.3f}) is not worse than this model "
            f"({depth['median_scaled']['abs_rel']:.3f}, median-scaled): {conclusion}."
        )
    semantic = evaluation.get("semantic", {})
    if semantic.get("majority") and not semantic["miou"] > semantic["majority"]["miou"]:
        sentences.append(
            f"NOT BEATEN: the majority label image (mIoU {semantic['majority']['miou']:.3f}) is not worse than this "
            f"model ({semantic['miou']:.3f}): it has not learned semantics."
        )
    return sentences


def numbers(values: Mapping[str, Any], columns: Sequence[tuple[str, str]] = COLUMNS) -> list[str]:
    """The values of the columns with three decimals; a dash for a missing value."""
    return [number(values.get(key)) for _, key in columns]


def number(value: float | None) -> str:
    """Three decimals, or a dash for no value."""
    return "-" if value is None or value != value else f"{value:.3f}"


def aligned(rows: Sequence[Sequence[str]], *, names: int = 1) -> str:
    """A markdown table that is also aligned in a terminal; row 1 is the header, the first `names` columns are text."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| "
        + " | ".join(f"{cell:<{w}}" if i < names else f"{cell:>{w}}" for i, (cell, w) in enumerate(zip(row, widths)))
        for row in rows
    ]
    rule = "|" + "|".join("-" * (w + 2) if i < names else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    return "\n".join([lines[0] + " |", rule, *(line + " |" for line in lines[1:])])
