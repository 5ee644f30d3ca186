"""Limits of the system and answers of it, in a table: pipes that nobody reads, terminals of few letters, refusals."""

import json
import os
import pathlib
import shutil
import sys

import fake_run
import pytest
from edges.prediction_cases import Table, happens
from edges.test_footage_edges import named

from mtl_depth import table
from mtl_depth.evaluation import score_tables
from mtl_depth.prediction import loading
from mtl_depth.pretrained import files
from mtl_depth.runtime import log
from mtl_depth.runtime.checkpoint import Checkpoints
from tfds_kitti360 import progress
from tfds_kitti360.build import main as build

CASES = Table()
case = CASES.case
NAMES = ("abs_rel", "sq_rel", "rmse", "rmse_log", "delta_1", "delta_2", "delta_3")
DENIED = PermissionError(13, "Permission denied")
ERRORS = dict.fromkeys(NAMES, 0.1)


class Closed:
    """A pipe whose reader has left."""

    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")

    flush = write


class Ascii:
    """A terminal that knows 128 letters."""

    encoding = "ascii"

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text.encode("ascii").decode()

    def flush(self): ...


def run_of(at, name="run"):
    folder = at / name
    shutil.copytree(fake_run.folder("depth"), folder)
    depth = dict.fromkeys(("median_scaled", "unscaled", "constant", "mean_image"), ERRORS)
    scores = {"split": "val", "frames": 1, "recipe": "", "depth": depth | {"scale": {"median": 1.0, "spread": 0.1}}}
    (folder / "evaluation.json").write_text(json.dumps(scores))
    return folder


@case(9, "Table 1 of a run with an umlaut, on a terminal of ASCII")
def _(at, monkeypatch):
    terminal = Ascii()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        assert table.main([str(run_of(at, "r\u00fcn"))]) == 0
    assert "Depth (r?n)" in terminal.text and "+-" in terminal.text


@case(9, "Table 1 in a pipe that nobody reads any more")
def _(at, monkeypatch):
    folder = run_of(at)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Closed())
        assert table.main([str(folder), f"--json={at / 'table.json'}"]) == 0
    assert json.loads((at / "table.json").read_text())


@case(9, "a build in a pipe that nobody reads any more is finished")
def _(at, monkeypatch):
    folder = named(*(f"{n}.png" for n in range(8)))(at)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Closed())
        assert build([f"--video={folder}", f"--data_dir={at / 'built'}", "--size=64x96"]) == 0
    assert list((at / "built").glob("kitti360/[0-9]*"))


@case(9, "a program goes on after its reader has left")
def _(at, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Closed())
        for say in (progress.say, score_tables.show):
            say("one")
            say("two")


@case(15, "a checkpoint that may not be read keeps its place", "the checkpoint may be whole")
def _(at, monkeypatch):
    shutil.copytree(fake_run.folder("depth") / "checkpoints", at / "checkpoints")
    before = sorted(path.name for path in (at / "checkpoints").iterdir())
    checkpoints = Checkpoints(at / "checkpoints", keep=1)
    refusing(monkeypatch, "manifest.json")
    try:
        checkpoints.newest()
    finally:
        checkpoints.close()
        assert sorted(path.name for path in (at / "checkpoints").iterdir()) == before


@case(15, "a broken disk below a checkpoint is no damage either", "Input/output error.*check the disk")
def _(at, monkeypatch):
    shutil.copytree(fake_run.folder("depth"), at / "run")
    refusing(monkeypatch, "manifest.json", OSError(5, "Input/output error"))
    loading.load_perceiver(at / "run")


@case(15, "weights that may not be read are not called truncated", r"a\.npz cannot be read \(Permission denied\); make")
def _(at, monkeypatch):
    (at / "a.npz").write_bytes(b"PK")
    monkeypatch.setattr(files, "_read_npz", lambda path: refuse())
    files.read_arrays(at / "a.npz")


@case(3, "weights that are no archive are called so", "it is truncated or not a .npz file")
def _(at):
    (at / "a.npz").write_bytes(b"PK")
    files.read_arrays(at / "a.npz")


@case(12, "a pipe in the place of config.json", "config.json cannot be read .it is a folder, a pipe or a device")
def _(at):
    os.mkfifo(at / "config.json")
    table.load(at)


@case(12, "a pipe in the place of metrics.jsonl")
def _(at):
    os.mkfifo(at / "metrics.jsonl")
    with pytest.raises(OSError, match="a pipe or a device"):
        log.read_metrics(at / "metrics.jsonl")


def refuse(error=DENIED):
    raise error


def refusing(monkeypatch, name, error=DENIED):
    real = pathlib.Path.read_bytes
    monkeypatch.setattr(pathlib.Path, "read_bytes", lambda path: refuse(error) if path.name == name else real(path))


@CASES.parametrize()
def test_what_has_to_happen(each, tmp_path, request):
    happens(each, tmp_path, request)
