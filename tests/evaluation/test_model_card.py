"""The model card says what it should, and only what is known."""

import json

import fake_run
import pytest

from mtl_depth import config as configuration
from mtl_depth.evaluation import model_card

ERRORS = {"abs_rel": 0.2, "sq_rel": 1.5, "rmse": 5.0, "rmse_log": 0.3, "delta_1": 0.8, "delta_2": 0.9, "delta_3": 0.95}
EVALUATION = {
    "split": "val",
    "frames": 9,
    "recipe": "the recipe",
    "depth": {"median_scaled": ERRORS, "unscaled": ERRORS, "constant": ERRORS | {"abs_rel": 0.1}},
}


@pytest.fixture
def workdir(tmp_path):
    made = fake_run.config("depth", "instance")
    (tmp_path / "config.json").write_text(json.dumps(configuration.to_dict(made)))
    (tmp_path / "evaluation.json").write_text(json.dumps(EVALUATION))
    (tmp_path / "metrics.jsonl").write_text('{"step": 50, "loss": 1.0}\n{"step": 70, "split": "val"}\n')
    return tmp_path


def test_everything_known_is_on_it(workdir, tmp_path):
    (tmp_path / "city.json").touch()
    metadata = {"settings": {"manual_dir": str(tmp_path)}}
    splits = {"train": [(0, 1), (0, 2), (3, 1)], "val": [(4, 0)], "test": []}
    model_card.write(workdir, metadata=metadata, splits=splits)
    text = (workdir / "model_card.md").read_text()
    assert "resnet18" in text and "depth, instance" in text and "64x96" in text
    assert "train: 3 frames; drives 0000 (2), 0003 (1)" in text and "val: 1 frames; drives 0004 (1)" in text
    assert "test:" not in text
    assert "70 steps of 8 clips" in text and "| ours, median-scaled" in text and "the recipe" in text
    assert "NOT BEATEN: the constant depth" in text.split("## Limits")[1]
    assert "up to scale" in text and "synthetic city" in text and "Not suitable for driving" in text


def test_without_scores_and_data_it_says_so(workdir):
    (workdir / "evaluation.json").unlink()
    model_card.write(workdir)
    text = (workdir / "model_card.md").read_text()
    assert "Not evaluated yet." in text and "CC BY-NC-SA 3.0" in text


def test_metric_models_are_tied_to_their_camera():
    made = fake_run.config("depth")
    made.tasks.depth.motion = "recorded"
    assert any("in metres for the camera" in limit for limit in model_card.limits(made, None))
