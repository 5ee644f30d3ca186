"""Curves of differently balanced trainings show the same quantity: a term without any weight."""

import json

import pytest

from mtl_depth.config import Config, DepthTask, InstanceTask, Tasks, Train
from mtl_depth.experiments import curves, report


def write_rows(folder, *rows):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_given_and_learned_weights_are_divided_out(tmp_path):
    row = {"step": 50, "loss": 9.0, "depth/photometric": 0.55, "balance/depth": 0.0, "other/term": 3.0}
    learned = {"step": 100, "depth/photometric": 1.1, "balance/depth": 0.6931471805599453}  # exp(-s) = 1/2
    evaluation = {"step": 100, "split": "val", "depth/abs_rel": 0.2}
    write_rows(tmp_path, row, learned, evaluation)
    found = curves.read(tmp_path, weights={"depth": 5.5})
    assert found == {"depth/photometric": {50: pytest.approx(0.1), 100: pytest.approx(0.4)}, "other/term": {50: 3.0}}


@pytest.mark.parametrize(("balance", "expected"), [("fixed", 0.1), ("gradient_scale", 0.55)])
def test_a_report_divides_by_the_weights_that_the_loss_had(tmp_path, monkeypatch, balance, expected):
    drawn = {}
    config = Config(tasks=Tasks(depth=DepthTask(weight=5.5), instance=InstanceTask()), train=Train(balance=balance))
    monkeypatch.setattr(report, "load_config", lambda folder: config)
    monkeypatch.setattr(curves, "draw", lambda path, terms: drawn.update(terms))
    write_rows(tmp_path / "run", {"step": 50, "depth/photometric": 0.55})
    report.draw_curves(tmp_path, {("instance", 0): tmp_path / "run"}, ["instance"])
    assert drawn == {"depth/photometric": {"Depth + Instance": {50: pytest.approx(expected)}}}
