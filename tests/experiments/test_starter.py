"""The experiment that makes the starter model, on a miniature, and its settings."""

import pathlib

import pytest

from mtl_depth.config import Model
from mtl_depth.experiments import starter
from mtl_depth.inference import load_perceiver
from mtl_depth.tasks import assemble

MINIATURE = starter.Recipe(seeds=(1, 2), drives=2, frames=6, drawn=(64, 96), size=(64, 96), steps=2, batch_size=2)


def test_the_settings_restrain_the_encoder_and_vary_the_camera():
    config = starter.configuration(starter.Recipe(), [pathlib.Path("a"), pathlib.Path("b")])
    network, tasks = assemble(config.model, config.tasks)
    assert {task.name for task in tasks} == {"depth", "semantic", "instance"} and network.pose is None
    assert config.data.data_dir == "a,b" and config.model.encoder_weights == "imagenet"
    assert config.model.freeze_statistics and config.train.encoder_multiplier < 1 < config.train.zoom


@pytest.mark.slow
def test_a_miniature_is_made_and_not_made_again(tmp_path, monkeypatch):
    settings = starter.configuration

    def small(recipe, folders):
        config = settings(recipe, folders)
        config.model, config.train.devices, config.train.log_every = Model(width=0.125), 1, 1
        return config

    monkeypatch.setattr(starter, "configuration", small)
    assert starter.run(MINIATURE, tmp_path, kitti360=None, minutes=None)
    made = load_perceiver(tmp_path / starter.NAME)
    assert made.metric and made.size == MINIATURE.size and {task.name for task in made.tasks} >= {"depth", "instance"}
    again = "mtl_depth.experiments.pieces.command_line"
    monkeypatch.setattr(again, lambda *words: pytest.fail(f"{words} was run again"))
    rows = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert starter.run(MINIATURE, tmp_path, kitti360=None, minutes=None)
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == rows
    assert not starter.run(MINIATURE._replace(seeds=(1, 2, 3)), tmp_path, kitti360=None, minutes=0.0)
