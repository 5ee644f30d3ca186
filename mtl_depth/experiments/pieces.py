"""Long experiments in pieces: a deadline that stops them with everything saved, and the commands that they run."""

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from mtl_depth.errors import UserError
from mtl_depth.runtime import log


class Stopped(Exception):
    """The time is over, or the user asked to stop; everything so far is saved."""


class Deadline:
    """Asks this process to stop when the time is over, as Ctrl-C does, so that a training saves its state."""

    def __init__(self, minutes: float | None):
        self._end = None if minutes is None else time.monotonic() + 60 * minutes
        self._asked = False

    def __enter__(self) -> "Deadline":
        self._before = signal.signal(signal.SIGTERM, self._ask)
        self._timer = None
        if self._end is not None:
            self._timer = threading.Timer(
                max(0.0, self._end - time.monotonic()), os.kill, (os.getpid(), signal.SIGTERM)
            )
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
        signal.signal(signal.SIGTERM, self._before)

    def check(self) -> None:
        """Raises Stopped if it is time."""
        if self._asked or (self._end is not None and time.monotonic() >= self._end):
            raise Stopped

    def _ask(self, number: int, frame: Any) -> None:
        self._asked = True


def command_line(module: str, *options: str) -> None:
    """Runs `python -m module options`.

    Raises:
        Stopped: it was interrupted.
        UserError: it failed.
    """
    log.say(" ".join(["python -m", module, *options]))
    done = subprocess.run([sys.executable, "-m", module, *options], check=False)
    if done.returncode < 0 or done.returncode == 130:
        raise Stopped
    if done.returncode:
        raise UserError(f"python -m {module} failed (see above); correct the cause and run the same command again.")


def make_city(
    out: pathlib.Path, seed: int, deadline: Deadline, *, drives: int, frames: int, drawn: tuple[int, int],
    stored: tuple[int, int], options: Sequence[str],
) -> pathlib.Path:  # fmt: skip
    """Draws a city and builds its data set below `out`, unless that is done; returns the data set's folder.

    Args:
        out: folder of the experiment.
        seed: of the city.
        deadline: is checked first.
        drives: streets.
        frames: of each street.
        drawn: height and width of the drawn pictures.
        stored: height and width of those in the data set.
        options: further ones of `tfds_kitti360.city`.
    """
    built = out / "tfds" / str(seed)
    if not (out / f"city_{seed}.done").exists():
        deadline.check()
        folder, (height, width) = out / "cities" / str(seed), drawn
        command_line(
            "tfds_kitti360.city", f"--out={folder}", f"--drives={drives}", f"--frames={frames}",
            f"--size={height}x{width}", f"--seed={seed}", "--no_truth", *options,
        )  # fmt: skip
        size = f"--size={stored[0]}x{stored[1]}"
        command_line("tfds_kitti360.build", f"--manual_dir={folder}", f"--data_dir={built}", size)
        (out / f"city_{seed}.done").touch()
    return built
