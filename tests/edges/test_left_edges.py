"""What is left behind after a failure, in a table: no temporary folder, no half of a file, no lock, no process."""

import os
import tempfile

import pytest
from edges.prediction_cases import Table, happens

from mtl_depth.media.video_writer import Film
from mtl_depth.runtime import lock, log

CASES = Table()
case = CASES.case


@case(14, "a film that is closed before its first frame")
def _(at, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(at))
    Film(at / "a.webm", 10.0).close()
    assert not list(at.iterdir())


@case(14, "a disk that is full in the middle of a file")
def _(at, monkeypatch):
    (at / "evaluation.json").write_text("earlier")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError):
        log.write_text(at / "evaluation.json", "later")
    assert [path.name for path in at.iterdir()] == ["evaluation.json"]
    assert (at / "evaluation.json").read_text() == "earlier"


@case(14, "the lock of a process that was killed")
def _(at):
    (at / "run").mkdir()
    (at / "run" / lock.NAME).write_text("4194999\n")  # beyond the largest number of a process
    with lock.only_writer(at / "run") as held:
        held.check()
        assert (at / "run" / lock.NAME).read_text() == f"{os.getpid()}\n"


@CASES.parametrize()
def test_what_has_to_happen(each, tmp_path, request):
    happens(each, tmp_path, request)
