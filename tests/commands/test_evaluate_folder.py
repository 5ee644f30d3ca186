"""Own ground truth: a prediction scored against itself, scales, formats, names, mistakes."""

import json

import cv2
import fake_run
import numpy as np
import pytest

from mtl_depth.commands import evaluate_folder, predict
from mtl_depth.errors import UserError
from mtl_depth.media import image_files
from mtl_depth.prediction.output_folder import MARKER


@pytest.fixture(autouse=True)
def _compiled_once(monkeypatch):
    restored = fake_run.perceiver("depth")
    monkeypatch.setattr("mtl_depth.inference.load_perceiver", lambda path, **options: restored)


@pytest.fixture
def folder(tmp_path):
    """Three pictures of the network's size and, as their truth, what the network says of them."""
    made = tmp_path / "in"
    made.mkdir()
    for index, name in enumerate("abc"):
        image = np.random.default_rng(index).integers(0, 256, (*fake_run.SIZE, 3), np.uint8)
        image_files.write(made / f"{name}.png", cv2.GaussianBlur(image, (0, 0), 3))
    predict.run(fake_run.config("depth"), tmp_path, made, tmp_path / "truth", write=["npy"])
    (tmp_path / "truth" / MARKER).unlink()
    return made


def run(tmp_path, folder, **options):
    config = fake_run.config("depth")
    return evaluate_folder.run(config, tmp_path, input=str(folder), truth=tmp_path / "truth", **options)


def test_a_prediction_is_right_about_itself(folder, tmp_path, capsys):
    result = run(tmp_path, folder)
    assert result["frames"] == 3 and result["unmatched"] == []
    for name in ("median_scaled", "unscaled"):
        assert result["depth"][name]["abs_rel"] < 1e-5 and result["depth"][name]["delta_1"] == 1
    assert result["depth"]["constant"]["abs_rel"] > 0.001 and result["scale"]["median"] == pytest.approx(1)
    assert json.loads((tmp_path / "evaluation_own.json").read_text()) == result
    printed = capsys.readouterr()
    assert "ours, unscaled" in printed.out and "covers 100.0% of the pixels" in printed.err


def test_twice_the_depth_is_the_scale_s_business(folder, tmp_path, capsys):
    for file in (tmp_path / "truth").iterdir():
        np.save(file, 2 * np.load(file))
    result = run(tmp_path, folder)
    assert result["depth"]["median_scaled"]["abs_rel"] < 1e-5
    assert result["depth"]["unscaled"]["abs_rel"] == pytest.approx(0.5, abs=1e-4)
    assert result["scale"]["median"] == pytest.approx(2, rel=1e-4)
    assert "Truth is 2 times the prediction" in capsys.readouterr().err


def test_sixteen_bits_with_a_scale_and_holes(folder, tmp_path, capsys):
    for file in sorted((tmp_path / "truth").iterdir()):
        depth = np.load(file)
        depth[:, ::2] = 0  # half is not measured
        cv2.imwrite(
            str(file.with_name(file.stem.removesuffix("_depth") + ".png")), np.rint(depth * 1000).astype(np.uint16)
        )
        file.unlink()
    (tmp_path / "truth" / "b.png").rename(tmp_path / "truth" / "z.png")
    result = run(tmp_path, folder, scale=1000.0)
    assert result["depth"]["unscaled"]["abs_rel"] < 0.01 and result["coverage"] == pytest.approx(0.5, abs=0.01)
    assert result["frames"] == 2 and result["unmatched"] == ["b"]
    error = capsys.readouterr().err
    assert "1 pictures have no truth and were left out: b." in error and "1 truths have no picture" in error


def test_metres_by_hand(tmp_path):
    truth, depth = np.array([[2.0, 4.0, 0.0]]), np.array([[1.0, 4.0, 9.0]])
    sums = evaluate_folder.frame_sums(truth, depth, None)
    # unscaled: (1 / 2 + 0 / 4) / 2; the median of the truth is 3, that of the prediction 2.5: times 1.2
    assert sums["unscaled"]["total"][0] == pytest.approx(0.25)
    assert sums["median_scaled"]["total"][0] == pytest.approx((0.8 / 2 + 0.8 / 4) / 2)
    assert sums["constant"]["total"][0] == pytest.approx((1 / 2 + 1 / 4) / 2)


def test_mistakes_are_met_by_a_sentence(folder, tmp_path):
    with pytest.raises(UserError, match="needs the pictures too"):
        run(tmp_path, "")
    with pytest.raises(UserError, match="must be positive"):
        run(tmp_path, folder, scale=0.0)
    truth = tmp_path / "truth"
    for file in truth.iterdir():
        np.save(file, np.full(fake_run.SIZE, 900.0))
    with pytest.raises(UserError, match=r"No truth .* is --truth_scale=256 right"):
        run(tmp_path, folder)
    cv2.imwrite(str(truth / "a.png"), np.zeros(fake_run.SIZE, np.uint8))
    with pytest.raises(UserError, match=r"a\.png has uint8 pixels; depth is a PNG of 16 bits"):
        evaluate_folder.read_truth(truth / "a.png", scale=1.0)
    np.save(truth / "a.npy", np.zeros((2, 3, 1)))
    with pytest.raises(UserError, match="one number per pixel"):
        evaluate_folder.read_truth(truth / "a.npy", scale=1.0)
    for file in truth.iterdir():
        file.rename(file.with_name("other_" + file.name))
    with pytest.raises(UserError, match=r"No depth map in .* has the name of a picture"):
        run(tmp_path, folder)
    with pytest.raises(UserError, match="is not a folder"):
        evaluate_folder.run(fake_run.config("depth"), tmp_path, input=str(folder), truth=tmp_path / "absent")
