"""The wheel: what an installed program needs travels in it."""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_the_wheel_runs_from_any_folder(tmp_path):
    pytest.importorskip("setuptools", minversion="77")
    source, elsewhere = tmp_path / "source", tmp_path / "elsewhere"
    for name in ("mtl_depth", "tfds_kitti360", "configs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    elsewhere.mkdir()
    build = "from setuptools import build_meta; build_meta.build_wheel('..')"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(elsewhere)
        scripts = wheel.read(next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))).decode()
    assert "mtl-depth = mtl_depth.main:main" in scripts and "kitti360-build = tfds_kitti360.build:main" in scripts
    for words, sentence in (
        (["mtl_depth", "train", "--config=configs/tiny.py:absent", "--workdir=x"], "the variants are depth"),
        (["mtl_depth.main", "--config=tiny:depth", "--workdir=x", "--mode=evaluate"], "x does not exist"),
        (["tfds_kitti360", "--manual_dir=absent", "--data_dir=x"], "--manual_dir=absent is not a folder"),
    ):  # fmt: skip
        command = [sys.executable, "-m", *words]
        done = subprocess.run(
            command, cwd=elsewhere, env=os.environ | {"PYTHONPATH": str(elsewhere)}, capture_output=True, text=True
        )
        assert done.returncode == 2 and sentence in done.stderr, done.stderr
