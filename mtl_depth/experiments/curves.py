"""Draws the loss curves of several trainings as one picture."""

import importlib.util
import math
import pathlib
from collections.abc import Mapping, Sequence

from mtl_depth.errors import UserError
from mtl_depth.runtime.log import read_metrics

Curve = dict[int, float]  # step -> value


def check() -> None:
    """Raises UserError if curves cannot be drawn, before hours of training."""
    if importlib.util.find_spec("matplotlib") is None:
        raise UserError("Loss curves need matplotlib: pip install -c constraints.txt -e '.[experiments]'.")


def read(folder: pathlib.Path, *, weights: Mapping[str, float]) -> dict[str, Curve]:
    """The terms of a run's metrics.jsonl by name, divided by the weight of their task, the given one and the learned
    one, so that runs can be compared."""
    curves: dict[str, Curve] = {}
    for row in read_metrics(folder / "metrics.jsonl"):
        if "split" in row:
            continue
        for name, value in row.items():
            task, _, term = name.partition("/")
            if term and task != "balance":
                weight = weights.get(task, 1.0) * math.exp(-row.get(f"balance/{task}", 0.0))
                curves.setdefault(name, {})[row["step"]] = value / weight
    return curves


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """The mean over the trainings at the steps that all of them have."""
    steps = sorted(set.intersection(*(set(curve) for curve in curves)))
    return {step: sum(curve[step] for curve in curves) / len(curves) for step in steps}


def draw(path: pathlib.Path, terms: Mapping[str, Mapping[str, Curve]]) -> None:
    """Draws one panel per term with one line per variant; `terms` has the curves by term, then by variant title."""
    import matplotlib

    matplotlib.use("Agg")  # no display
    from matplotlib import pyplot

    columns = min(3, len(terms))
    rows = -(-len(terms) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(5 * columns, 3 * rows), squeeze=False)
    for panel, (term, arms) in zip(axes.flat, terms.items()):
        for title, curve in arms.items():
            panel.plot(list(curve), list(curve.values()), label=title, linewidth=1)
        panel.set_title(term, fontsize=9)
        panel.set_xlabel("step", fontsize=8)
        panel.set_yscale("log")
        panel.legend(fontsize=6)
    for panel in axes.flat[len(terms) :]:
        panel.axis("off")
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
