"""The whole road in small: city, data set, training, a stop and a restart, evaluation, pictures, Table 1."""

import contextlib
import json
import pathlib
import shutil

import command_line
import cv2
import jax
import numpy as np
import pytest

from mtl_depth import table
from mtl_depth.runtime.log import read_metrics

pytestmark = pytest.mark.as_users


def run(data_dir, workdir, *more: str, variant="instance") -> int:
    """One command line for the smallest variant."""
    return command_line.run(
        f"--config=configs/tiny.py:{variant}", f"--workdir={workdir}", f"--config.data.data_dir={data_dir}",
        "--config.data.size=64,96", "--config.model.width=0.125", "--config.train.batch_size=2",
        "--config.train.log_every=1", "--config.train.picture_every=0", "--config.train.checkpoint_every=1",
        "--config.train.devices=1", "--config.evaluation.batch_size=2", *more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(built_city, tmp_path_factory) -> pathlib.Path:
    workdir = tmp_path_factory.mktemp("run") / "whole"
    assert run(built_city, workdir, "--config.train.steps=3") == 0
    return workdir


def final_state(workdir: pathlib.Path) -> dict[str, np.ndarray]:
    """Everything in the newest checkpoint, by name."""
    import orbax.checkpoint as ocp

    step = max(int(path.name) for path in (workdir / "checkpoints").iterdir() if path.name.isdigit())
    tree = ocp.PyTreeCheckpointer().restore(workdir / "checkpoints" / str(step) / "state")
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def test_run_folder_holds_what_it_should(uninterrupted):
    there = {path.name for path in uninterrupted.iterdir()}
    assert {"config.json", "metrics.jsonl", "tensorboard", "checkpoints", "evaluation.json", "model_card.md"} <= there
    rows = read_metrics(uninterrupted / "metrics.jsonl")
    assert [row["step"] for row in rows if "split" not in row] == [1, 2, 3]
    assert {"loss", "depth/photometric", "depth/smoothness", "instance/center", "learning_rate"} <= rows[0].keys()
    assert rows[-1]["split"] == "val" and "depth/median_scaled/abs_rel" in rows[-1]


def test_a_stop_before_the_first_step_says_that_nothing_is_saved(built_city, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("mtl_depth.commands.train.stop_requests", lambda: contextlib.nullcontext(lambda: True))
    assert run(built_city, tmp_path / "run", "--config.train.steps=3") == 0
    printed = "".join(capsys.readouterr())
    assert "nothing is saved" in printed and "saved in" not in printed and "next:" not in printed


def test_resumed_equals_uninterrupted_bit_for_bit(uninterrupted, built_city, tmp_path):
    workdir = tmp_path / "resumed"
    shutil.copytree(uninterrupted, workdir)
    for step in (2, 3):  # as if the power had failed after step 1; keep_checkpoints holds all three
        shutil.rmtree(workdir / "checkpoints" / str(step))
    assert run(built_city, workdir, "--config.train.steps=3") == 0
    whole, resumed = final_state(uninterrupted), final_state(workdir)
    assert whole.keys() == resumed.keys() and len(whole) > 100
    for name, values in whole.items():
        np.testing.assert_array_equal(resumed[name], values, err_msg=name)
    assert read_metrics(workdir / "metrics.jsonl") == read_metrics(uninterrupted / "metrics.jsonl")


def test_an_evaluation_that_fails_costs_nothing(uninterrupted, built_city, tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise MemoryError

    workdir, steps = tmp_path / "run", "--config.train.steps=3"
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr("mtl_depth.evaluation.evaluator.measure", fail)
        run(built_city, workdir, steps)
    assert (workdir / "checkpoints" / "3" / "manifest.json").exists() and not (workdir / "evaluation.json").exists()
    capsys.readouterr()
    assert run(built_city, workdir, steps) == 0
    assert "next: python -m mtl_depth.main" in capsys.readouterr().err and (workdir / "evaluation.json").exists()
    assert (workdir / "metrics.jsonl").read_bytes() == (uninterrupted / "metrics.jsonl").read_bytes()


def test_evaluate_predict_table(uninterrupted, built_city, tmp_path, capsys):
    assert run(built_city, uninterrupted, "--mode=evaluate") == 0
    evaluation = json.loads((uninterrupted / "evaluation.json").read_text())
    assert evaluation["split"] == "val" and 3 <= evaluation["frames"] <= 6
    assert {"median_scaled", "unscaled", "constant", "mean_image"} <= evaluation["depth"].keys()
    assert {"ap", "ap50", "pq", "sq", "rq", "per_class"} <= evaluation["instance"].keys()

    picture = tmp_path / "input" / "street.png"
    picture.parent.mkdir()
    cv2.imwrite(str(picture), np.random.default_rng(0).integers(0, 255, (100, 210, 3), np.uint8))
    assert run(built_city, uninterrupted, "--mode=predict", f"--input={picture}", f"--output={tmp_path / 'out'}") == 0
    depth = cv2.imread(str(tmp_path / "out" / "street_depth.png"), cv2.IMREAD_UNCHANGED)
    assert depth.shape == (100, 210) and depth.dtype == np.uint16 and depth.min() > 0
    assert run(built_city, uninterrupted, "--mode=predict", f"--output={tmp_path / 'figure'}") == 0
    assert cv2.imread(str(tmp_path / "figure" / "figure.png")).std() > 5

    capsys.readouterr()
    assert not table.main([str(uninterrupted), f"--json={tmp_path / 'table.json'}"])
    printed = capsys.readouterr().out
    assert "(0.459)" in printed and "constant depth" in printed  # the report's value of this row beside ours
    json.loads((tmp_path / "table.json").read_text())


@pytest.mark.slow
def test_the_flip_is_in_the_evaluations_while_training_too(built_city, tmp_path):
    def scored(*options: str) -> dict:
        assert run(built_city, tmp_path, "--config.train.steps=1", *options, variant="depth") == 0
        return json.loads((tmp_path / "evaluation.json").read_text())

    flip = "--config.evaluation.flip=True"
    trained, alone, plain = scored(flip), scored(flip, "--mode=evaluate"), scored("--mode=evaluate")
    assert trained["depth"]["unscaled"] == pytest.approx(alone["depth"]["unscaled"], rel=1e-5)
    assert trained["depth"]["unscaled"] != pytest.approx(plain["depth"]["unscaled"], rel=1e-5)
    assert "mirrored" in trained["recipe"] and trained["recipe"] == alone["recipe"] != plain["recipe"]


def test_another_run_in_the_same_folder_is_refused(uninterrupted, built_city, capsys):
    assert run(built_city, uninterrupted, variant="depth") == 2
    assert "config.tasks.instance" in capsys.readouterr().err
    assert run(built_city, uninterrupted, "--config.model.width=0.25") == 2
    assert "config.model.width (0.125 there, 0.25 here)" in capsys.readouterr().err
