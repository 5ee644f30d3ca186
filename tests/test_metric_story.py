"""Metric depth from video on the whole road: a stereo city, predicted motion tied to the poses, odometry printed."""

import json
import pathlib

import command_line
import numpy as np
import pytest

from mtl_depth.runtime.log import read_metrics
from tfds_kitti360 import build
from tfds_kitti360.city.__main__ import main as draw_city


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> pathlib.Path:
    """Two short streets with right images, one of which is missing."""
    folder = tmp_path_factory.mktemp("stereo")
    assert draw_city([f"--out={folder / 'raw'}", "--drives=2", "--frames=8", "--size=94x352", "--stereo"]) == 0
    sorted(folder.glob("raw/data_2d_raw/*/image_01/data_rect/*.png"))[4].unlink()
    options = [f"--manual_dir={folder / 'raw'}", f"--data_dir={folder / 'built'}", "--size=64x96", "--stereo"]
    assert build.main(options) == 0
    return folder / "built"


@pytest.mark.slow
def test_stereo_and_translation_length(data_dir, tmp_path, capsys):
    command = [
        "--config=configs/tiny.py:depth", f"--workdir={tmp_path}", f"--config.data.data_dir={data_dir}",
        "--config.data.size=64,96", "--config.model.width=0.125", "--config.train.batch_size=2",
        "--config.train.steps=2", "--config.train.log_every=1", "--config.train.picture_every=1",
        "--config.train.devices=1", "--config.evaluation.batch_size=2", "--config.tasks.depth.motion=predicted",
        "--config.tasks.depth.stereo=True", "--config.tasks.depth.translation_weight=0.1",
    ]  # fmt: skip
    assert command_line.run(*command) == 0
    assert "(1 more lack a pose or the right image)" in capsys.readouterr().err
    rows = [row for row in read_metrics(tmp_path / "metrics.jsonl") if "split" not in row]
    # a frame is about a metre apart, and the pose network does not know it yet: the term is about the weight
    assert 0.02 < rows[0]["depth/translation"] < 0.2 and np.isfinite(rows[-1]["loss"])
    assert command_line.run(*command, "--mode=evaluate") == 0
    evaluation = json.loads((tmp_path / "evaluation.json").read_text())
    assert {"median", "spread"} == evaluation["depth"]["scale"].keys()
    printed = capsys.readouterr().out
    assert "scale, median(truth) / median(ours) of a frame" in printed
    # the second street's first five frames are val, one after the other, with poses: one snippet
    assert evaluation["odometry"]["snippets"] == 1 and evaluation["odometry"]["ate_5"] > 0
    assert evaluation["odometry"]["scale"] > 0 and "ATE of 5 frames, m" in printed
