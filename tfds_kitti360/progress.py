"""Printed lines and progress bars of the commands: bars update in place, or print a line every 15 s in a log."""

import contextlib
import os
import sys
from collections.abc import Iterable
from typing import Any

import tqdm

_SECONDS = 15  # between two lines of a log file


def say(text: str) -> None:
    """Prints, also where nobody reads any more (`| head`): the work goes on, and what follows goes nowhere."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        with contextlib.suppress(OSError, AttributeError):  # of a stream that is no file
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def progress(items: Iterable[Any] | None = None, **options: Any) -> tqdm.tqdm:
    """A bar over `items`, or one that is advanced by `update`; `options` are those of tqdm."""
    if sys.stderr.isatty():
        return tqdm.tqdm(items, **options)
    return tqdm.tqdm(items, mininterval=_SECONDS, maxinterval=_SECONDS, ncols=100, file=_Lines(), **options)


class _Lines:
    """A file for a progress bar that is not on a screen: one line per state, without carriage returns."""

    def write(self, text: str) -> None:
        """Writes a state of the bar, without the blanks that clear a line on a screen."""
        if text := text.strip():
            sys.stderr.write(text + "\n")

    def flush(self) -> None:
        """Flushes the underlying stream."""
        sys.stderr.flush()
