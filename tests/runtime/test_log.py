"""metrics.jsonl has neither gap nor double step, and files are written whole."""

import json

import numpy as np

from mtl_depth.runtime import log


def test_rows_and_nested_values(tmp_path):
    board = log.Log(tmp_path, step=0)
    board.scalars(1, {"loss": np.float32(0.5)})
    board.scalars(1, {"depth": {"median_scaled": {"abs_rel": 0.2}}, "recipe": "text"}, split="val")
    board.close()
    assert log.read_metrics(tmp_path / "metrics.jsonl") == [
        {"step": 1, "loss": 0.5},
        {"step": 1, "split": "val", "depth/median_scaled/abs_rel": 0.2},
    ]


def test_rows_beyond_the_restored_step_are_dropped(tmp_path):
    board = log.Log(tmp_path, step=0)
    for step in (1, 2, 3):
        board.scalars(step, {"loss": step})
    board.close()
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 4, "lo')  # what a power cut leaves
    board = log.Log(tmp_path, step=2)
    board.scalars(3, {"loss": 3.5})
    board.close()
    assert [row["loss"] for row in log.read_metrics(tmp_path / "metrics.jsonl")] == [1, 2, 3.5]


def test_json_is_written_whole(tmp_path):
    log.write_json(tmp_path / "sub" / "a.json", {"x": 1})
    assert json.loads((tmp_path / "sub" / "a.json").read_text()) == {"x": 1}
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["a.json"]


def test_a_bar_in_a_log_file_is_made_of_lines(capsys):
    with log.progress(total=3, desc="work", unit="piece") as bar:
        for _ in range(3):
            bar.update()
        log.say("a sentence between")
    error = capsys.readouterr().err
    lines = error.splitlines()
    assert "\r" not in error and "" not in lines and "a sentence between" in lines
    assert lines[0].startswith("work:   0%") and lines[-1].startswith("work: 100%") and "3/3" in lines[-1]
