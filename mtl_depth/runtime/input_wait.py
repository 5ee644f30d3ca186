"""Measures which share of its time a loop waits for input."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

WINDOW = 50  # number of items that the share is measured over
MOST = 0.1  # share of waiting above which input limits the loop


def metered(
    items: Iterator[Item],
    *,
    warn: Callable[[float], None],
    window: int = WINDOW,
    most: float = MOST,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Item]:
    """Yields the items; calls `warn` once with the share of waiting, if it exceeds `most` over `window` items.

    The wait for the first item does not count, because workers start and files are opened then.
    """
    try:
        first = next(items, None)
        if first is None:
            return
        yield first
        start, waited, count, warned = clock(), 0.0, 0, False
        while True:
            asked = clock()
            try:
                item = next(items)
            except StopIteration:
                return
            waited, count = waited + clock() - asked, count + 1
            yield item
            if count == window:
                share = waited / max(clock() - start, 1e-9)
                if share > most and not warned:
                    warn(share)
                    warned = True
                start, waited, count = clock(), 0.0, 0
    finally:
        items.close()


def advice(share: float, *, threads: int, workers: int) -> str:
    """The warning for a training that waits for input."""
    return (
        f"Input limits training: {share:.0%} of the time was spent waiting for batches. Raise --config.data.workers "
        f"(now {workers}) or --config.data.threads (now {threads}), or build the data set with --storage=jpeg; "
        "python -m mtl_depth.benchmarks.input says how many workers are needed."
    )
