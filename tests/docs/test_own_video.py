"""The commands of docs/own_video.md, shrunk, one after the other."""

import pathlib
import re
import shlex

import command_line
import own_video
import pytest

from mtl_depth.runtime.log import read_metrics
from tfds_kitti360 import build

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "own_video.md"
SMALLER = ["--config.model.width=0.125", "--config.train.batch_size=2", "--config.train.steps=2"]
SMALLER += ["--config.train.log_every=1", "--config.train.picture_every=2", "--config.train.devices=1"]
SMALLER += ["--config.model.encoder_weights=", "--config.camera.learn=True", "--config.data.train_frames=0"]


def commands(tmp_path) -> list[list[str]]:
    """The page's commands as words, with files below `tmp_path` and sizes of the small video."""
    blocks = re.findall(r"```\n(python -m .*?)\n```", PAGE.read_text(encoding="utf-8"))
    text = (
        "".join(f"{block}\n" for block in blocks)
        .replace("fx,fy,cx,cy", "120,120,79.5,47.5")
        .replace("256,448", "96,160")
    )
    for name in ("drive.mp4", "data/own", "runs/own", "pictures", "depth\n"):
        text = text.replace(f"={name}", f"={tmp_path}/{name}")
    return [shlex.split(line)[2:] for line in text.splitlines()]


@pytest.mark.slow
def test_the_page_s_commands_run(tmp_path, capsys):
    own_video.film(tmp_path / "drive.mp4", own_video.frames(range(0, 80, 4)))
    own_video.folder(tmp_path / "pictures", own_video.frames([0, 40]))
    built, trained, predicted = commands(tmp_path)
    assert built[0] == "tfds_kitti360.build" and build.main(built[1:]) == 0
    assert "stored as --size=96x160" in capsys.readouterr().out
    assert trained[0] == "mtl_depth.main" and command_line.run(*trained[1:], *SMALLER) == 0
    rows = read_metrics(tmp_path / "runs/own/metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2] and rows[-1]["camera/focal_px"] == pytest.approx(120, rel=0.05)
    assert not (tmp_path / "runs/own/evaluation.json").exists()  # there is no truth to score against
    assert command_line.run(*predicted[1:]) == 0
    written = list(tmp_path.rglob("frame1_depth.png"))
    assert len(written) == 1
