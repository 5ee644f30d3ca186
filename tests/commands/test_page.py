"""`mtl-depth page`: runs side by side in one file."""

import json
import re
import shutil

import fake_run
import numpy as np
import PIL.Image
import pytest
from command_line import run

from mtl_depth.commands import page


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two folders of the same network, one with scores of a training."""
    root = tmp_path_factory.mktemp("runs")
    for name in ("first", "second"):
        shutil.copytree(fake_run.folder("depth"), root / name)
    (root / "second" / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n')
    return root


def content_of(path):
    return json.loads(re.search(r'type="application/json">(.*?)</script>', path.read_text(), re.S)[1])


def test_two_runs_see_the_same_pictures(runs, tmp_path):
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 80, 3), np.uint8)).save(tmp_path / "street.png")
    words = [str(runs / "first"), str(runs / "second")]
    assert run("page", *words, f"--input={tmp_path / 'street.png'}", f"--output={tmp_path / 'both.html'}") == 0
    content = content_of(tmp_path / "both.html")
    assert content["title"] == "mtl_depth: first and second"
    (frame,) = content["frames"]
    assert [layer["name"] for layer in frame["layers"]] == ["Picture", "Depth, first", "Depth, second"]
    assert frame["layers"][1]["picture"] == frame["layers"][2]["picture"]  # the weights are the same
    assert [cloud["name"] for cloud in frame["clouds"]] == ["first", "second"]
    assert [(chart["name"], chart["series"][0]["run"]) for chart in content["curves"]] == [("loss", "second")]
    assert str(runs) not in (tmp_path / "both.html").read_text()


def test_one_run_shows_its_evaluation_frames(runs, monkeypatch):
    fake_run.install(monkeypatch)
    assert run("page", f"--workdir={runs / 'first'}") == 0
    content = content_of(runs / "first" / "page.html")
    assert len(content["frames"]) == fake_run.FRAMES
    assert [layer["name"] for layer in content["frames"][0]["layers"]] == [
        "Picture", "Depth", "True depth", "Depth error"
    ]  # fmt: skip


def test_without_a_data_set_the_numbers_are_left(runs, capsys):
    page.run([runs / "second"])
    assert "no pictures: " in capsys.readouterr().err
    content = content_of(runs / "second" / "page.html")
    assert content["frames"] == [] and len(content["curves"]) == 1
