"""A rehearsal says what a training would take and writes nothing; a profile and loggers see the training itself."""

import pathlib
import re
import types

import command_line
import pytest

from mtl_depth.commands import dry_run
from mtl_depth.runtime.log import read_metrics

TINY = ("--config.model.width=0.125", "--config.train.batch_size=2", "--config.train.devices=1")
TINY += ("--config.train.steps=4", "--config.train.picture_every=0", "--config.evaluation.batch_size=2")


def test_durations():
    assert [dry_run.duration(seconds) for seconds in (50.0, 2700.0, 12000.0)] == ["50 s", "45 min", "3 h 20 min"]


def test_the_largest_program_counts():
    def program(**sizes):
        found = types.SimpleNamespace(**{f"{name}_size_in_bytes": size * 10**9 for name, size in sizes.items()})
        return types.SimpleNamespace(memory_analysis=lambda: found)

    small = program(argument=1, output=1, alias=1, temp=0)
    large = program(argument=2, output=1, alias=1, temp=3)  # 2 + 1 - 1 + 3: a donated state is counted once
    assert "5.00 GB (2.00 state and batch, 3.00 intermediate" in dry_run.memory([small, large])
    assert "no analysis" in dry_run.memory([types.SimpleNamespace(memory_analysis=lambda: None)])


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_rehearsal_writes_nothing(built_city, tmp_path, monkeypatch, capsys, accumulate):
    monkeypatch.chdir(tmp_path)
    wanted = ["train", "--config=tiny:depth", f"--config.data.data_dir={built_city}", *TINY, "--dry_run"]
    assert command_line.run(*wanted, f"--config.train.accumulate={accumulate}") == 0
    said = capsys.readouterr().err
    assert "Taken from the data set: --config.data.size=64,96" in said
    assert re.search(r"parameters: 0\.\d\d million \(encoder 0\.\d\d, head_depth 0\.\d\d\)", said)
    assert re.search(r"XLA's analysis: 0\.\d\d GB", said)
    assert re.search(r"4 steps of 2 clips on 1 cpu device\(s\), .* s each \(mean of 3\), take \d+ s", said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_training_is_profiled(built_city, tmp_path, capsys):
    wanted = ["train", "--config=tiny:depth", f"--workdir={tmp_path}", f"--config.data.data_dir={built_city}", *TINY]
    assert command_line.run(*wanted, "--config.train.profile=3:4", "--config.train.log_every=1") == 0
    said = capsys.readouterr().err
    named = pathlib.Path(re.search(r"The profile is (\S+perfetto_trace.json.gz):", said)[1])
    assert named.is_file() and named.is_relative_to(tmp_path / "profile")
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl") if "split" not in row] == [1, 2, 3, 4]
    assert command_line.run(*wanted, "--config.train.profile=3:4", "--config.train.steps=5") == 0
    assert "the steps 3 to 4 of config.train.profile were not trained now" in capsys.readouterr().err
