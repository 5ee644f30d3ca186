"""`step` and `inference` from end to end on tiny networks, with PyTorch and without."""

import json
import pathlib
import subprocess
import sys

import pytest

from mtl_depth.benchmarks import comparison, inference, step

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = ["--size=64x64", "--width=0.125", "--batch=2", "--steps=2", "--compile=no"]


@pytest.mark.parametrize("benchmark", [inference, pytest.param(step, marks=pytest.mark.slow)])
def test_prints_both_and_the_ratio_and_writes_them(benchmark, tmp_path, capsys):
    pytest.importorskip("torch")
    assert benchmark.main([*TINY, "--profile", f"--json={tmp_path / 'result.json'}"]) == 0
    printed = capsys.readouterr().out
    assert "| PyTorch " in printed and "| ours " in printed and "time / PyTorch: " in printed
    result = json.loads((tmp_path / "result.json").read_text())
    theirs, ours = result["rows"]
    assert {"encoder", "heads"} <= {row["part"] for row in result["profile"]}
    assert (theirs["what"], ours["what"]) == ("PyTorch", "ours")
    assert result["time / PyTorch"] == pytest.approx(ours["median ms"] / theirs["median ms"])
    assert ours["compile s"] > ours["cached s"] > 0
    assert ours["per second"] == pytest.approx(2e3 / ours["median ms"])


def test_ours_alone_without_pytorch(monkeypatch, capsys):
    monkeypatch.setattr(comparison, "peer", None)
    monkeypatch.setattr(
        comparison.measure, "peaks", lambda dtype: comparison.measure.Peaks(1e11, 1e10)
    )  # seconds to measure
    assert inference.main(TINY) == 0
    printed = capsys.readouterr().out
    assert "ours alone" in printed and "| ours " in printed and "| PyTorch " not in printed


def test_a_missing_pytorch_is_noticed():
    program = (
        "import sys; sys.modules['torch'] = None; import mtl_depth.benchmarks.step as s; assert not s.comparison.peer"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_size_that_is_none_is_refused(capsys):
    with pytest.raises(SystemExit):
        step.main(["--size=192"])
    assert "192x640" in capsys.readouterr().err
