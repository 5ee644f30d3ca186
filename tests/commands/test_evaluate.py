"""`--mode=evaluate`: what is saved and printed, whose settings win, mistakes."""

import dataclasses
import json
import shutil

import fake_run
import pytest

from mtl_depth import config as configuration
from mtl_depth.commands import evaluate
from mtl_depth.errors import UserError

NAMES = ("depth", "semantic", "instance")


@pytest.fixture
def workdir(tmp_path, monkeypatch):
    fake_run.install(monkeypatch)
    run = tmp_path / "run"
    shutil.copytree(fake_run.folder(*NAMES), run)
    restored = fake_run.perceiver(*NAMES)  # compiled once for all tests
    monkeypatch.setattr("mtl_depth.inference.load_perceiver", lambda path, **options: restored)
    return run


def test_scores_are_printed_and_saved(workdir, capsys):
    result = evaluate.run(fake_run.config(*NAMES), workdir)
    saved = json.loads((workdir / "evaluation.json").read_text())
    assert saved.pop("sha256") and saved == json.loads(json.dumps(result))
    assert set(saved) >= {"split", "frames", "depth", "semantic", "instance", "recipe"}
    assert not list(workdir.glob("*.part"))
    printed = capsys.readouterr().out
    for words in (
        "ours, median-scaled",
        "ours, unscaled",
        "constant depth",
        "mean depth image",
        "majority label image",
    ):
        assert words in printed
    assert f"{saved['depth']['median_scaled']['abs_rel']:.3f}" in printed
    assert "NOT BEATEN" in printed  # random weights have learnt nothing


def test_the_trained_model_wins_over_the_given_one(workdir, capsys):
    given = fake_run.config("depth", "instance")
    given.model.width = 1.0
    given.data.size = (192, 640)
    given.model.encoder_weights = "elsewhere"
    result = evaluate.run(given, workdir)
    assert "semantic" in result
    assert "As trained, not as in --config: model.width, tasks.semantic, data.size." in capsys.readouterr().err


def test_the_crop_is_the_given_one(workdir, capsys):
    given = fake_run.config(*NAMES)
    whole = evaluate.run(given, workdir)["depth"]["median_scaled"]
    given.tasks.depth.crop = "garg"
    result = evaluate.run(given, workdir)
    assert result["depth"]["median_scaled"] != whole and "(garg crop)" in result["recipe"]
    assert "As trained" not in capsys.readouterr().err


def test_weights_are_not_written_over_a_training(workdir):
    config = configuration.Config(weights="published")
    with pytest.raises(UserError, match="already holds a training run"):
        evaluate.run(config, workdir)


def test_an_exported_program_is_sent_to_its_run(workdir, tmp_path, monkeypatch):
    program = dataclasses.replace(fake_run.perceiver(*NAMES), network=None, variables=None, program=dict)
    monkeypatch.setattr("mtl_depth.inference.load_perceiver", lambda path, **options: program)
    with pytest.raises(UserError, match="evaluate the run that it came from"):
        evaluate.run(configuration.Config(weights="export"), tmp_path)


def test_weights_leave_a_folder_that_the_table_reads(workdir, tmp_path):
    config = fake_run.config("depth")
    config.weights = "published"
    evaluate.run(config, tmp_path / "baseline")
    saved = configuration.from_dict(json.loads((tmp_path / "baseline" / "config.json").read_text()))
    assert saved.weights.endswith("/published") and saved.data.size == fake_run.SIZE
    assert (tmp_path / "baseline" / "evaluation.json").is_file()


def test_a_split_without_truth_is_refused(workdir):
    config = fake_run.config(*NAMES)
    config.evaluation.split = "test"
    with pytest.raises(UserError, match="split test"):
        evaluate.run(config, workdir)
