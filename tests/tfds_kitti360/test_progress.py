"""A bar is lines in a log file, and one line that moves on a screen."""

import io
import sys

from tfds_kitti360.progress import progress


def test_a_log_file_gets_whole_lines(capsys):
    with progress(range(1000), desc="reading") as bar:
        assert list(bar) == list(range(1000))
    written = capsys.readouterr().err
    assert "\r" not in written and 1 <= written.count("\n") < 5
    assert written.splitlines()[-1].startswith("reading: 100%")


def test_a_screen_gets_one_line(monkeypatch):
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    with progress(total=3) as bar:
        bar.update(3)
    assert screen.getvalue().startswith("\r") and screen.getvalue().count("\n") == 1
