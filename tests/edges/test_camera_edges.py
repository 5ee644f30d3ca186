"""Cameras of pictures to look at and to score: metres depend on them, so where they come from is said."""

import copy
import dataclasses
import json

import fake_run
import numpy as np
import pytest
from edges.prediction_cases import PICTURE, put
from edges.run_case import INTRINSICS, dataset

from mtl_depth.commands import evaluate_folder
from mtl_depth.errors import UserError
from mtl_depth.prediction import cameras
from mtl_depth.runtime import run_identity
from mtl_depth.tasks import assemble

FOCAL = 40.0  # pixels of a picture 40 wide: fx / width is 1
CAMERA = f"{FOCAL:g},{FOCAL:g},20,12"


@pytest.fixture
def canonical(monkeypatch):
    """A network whose depth is in metres for a camera of fx / width = 0.5."""
    plain = fake_run.perceiver("depth", "semantic", "instance")
    config = copy.deepcopy(plain.config)
    config.tasks.depth.canonical_focal = 0.5
    config.tasks.depth.motion = "recorded"
    eye = dataclasses.replace(plain, config=config, tasks=assemble(config.model, config.tasks)[1])
    monkeypatch.setattr("mtl_depth.inference.load_perceiver", lambda path, **_: eye)
    return eye


def score(at, truth, **options):
    put(at / "in/a.png")
    (at / "truth").mkdir(exist_ok=True)
    np.save(at / "truth/a.npy", truth)
    return evaluate_folder.run(fake_run.config("depth"), at, input=str(at / "in"), truth=at / "truth", **options)


def test_own_truth_in_metres_of_the_given_camera(canonical, tmp_path, capsys):
    """Kind 7: a run with a canonical focal length is scored in the metres of the pictures' own camera."""
    truth = canonical.depth(PICTURE, intrinsics=(FOCAL, FOCAL, 20, 12))
    right = score(tmp_path, truth, camera=CAMERA)
    assert right["metric"] and right["scale"]["median"] == pytest.approx(1, rel=1e-3)
    assert right["depth"]["unscaled"]["abs_rel"] < 1e-2 and right["correlation"] > 0.9
    said = capsys.readouterr().err
    assert f"are those of --intrinsics={CAMERA}" in said and "no metres" not in said
    # half of the focal length: half of the metres
    wrong = score(tmp_path, truth, camera="20,20,20,12")
    assert wrong["scale"]["median"] == pytest.approx(2, rel=1e-3)


def test_own_truth_without_a_camera_says_what_is_assumed(canonical, tmp_path, capsys):
    truth = canonical.depth(PICTURE, intrinsics=(FOCAL, FOCAL, 20, 12))
    capsys.readouterr()
    found = score(tmp_path, truth)
    said = capsys.readouterr().err
    assert "The intrinsics are assumed" in said and "a field of view of 70 degrees" in said
    assert not found["metric"] and "this model's depth has no metres" in said
    # 70 degrees: fx / width = 1 / (2 tan 35) = 0.714, and the truth's is 1
    assert found["scale"]["median"] == pytest.approx(1 / 0.7141, rel=1e-3)


def test_a_camera_that_is_none_is_said_before_the_work(canonical, tmp_path, monkeypatch):
    monkeypatch.setattr("mtl_depth.prediction.predictor.Perceiver.perceive_padded", lambda *_, **__: 1 / 0)
    with pytest.raises(UserError, match="not a camera's fx, fy"):
        score(tmp_path, np.ones((24, 40), np.float32) + PICTURE[..., 0], camera="0,0,0,0")


@pytest.mark.parametrize("change", [lambda depth: 1 / depth, lambda depth: depth[::-1]], ids=["disparity", "upside"])
def test_a_truth_that_runs_the_other_way_is_said(canonical, tmp_path, capsys, monkeypatch, change):
    """Kind 7: disparity, and the rows of OpenGL, which begin below."""
    rows = np.linspace(1, 3, 24, dtype=np.float32)[:, None] + np.zeros(40, np.float32)
    monkeypatch.setattr(
        "mtl_depth.prediction.predictor.Perceiver.perceive_padded", lambda *_, **__: {"depth": rows[None]}
    )
    assert score(tmp_path, rows)["correlation"] == pytest.approx(1)
    assert "the other way" not in capsys.readouterr().err
    assert score(tmp_path, change(rows))["correlation"] < -0.9
    assert "is it disparity instead of depth, or upside down?" in capsys.readouterr().err


def recorded(at, **changed):
    """A run's record of its data set, edited by hand afterwards."""
    run_identity.check_or_record(at, fake_run.config("depth"), dataset(), clips=4)
    if changed:
        content = json.loads((at / "dataset.json").read_text())
        (at / "dataset.json").write_text(json.dumps(content | changed))
    return cameras.find(fake_run.config("depth"), None, speak=True, run=at)


def test_the_camera_of_a_record_that_was_edited_is_said(tmp_path, capsys):
    """Kind 11: another digit is used with a warning, another type is not used."""
    size = (376, 1408)  # of the data set's pictures; the record's matrix belongs to 64x96
    np.testing.assert_allclose(recorded(tmp_path / "a")(size)[0, 0], INTRINSICS[0][0] * 1408 / 96)
    assert "edited" not in capsys.readouterr().err
    longer = [[375.0, 0, 48], [0, 275.0, 32], [0, 0, 1]]
    np.testing.assert_allclose(recorded(tmp_path / "b", intrinsics=longer)(size)[0, 0], 375 * 1408 / 96)
    assert "dataset.json was edited or damaged" in capsys.readouterr().err
    for number, wrong in enumerate(("x", [1, 2], None, [["a"] * 3] * 3)):
        recorded(tmp_path / str(number), intrinsics=wrong)(size)
        assert "The intrinsics are assumed" in capsys.readouterr().err
    recorded(tmp_path / "d", image_size=[0, 0])(size)
    assert "The intrinsics are assumed" in capsys.readouterr().err


def test_doubts_about_a_given_camera_are_said_once(tmp_path, capsys):
    """Kind 5: the build says them, so the prediction does."""
    camera = cameras.find(fake_run.config("depth"), "4,4,20,12", speak=True)
    camera((24, 40))
    camera((24, 40))
    assert capsys.readouterr().err.count("warning: a focal length of 4 pixels means a field of view of 157") == 1
    camera((48, 80))
    assert "are pixels of each picture, and the pictures differ in size" in capsys.readouterr().err
    path = tmp_path / "camera.json"
    path.write_text(json.dumps({"fx": 40, "cx": 20, "cy": 12, "w": 24, "h": 40}))
    with pytest.raises(UserError, match="and these are 24x40: one is cropped or rotated"):
        cameras.find(fake_run.config("depth"), str(path), speak=True)((24, 40))
