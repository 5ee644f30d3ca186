"""A run's own files, damaged or edited, in a table: what was done, and what has to happen."""

import contextlib
import io
import json
import pathlib
from collections.abc import Callable
from typing import Any

import fake_run
import numpy as np
import pytest
from edges.run_case import SCORES, Case, check, dataset, state

from mtl_depth.evaluation import score_tables
from mtl_depth.runtime import log, record, run_folder, run_identity
from mtl_depth.runtime.checkpoint import Checkpoints

CASES: list[Case] = []


# 11. Our own files, damaged
def spoilt(spoil: Callable[[pathlib.Path], Any], *, newest: int | None = 3) -> Callable[..., Any]:
    """Damages what lies beside checkpoints 3 and 7; 3 is whole, so it is the newest that is."""

    def done(at, patch):
        checkpoints = Checkpoints(at, keep=2)
        checkpoints.save(3, state())
        checkpoints.save(7, state())
        checkpoints.close()
        spoil(at / "7")
        checkpoints = Checkpoints(at, keep=2)
        found = checkpoints.newest()
        checkpoints.close()
        assert found == newest, found
        return f"newest {found}"

    return done


def manifest_is(content: str) -> Callable[[pathlib.Path], None]:
    return lambda folder: (folder / "manifest.json").write_text(content) and None


def manifest_folder(folder: pathlib.Path) -> None:
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").mkdir()


def manifest_circle(folder: pathlib.Path) -> None:
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").symlink_to("manifest.json")


ASIDE = ("is damaged", "7.damaged", "newest 3")
CASES += [
    Case("11 manifest", "a list", spoilt(manifest_is("[1, 2]")), ASIDE),
    Case("11 manifest", "a number", spoilt(manifest_is("3")), ASIDE),
    Case("11 manifest", "nested without end", spoilt(manifest_is("[" * 100_000)), ASIDE),
    Case("11 manifest", "a folder", spoilt(manifest_folder), ASIDE),
    Case("11 manifest", "a circle of links", spoilt(manifest_circle), ASIDE),
    Case("11 checkpoints", "a folder with a number that is none", spoilt(
         lambda folder: folder.with_name("\N{SUPERSCRIPT TWO}").mkdir(), newest=7), ("newest 7",)),
    Case("11 checkpoints", "a number with a zero before it", spoilt(lambda folder: folder.with_name("008").mkdir(),
         newest=7), ("newest 7",)),
    Case("11 checkpoints", "a file that is called a part", spoilt(lambda folder: folder.with_name("9.part").touch(),
         newest=7), ("newest 7",)),
]  # fmt: skip


def loaded(name: str, change: Callable[[dict[str, Any]], Any]) -> Callable[..., Any]:
    """Changes one value of config.json or evaluation.json as the program wrote it, and reads it back."""

    def done(at, patch):
        with contextlib.redirect_stderr(io.StringIO()):
            run_identity.check_or_record(at, fake_run.config("depth"), dataset(), clips=4)
        if name == "evaluation.json":
            errors = {"abs_rel": 0.1, "rmse": 4.0}
            depth = {"median_scaled": errors, "unscaled": errors, "constant": errors, "mean_image": errors}
            depth["scale"] = {"median": 1.0, "spread": 0.1}
            record.write(at / name, SCORES | {"depth": depth})
        content = json.loads((at / name).read_text())
        change(content)
        (at / name).write_text(json.dumps(content))
        found = run_folder.load_config(at) if name == "config.json" else run_folder.load_evaluation(at)
        if name == "evaluation.json":
            score_tables.summary(found)
        return "accepted"

    return done


def put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content):
        *sections, last = path.split(".")
        for section in sections:
            content = content[section]
        content[last] = value

    return change


REFUSED, EDITED = ("config.json does not fit this version",), ("config.json was edited or damaged", "accepted")
DAMAGED = ("{at}/evaluation.json is damaged",)
WRONG_SETTINGS = (
    ("train.batch_size", "8"), ("data.size", "big"), ("data.size", [64]), ("model.width", None), ("tasks.depth", 3),
    ("tasks", []), ("evaluation.split", 5), ("train.augment", "yes"), ("train.learning_rate", "1e-4"), ("data", 0),
    ("tasks.depth.left_out", "sky"), ("tasks.depth.farthest", -1.0), ("weights", None),
)  # fmt: skip
CASES += [
    Case("11 config.json", f"{path} = {value!r}", loaded("config.json", put(path, value)), REFUSED, ("accepted",))
    for path, value in WRONG_SETTINGS
]
CASES += [
    Case("11 config.json", "a flipped digit", loaded("config.json", put("tasks.depth.farthest", 200.0)), EDITED),
    Case("11 config.json", "a hand edit", loaded("config.json", put("data.data_dir", "here")), EDITED),
    Case("11 config.json", "as it was", loaded("config.json", lambda _: None), ("accepted",), ("warning",)),
    Case("11 config.json", "without its checksum", loaded("config.json", lambda content: content.pop("sha256")),
         ("accepted",), ("warning",)),
]  # fmt: skip
WRONG_SCORES = (
    ("depth", 3), ("depth", []), ("depth.median_scaled", [1]), ("depth.median_scaled", {}), ("frames", "3"),
    ("depth.median_scaled.abs_rel", "0.1"), ("depth.mean_image", 1.0), ("recipe", 5), ("split", None),
    ("semantic.miou", "x"), ("semantic.majority", 3), ("depth.scale", {"median": 1.0}),
)  # fmt: skip
CASES += [
    Case(
        "11 evaluation.json", f"{path} = {value!r}", loaded("evaluation.json", put(path, value)), DAMAGED, ("accepted",)
    )
    for path, value in WRONG_SCORES
]
CASES += [
    Case("11 evaluation.json", "a flipped digit", loaded("evaluation.json", put("depth.median_scaled.abs_rel", 0.2)),
         ("evaluation.json was edited or damaged", "accepted")),
    Case("11 evaluation.json", "as it was", loaded("evaluation.json", lambda _: None), ("accepted",), ("warning",)),
]  # fmt: skip


def metrics_row(at, patch):
    """A row with numbers that JSON does not have; read as strict readers do."""
    board = log.Log(at, step=0)
    board.scalars(1, {"loss": float("nan"), "depth/photometric": float("inf"), "learning_rate": 1e-4})
    board.close()
    line = (at / "metrics.jsonl").read_text()

    def no_json(word):
        raise AssertionError(f"{word} is not JSON")

    assert json.loads(line, parse_constant=no_json)["loss"] is None
    (row,) = log.read_metrics(at / "metrics.jsonl")
    assert np.isnan(row["loss"]) and row["depth/photometric"] == np.inf and "not_finite" not in row
    return line


def metrics_of_a_run(spoil: Callable[[pathlib.Path], Any]) -> Callable[..., Any]:
    """Continues a run of four rows whose metrics.jsonl was spoilt beside a whole checkpoint."""

    def done(at, patch):
        board = log.Log(at, step=0)
        for step in (1, 2, 3, 4):
            board.scalars(step, {"loss": step})
        board.close()
        spoil(at / "metrics.jsonl")
        log.Log(at, step=4, notes={"rows": 4}).close()
        return "continued"

    return done


def first_half(path: pathlib.Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))


CASES += [
    Case("11 metrics.jsonl", "NaN and infinity", metrics_row, ('"loss": null', '"loss": "nan"', '"inf"')),
    Case("11 metrics.jsonl", "removed", metrics_of_a_run(pathlib.Path.unlink), ("lacks 4 of the rows", "continued")),
    Case("11 metrics.jsonl", "cut", metrics_of_a_run(first_half), ("lacks 2 of the rows", "continued")),
    Case("11 metrics.jsonl", "whole", metrics_of_a_run(lambda _: None), ("continued",), ("warning",)),
    Case("11 metrics.jsonl", "a step that is no number", metrics_of_a_run(
         lambda path: path.write_text('{"step": true}\n' * 4)), ("line 1 is damaged", "lacks 4", "continued")),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_edges(case, tmp_path, monkeypatch, capsys):
    check(case, tmp_path, monkeypatch, capsys)
