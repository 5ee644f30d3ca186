"""The benchmarks of input, build, city and evaluation print a table and write it; nothing here is about time."""

import json

import pytest

from mtl_depth.benchmarks import build, evaluate
from mtl_depth.benchmarks import city as drawing
from mtl_depth.benchmarks import input as reading
from tfds_kitti360.build import build as build_dataset


@pytest.fixture(scope="module")
def data_dir(city, tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    build_dataset(manual_dir=city, data_dir=folder, size=(64, 96), storage="jpeg")
    return folder


def run(main, tmp_path, capsys, *arguments):
    """Runs a benchmark; returns what it wrote after comparing it with what it printed."""
    path = tmp_path / "result.json"
    assert main([*arguments, f"--json={path}"]) == 0
    result, printed = json.loads(path.read_text()), capsys.readouterr().out
    for column in result["rows"][0]:
        assert column in printed
    return result


def test_input_of_a_data_set(data_dir, tmp_path, capsys):
    arguments = [f"--data_dir={data_dir}", "--rounds=1", "--accelerator_clips_per_s=1e6"]
    (row,) = run(reading.main, tmp_path, capsys, *arguments)["rows"]
    assert row["storage"] == "jpeg" and row["clips/s a core"] > 0
    assert (row["cores for 1000000 clips/s"] - 1) * row["clips/s a core"] < 1e6


def test_input_of_every_storage(city, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(reading.city, "draw", lambda folder, **options: city)
    rows = run(reading.main, tmp_path, capsys, "--rounds=1")["rows"]
    assert [row["storage"] for row in rows] == ["png", "jpeg", "raw"]
    assert rows[0]["largest pixel error"] == rows[2]["largest pixel error"] == 0 < rows[1]["mean pixel error"] < 5
    assert rows[1]["of them images"] < rows[0]["of them images"] < rows[2]["of them images"]


def test_build(city, tmp_path, capsys):
    arguments = [f"--manual_dir={city}", "--size=32x64", "--workers=1", "--frames=3", "--rounds=1"]
    (row,) = run(build.main, tmp_path, capsys, *arguments)["rows"]
    assert row["workers"] == 1 and row["frames/s"] > 0


@pytest.mark.slow
def test_city(tmp_path, capsys):
    rows = run(drawing.main, tmp_path, capsys, "--size=94x352", "--frames=2")["rows"]
    assert rows[0]["MB/frame"] > rows[1]["MB/frame"] and all(row["frames/s"] > 0 for row in rows)


@pytest.mark.slow
def test_evaluate(data_dir, tmp_path, capsys):
    arguments = [f"--data_dir={data_dir}", "--width=0.125", "--batch_size=2", "--frames=4", "--rounds=1"]
    rows = run(evaluate.main, tmp_path, capsys, *arguments)["rows"]
    assert [row["variant"] for row in rows] == ["depth", "panoptic"] and all(row["share"] > 0 for row in rows)


def test_mistakes_are_met_by_a_sentence(data_dir, tmp_path, capsys):
    assert reading.main([f"--data_dir={tmp_path}"]) == 2
    assert evaluate.main([f"--data_dir={data_dir}", "--variants=everything"]) == 2
    assert drawing.main(["--size=8"]) == 2 and build.main([f"--manual_dir={tmp_path}"]) == 2
    assert capsys.readouterr().err.count("error: ") == 4
