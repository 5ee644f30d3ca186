"""The command prints and writes what `make_step` compiled, and a forecast; test_scale.py really compiles it."""

import json
import os
import types

import pytest

from mtl_depth.benchmarks import scaling

TEXT = "%a = f32[1000]{0} all-reduce(%x)\n%b = f32[8]{0} all-reduce(%y)"


def test_the_command_prints_its_tables(tmp_path, monkeypatch, capsys):
    memory = types.SimpleNamespace(temp_size_in_bytes=3e6, argument_size_in_bytes=1e6)
    compiled = types.SimpleNamespace(as_text=lambda: TEXT, memory_analysis=lambda: memory)
    monkeypatch.setattr(scaling, "make_step", lambda options, count: (float, compiled))
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))  # the command adds to it
    path = tmp_path / "scaling.json"
    assert scaling.main(["--devices=1,2", "--rounds=2", f"--json={path}"]) == 0
    rows, printed = json.loads(path.read_text())["rows"], capsys.readouterr().out
    assert [row["devices"] for row in rows] == [1, 2] and "| 256 " in printed
    assert rows[0]["exchanges"] == 2 and rows[0]["largest, MB"] == pytest.approx(0.004)
    assert rows[0]["others, kB"] == pytest.approx(0.032) and rows[0]["memory of a device, MB"] == pytest.approx(4)


def test_forecast_by_hand():
    # 2 x 7/8 of 200 GB at 200 GB/s is 1.75 s; three small exchanges of 15 us
    found = scaling.forecast(8, [200_000_000_000, 8, 8, 8], seconds=1.75 + 45e-6)
    assert found["gradient, ms"] == pytest.approx(1750) and found["statistics, ms"] == pytest.approx(0.045)
    assert found["efficiency"] == pytest.approx(0.5)
