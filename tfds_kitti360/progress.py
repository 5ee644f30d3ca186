"""Progress bars of the commands: on a screen a line that moves, in a log file a line of its own now and then."""

import sys
from collections.abc import Iterable
from typing import Any

import tqdm

_SECONDS = 15  # between two lines of a log file


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
