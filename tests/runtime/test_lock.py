"""Two trainings cannot write one folder, and a killed one does not keep the next out."""

import os
import subprocess
import sys

import pytest

from mtl_depth.errors import UserError
from mtl_depth.runtime.lock import NAME, only_writer

HOLD = """
import pathlib, sys, time
from mtl_depth.runtime.lock import only_writer
with only_writer(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_told_who_is_first(tmp_path):
    with only_writer(tmp_path / "run"):
        sentence = rf"^Process {os.getpid()} is training in {tmp_path / 'run'}; .*--workdir"
        with pytest.raises(UserError, match=sentence), only_writer(tmp_path / "run"):
            pass
        assert (tmp_path / "run" / NAME).read_text() == f"{os.getpid()}\n"  # the refused one has not touched it
        with only_writer(tmp_path / "other run"):
            pass
    with only_writer(tmp_path / "run"):
        pass


def test_kill_9_frees_it(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"^Process {process.pid} is training"), only_writer(tmp_path):
            pass
    finally:
        process.kill()
        process.communicate()
    with only_writer(tmp_path):
        assert (tmp_path / NAME).read_text() == f"{os.getpid()}\n"


def test_a_folder_that_cannot_be_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    for workdir in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(UserError, match=r"cannot be written.*--workdir"), only_writer(workdir):
            pass


def test_a_file_system_without_locks_warns_and_trains(tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    with only_writer(tmp_path):
        pass
    assert f"warning: {tmp_path} cannot be locked" in capsys.readouterr().err
