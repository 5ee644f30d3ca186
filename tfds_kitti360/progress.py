"""Progress bars of the commands: updated in place on a screen, one line every 15 seconds in a log file."""

import sys
from collections.abc import Iterable
from typing import Any

import tqdm

_SECONDS = 15  # between two lines of a log file


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
