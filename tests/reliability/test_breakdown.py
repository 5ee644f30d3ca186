"""A run whose numbers are no longer finite stops, keeps its last good state, and can be looked into."""

import json
import re

import pytest

from .conftest import arguments

pytestmark = pytest.mark.slow


def test_breakdown_is_kept_and_replayed(zygote, data_dir, tmp_path, record_property):
    record_property("tried a run that breaks down", "stops, last good state kept, replay names the first number")
    workdir = tmp_path / "run"
    broken = "--config.train.learning_rate=1e30"  # the weights after the first step overflow in the second
    ended = zygote.run(arguments(data_dir, workdir, broken, "--config.train.max_skipped=2"))
    assert ended.status == 2 and "Traceback" not in ended.printed, ended.printed
    errors = [line for line in ended.printed.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "not finite 3 times in a row" in errors[0] and "replay_4.npz" in errors[0]
    assert len(re.findall(r"warning: step \d is skipped.*drive_\d{4}/\d{10}", ended.printed)) == 3
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    named = [row for row in rows if "skipped_clips" in row]
    assert [row["step"] for row in named] == [2, 3, 4] and len(named[0]["skipped_clips"]) == 2
    assert (workdir / "checkpoints" / "4").is_dir()

    replayed = zygote.run(arguments(data_dir, workdir, "--mode=replay"))
    assert replayed.status == 0, replayed.printed
    assert f"step 4, clips {', '.join(named[-1]['skipped_clips'])}" in replayed.printed
    assert "loss depth/photometric" in replayed.printed and "gradient norm encoder" in replayed.printed
    assert re.search(r"first not finite: (?!nothing)\w", replayed.printed)

    # The same command resumes from the checkpoint, and the first further one is one too many.
    again = zygote.run(arguments(data_dir, workdir, broken, "--config.train.max_skipped=2"))
    assert again.status == 2 and "resumes at step 4" in again.printed and "replay_5.npz" in again.printed


def test_replay_without_a_file_is_said(zygote, data_dir, tmp_path):
    ended = zygote.run(arguments(data_dir, tmp_path, "--mode=replay"))
    assert ended.status == 2 and "holds no replay_<step>.npz" in ended.printed
