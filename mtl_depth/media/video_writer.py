"""Writes pictures as a WebM file (VP9), which browsers play."""

import contextlib
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from jaxtyping import UInt8

from mtl_depth.errors import UserError
from mtl_depth.media.visualize import fit

_LONGEST = 4096  # pixels per side; larger videos are not played everywhere


class Film:
    """A video of constant rate whose frames are pictures one above the other; the file appears when it is closed."""

    def __init__(self, path: pathlib.Path, rate: float):
        """Opens a video at `path` with `rate` frames per second."""
        self._path, self._rate, self._writer, self._size = path, rate, None, (0, 0)
        self._folder = tempfile.TemporaryDirectory(prefix="film_")  # its name can be given to OpenCV, any other cannot
        self._ahead, self._written = None, 0
        self.repeated, self.left_out = 0, 0

    def add(self, shown: Sequence[UInt8[np.ndarray, "_ _ 3"]], *, seconds: float | None = None) -> None:
        """Appends a frame; every picture is resized to the size of the very first one.

        Args:
            shown: the pictures.
            seconds: when the frame is shown; to keep the constant rate it is repeated, or the one before is left out
                (`repeated`, `left_out`). None: directly after the one before.

        Raises:
            UserError: OpenCV was built without an encoder.
        """
        if self._writer is None:
            height, width = shown[0].shape[:2]
            scale = min(1.0, _LONGEST / max(width, height * len(shown)))
            self._size = tuple(
                max(2, int(side * scale) // 2 * 2) for side in (height, width)
            )  # the codec wants even ones
            self._writer = self._open((self._size[1], self._size[0] * len(shown)))
        tick = self._written + (self._ahead is not None) if seconds is None else round(seconds * self._rate)
        if self._ahead is not None:
            times = tick - self._written
            self._write(times)
            self.repeated += max(0, times - 1)
            self.left_out += times < 1
        self._ahead = np.concatenate([fit(picture, self._size) for picture in shown])

    def close(self) -> None:
        """Finishes the file."""
        if self._writer is not None:
            self._write(1)
            self._writer.release()
            shutil.move(self._part, self._path)
        self._folder.cleanup()

    @property
    def _part(self) -> str:
        return os.path.join(self._folder.name, "film.webm")

    def _open(self, size: tuple[int, int]) -> cv2.VideoWriter:
        with _silenced():
            writer = cv2.VideoWriter(self._part, cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"VP90"), self._rate, size)
        if not writer.isOpened():
            raise UserError(f"{self._path} cannot be written: this OpenCV has no VP9 encoder; leave out video.")
        return writer

    def _write(self, times: int) -> None:
        for _ in range(times):
            self._writer.write(np.ascontiguousarray(self._ahead[..., ::-1]))
        self._written += max(0, times)


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Suppresses all output: OpenCV warns about a tag that WebM does not have, although it writes the right one."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
