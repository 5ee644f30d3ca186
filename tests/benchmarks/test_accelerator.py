"""The script for a machine with a GPU, at tiny sizes on the CPU."""

import sys

import pytest

from mtl_depth.benchmarks import accelerator
from mtl_depth.benchmarks.accelerator import Part, Report


def test_what_fails_and_what_finds_no_time_is_named(tmp_path):
    report = Report(tmp_path, 10.0)
    assert not report.run(Part("A mistake", ("no_such_module",), 20.0))
    assert report.run(Part("Right", ("this",), 20.0))
    report.end = 0
    assert not report.run(Part("Too late", ("this",), 20.0))
    text = (tmp_path / "report.md").read_text()
    assert "No module named no_such_module" in text and "exit status 1" in text
    assert "Beautiful is better than ugly." in text
    assert "## Too late\n\nNot run: no time was left." in text


def test_what_takes_too_long_is_ended(tmp_path, monkeypatch):
    (tmp_path / "endless.py").write_text("import time\nprint('begun', flush=True)\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    report = Report(tmp_path, 10.0)
    assert not report.run(Part("Endless", ("endless",), 2.0))
    assert report.run(Part("Training", ("endless",), 2.0), may_end=True)
    assert not report.run(Part("Later", ("this",), 2.0), reserve=600.0)
    text = (tmp_path / "report.md").read_text()
    assert "begun" in text and "its time was over" in text and "## Later\n\nNot run" in text


@pytest.mark.slow
def test_the_whole_script_in_miniature(tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
    assert accelerator.main([f"--out={tmp_path / 'report'}", "--quick"]) == 0
    text = (tmp_path / "report" / "report.md").read_text()
    assert "## Resume\n\nBit-identical." in text, text
    assert "exit status" not in text and "Not run" not in text, text
    assert sys.executable not in text
