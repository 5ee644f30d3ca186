"""What a case of tests/edges is: something that a person did, and what has to happen."""

import pathlib
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from tfds_kitti360.build import main

Do = Callable[[pathlib.Path], Any]


class Case(NamedTuple):
    """One case.

    Attributes:
      kind: of issue 14, 1 to 16.
      name: of the case.
      done: what a person did, on a download or a folder, below an empty folder.
      status: of the command: 0 built, 2 refused with one sentence.
      words: that what is said has to hold, each of them a regular expression.
      options: of the command.
    """

    kind: int
    name: str
    done: Do
    status: int
    words: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def ids(cases: list[Case]) -> list[str]:
    """Names of the cases for pytest."""
    return [f"{case.kind}-{case.name}" for case in cases]


def check_video(case: Case, folder: pathlib.Path, capsys: Any) -> None:
    """Builds the case's `--video` below `folder`; the status and the words have to be the case's."""
    options = [option.replace("{at}", str(folder)) for option in case.options]
    video = case.done(folder)
    status = main([f"--video={video}", f"--data_dir={folder / 'built'}", "--size=64x96", *options])
    out, err = capsys.readouterr()
    complaint = [line for line in re.split(r"[\r\n]+", err) if line.startswith("error: ")]
    assert status == case.status and len(complaint) == (status != 0), out + err
    for words in case.words:
        assert re.search(words, out + "".join(complaint)), f"{words!r} is not in {out + err}"
