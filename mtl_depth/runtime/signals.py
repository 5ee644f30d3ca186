"""SIGTERM and Ctrl-C as requests to stop, which the training loop checks; a second Ctrl-C exits at once."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator

from mtl_depth.runtime import log

STOPS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Context whose value is a function that returns whether a signal has asked to stop.

    A thread receives the signals, because Python's own handlers wait while the main thread compiles or computes.
    """
    asked = threading.Event()
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)

    def listen() -> None:
        while numbers := ear.recv(1):
            if numbers[0] not in STOPS:  # every signal that Python handles arrives here
                continue
            number = signal.Signals(numbers[0])
            if asked.is_set() and number == signal.SIGINT:
                os._exit(130)  # nothing is lost: what a checkpoint needs is on disk before the checkpoint has its name
            if not asked.is_set():
                log.say(f"{number.name}: saving, then leaving (Ctrl-C now leaves at once)")
            asked.set()

    before = {number: signal.signal(number, lambda *_: None) for number in STOPS}
    wakeup = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield asked.is_set
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        mouth.close()
        listener.join()
        ear.close()
