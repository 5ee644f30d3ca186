"""What a case of tests/edges is: something that a person did, and what has to happen."""

import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

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
