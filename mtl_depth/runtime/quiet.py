"""Suppresses what Orbax and TensorStore print when a write fails: our own message reports it."""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

_LATE = "Event loop is closed"  # error of the writes that were still pending when the first one failed


@contextlib.contextmanager
def failed_writes() -> Iterator[None]:
    """Context in which absl logs nothing and pending writes after a failed one print no traceback."""
    before = sys.excepthook, sys.unraisablehook
    logger = logging.getLogger("absl")
    was_disabled, logger.disabled = logger.disabled, True

    def excepthook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        _unless_late(error, lambda: before[0](kind, error, trace))

    def unraisablehook(raised: Any) -> None:
        _unless_late(raised.exc_value, lambda: before[1](raised))

    sys.excepthook, sys.unraisablehook = excepthook, unraisablehook
    try:
        yield
    finally:
        logger.disabled = was_disabled
        sys.excepthook, sys.unraisablehook = before


def _unless_late(error: BaseException | None, show: Callable[[], None]) -> None:
    if not (isinstance(error, RuntimeError) and str(error) == _LATE):
        show()
