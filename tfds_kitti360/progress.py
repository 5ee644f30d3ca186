"""What the commands print, and their bars: on a screen a line that moves, in a log file a line now and then."""

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
    """The bar of `items`, or of what its `update` is told; `options` are those of tqdm."""
    if sys.stderr.isatty():
        return tqdm.tqdm(items, **options)
    return tqdm.tqdm(items, mininterval=_SECONDS, maxinterval=_SECONDS, ncols=100, file=_Lines(), **options)


class _Lines:
    """Where a bar goes that is not on a screen: every state on a line of its own, no carriage returns."""

    def write(self, text: str) -> None:
        """Writes a state of the bar; blanks that clear a screen are left out."""
        if text := text.strip():
            sys.stderr.write(text + "\n")

    def flush(self) -> None:
        """Hands on what was written."""
        sys.stderr.flush()
