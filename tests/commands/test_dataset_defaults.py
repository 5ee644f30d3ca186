"""What a training takes from its data set, and what it leaves as the command line says."""

import json
import types

import pytest

from mtl_depth import config as configuration
from mtl_depth.commands import dataset_defaults
from mtl_depth.config import Config, Data, DepthTask, Tasks


@pytest.fixture
def stored(monkeypatch):
    """A data set of 256x448 pictures of a guessed camera, without validation frames."""
    found = types.SimpleNamespace(
        size=(256, 448), camera="guessed", splits={"train": [(0, 0)], "val": [], "test": [(1, 0)]}
    )
    monkeypatch.setattr("mtl_depth.data.open_dataset", lambda data: found)
    return found


def config(size=(192, 640), motion="predicted") -> Config:
    return Config(data=Data(size=size), tasks=Tasks(depth=DepthTask(motion=motion)))


def test_size_split_and_camera_are_taken_and_said(stored, tmp_path, capsys):
    found = dataset_defaults.adopt(config(), tmp_path, typed=())
    assert found.data.size == (256, 448) and found.evaluation.split == "test" and found.camera.learn
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for word in ("--config.data.size=256,448", "--config.evaluation.split=test", "--config.camera.learn=True"):
        assert word in said


def test_what_was_typed_stays(stored, tmp_path, capsys):
    typed = {"data.size", "evaluation.split", "camera.learn"}
    assert dataset_defaults.adopt(config(), tmp_path, typed=typed) == config()
    assert capsys.readouterr().err == ""


def test_recorded_motion_learns_no_focal_length(stored, tmp_path):
    assert not dataset_defaults.adopt(config(motion="recorded"), tmp_path, typed=()).camera.learn
    stored.camera = "given"
    assert not dataset_defaults.adopt(config(), tmp_path, typed=()).camera.learn


@pytest.mark.parametrize(
    ("wanted", "kept", "found"),
    [
        ((192, 640), (352, 1216), (352, 1216)),  # the default: what was built
        ((96, 320), (192, 640), (96, 320)),  # half of it
        ((96, 320), (256, 448), (128, 224)),  # 30,720 pixels in the shape 4 : 7
        ((96, 320), (64, 96), (64, 96)),  # no larger than what is stored
        ((192, 512), (192, 640), (192, 512)),  # another shape, but not by a third
    ],
)
def test_sizes(stored, tmp_path, wanted, kept, found):
    stored.size = kept
    assert dataset_defaults.adopt(config(size=wanted), tmp_path, typed=()).data.size == found


def test_a_run_keeps_what_it_began_with(stored, tmp_path, capsys):
    begun = config(size=(128, 224))
    (tmp_path / "config.json").write_text(json.dumps(configuration.to_dict(begun)))
    assert dataset_defaults.adopt(config(), tmp_path, typed=()).data.size == (128, 224)
    assert dataset_defaults.adopt(config(), tmp_path, typed={"data.size"}).data.size == (192, 640)
    assert capsys.readouterr().err == ""
