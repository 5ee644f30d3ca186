"""Reads video files: upright frames with their time stamps."""

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from tfds_kitti360.errors import DatasetError
from tfds_kitti360.pictures import MOST_PIXELS

ENDINGS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")
_EARLY = 1e-3  # seconds by which a frame may be earlier than requested, because time stamps are rounded
_CONVERT = "convert it, for instance to H.264 in .mp4"


class Frame(NamedTuple):
    """One frame: its number in the file, its time in seconds since the first one, and uint8 [h w 3], RGB."""

    number: int
    seconds: float
    image: np.ndarray


class Film(NamedTuple):
    """An opened video file.

    Attributes:
      path: where it lies.
      size: height, width of its frames as they are shown, that is after rotation, and with square pixels.
      stored: the same with the pixels of the file.
      promised: frames that the file says it has; 0 where it does not say.
      rate: frames per second that the file says it has; 0 where it does not say.
    """

    path: pathlib.Path
    size: tuple[int, int]
    stored: tuple[int, int]
    promised: int
    rate: float

    def read(self, *, fps: float | None = None) -> Iterator[Frame]:
        """Yields the frames in order: all of them, or `fps` per second, the first frame of each 1 / `fps` seconds.

        Frames are chosen by their time stamps, which need not be evenly spaced.

        Raises:
          DatasetError: a frame is damaged or of another size.
        """
        with _opened(self.path) as capture:
            number, taken, before = 0, 0, -1.0
            while capture.grab():
                seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                if number == 0:
                    start = seconds
                elif not seconds - start > before:  # a file without time stamps
                    seconds = start + (number / self.rate if self.rate else before + 1)
                before = seconds - start
                if fps is None or before >= taken / fps - _EARLY:
                    taken = taken + 1 if fps is None else int((before + _EARLY) * fps + 1e-9) + 1
                    found, image = capture.retrieve()
                    if not found or image is None or image.shape[:2] != self.stored:
                        raise DatasetError(
                            f"frame {number} of {self.path} is damaged or of another size; cut the video there or "
                            f"{_CONVERT}"
                        )
                    if self.size != self.stored:
                        image = cv2.resize(image, self.size[::-1], interpolation=cv2.INTER_LINEAR)
                    yield Frame(number, before, np.ascontiguousarray(image[..., ::-1]))
                number += 1


def open_film(path: str | os.PathLike[str]) -> Film:
    """Opens a video file.

    Raises:
      DatasetError: it cannot be read as a video, or its first frame cannot be decoded.
    """
    path = pathlib.Path(path)
    with _opened(path) as capture:
        rate = capture.get(cv2.CAP_PROP_FPS)
        promised = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        aspect = capture.get(cv2.CAP_PROP_SAR_NUM) / (capture.get(cv2.CAP_PROP_SAR_DEN) or 1) or 1.0  # of a pixel
        turned = capture.get(cv2.CAP_PROP_ORIENTATION_META) % 180 == 90
        found, first = capture.read()  # the size as shown: OpenCV turns frames as the file's rotation mark says
    if not found or first is None:
        raise DatasetError(f"{path} holds no frame that can be decoded; {_CONVERT}")
    height, width = stored = first.shape[:2]
    size = (round(height * aspect), width) if turned else (height, round(width * aspect))
    if not 0 < size[0] * size[1] <= MOST_PIXELS:
        raise DatasetError(f"{path} says that a pixel is {aspect:g} times as wide as high; {_CONVERT}")
    return Film(
        path=path,
        size=size,
        stored=stored,
        promised=int(promised) if 0 < promised < 1e9 else 0,
        rate=rate if 0 < rate <= 1000 else 0.0,
    )


@contextlib.contextmanager
def _opened(path: pathlib.Path) -> Iterator[cv2.VideoCapture]:
    """Opens the file by descriptor, because OpenCV ends the process for a file name that is not UTF-8."""
    try:
        if not path.is_file():
            raise OSError(0, "it is not a file")
        file = path.open("rb")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); make it readable, or remove it") from None
    with file:
        capture = cv2.VideoCapture(f"/dev/fd/{file.fileno()}", cv2.CAP_FFMPEG)
        width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        if not capture.isOpened() or not 0 < width * height <= MOST_PIXELS:
            raise DatasetError(f"{path} cannot be read as a video; {_CONVERT}")
        try:
            yield capture
        finally:
            capture.release()
