"""A map over processes that keeps the order and never runs far ahead of its consumer."""

import collections
import concurrent.futures
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tfds_kitti360.errors import DatasetError

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 4  # items in flight for each process


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, initializer: Callable[[], None]
) -> Iterator[Result]:
    """Yields `function(item)` in order, computed by `workers` processes, or in this one if they are fewer than two.

    Processes are spawned, because forking a process with threads may hang; `function` has to be importable.
    """
    if workers < 2:
        yield from map(function, items)
        return
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's threads, in the processes to come: one each is enough
    pool = concurrent.futures.ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start, initargs=(initializer,)
    )
    pending: collections.deque[concurrent.futures.Future[Result]] = collections.deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= _AHEAD * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except concurrent.futures.process.BrokenProcessPool:
        raise DatasetError(
            "a worker process of the build was killed, most likely because memory ran out; run again with fewer "
            "--workers"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _start(initializer: Callable[[], None]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    initializer()


def _end_with_parent() -> None:
    """Ends this worker when the build is killed."""
    multiprocessing.parent_process().join()
    os._exit(1)
