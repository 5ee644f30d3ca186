"""The sixteen kinds of edges all have their cases: `pytest tests/edges/test_counts.py -s` prints how many of each."""

import collections
import importlib
import inspect
import pathlib
import re

KINDS = {
    1: "a share of one clip, boundaries of numbers", 2: "paths", 3: "one exception for many meanings",
    4: "passed over in silence", 5: "values that cannot be meant", 6: "two readers", 7: "own ground truth",
    8: "which data, which run", 9: "limits of the system", 10: "traps of the real data set",
    11: "own files, damaged", 12: "odd things where files are expected", 13: "results over people's files",
    14: "what is left behind", 15: "advice that does harm", 16: "claims",
}  # fmt: skip
FOLDER = pathlib.Path(__file__).parent


def kinds_in(module) -> list[int]:
    """The kind of every row of the module's tables, and of every test that says its kind in its docstring."""
    found = [str(case.kind) for case in getattr(module, "CASES", ())]
    for name, value in vars(module).items():
        if name.startswith("test_") and inspect.isfunction(value) and value.__module__ == module.__name__:
            found.append((value.__doc__ or "").removeprefix("Kind "))
    return [int(match[0]) for text in found if (match := re.match(r"\d+", text))]


def test_every_kind_has_its_cases():
    counts = collections.Counter()
    for path in sorted(FOLDER.glob("test_*.py")):
        counts.update(kinds_in(importlib.import_module(f"edges.{path.stem}")))
    counts[6] += len(importlib.import_module("edges.test_order_edges").KEPT)
    counts[6] += len(importlib.import_module("edges.test_order_edges").REFUSED)
    print(*(f"| {kind} | {words} | {counts[kind]} |" for kind, words in KINDS.items()), sep="\n")
    assert counts.keys() == KINDS.keys()
    assert min(counts.values()) >= 4 and counts.total() >= 120, counts
