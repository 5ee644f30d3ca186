"""Pictures, frame after frame, to an mp4 file."""

import pathlib
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import UInt8

from mtl_depth.errors import UserError
from mtl_depth.media.visualize import fit


class Film:
    """A video whose frames are pictures one above the other; its file begins with the first frame."""

    def __init__(self, path: pathlib.Path, rate: float):
        """Writes to `path` with `rate` frames a second."""
        self._path, self._rate, self._writer, self._size = path, rate, None, (0, 0)

    def add(self, shown: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> None:
        """Appends a frame; every picture is brought to the size of the very first one.

        Raises:
            UserError: OpenCV was built without an encoder.
        """
        if self._writer is None:
            height, width = shown[0].shape[:2]
            self._size = (height // 2 * 2, width // 2 * 2)  # the codec wants even sides
            whole = (self._size[1], self._size[0] * len(shown))
            self._writer = cv2.VideoWriter(str(self._path), cv2.VideoWriter.fourcc(*"mp4v"), self._rate, whole)
            if not self._writer.isOpened():
                raise UserError(f"{self._path} cannot be written: OpenCV has no mp4 encoder here; leave video out.")
        frame = np.concatenate([fit(picture, self._size) for picture in shown])
        self._writer.write(np.ascontiguousarray(frame[..., ::-1]))

    def close(self) -> None:
        """Finishes the file."""
        if self._writer is not None:
            self._writer.release()
