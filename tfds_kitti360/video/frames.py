"""Frames in: a video file or a folder of pictures, one RGB picture after the other."""

import os
import pathlib
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import cv2
import numpy as np
import PIL.Image

from tfds_kitti360.errors import DatasetError

VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm")
_MOST_PIXELS = 1 << 26  # of one frame: more than any camera that drives around gives


class Source(NamedTuple):
    """One video or one folder of frames.

    Attributes:
      path: where it lies.
      size: height, width of its frames as they are shown, that is after rotation.
      count: about how many frames `read` gives.
      fps: frames a second that `read` gives; 0 where unknown (a folder).
      read: gives (name of the frame in the source, uint8 [h w 3] red first) in order; it raises DatasetError.
    """

    path: pathlib.Path
    size: tuple[int, int]
    count: int
    fps: float
    read: Callable[[], Iterator[tuple[str, np.ndarray]]]


def find_sources(paths: list[pathlib.Path], *, fps: float | None = None) -> list[Source]:
    """Opens what `--video` names: video files, folders of frames, or folders of video files.

    Args:
      paths: files and folders.
      fps: frames a second to take of a video file; None: all of them.

    Raises:
      DatasetError: a path is not there, cannot be read, or holds no frame.
    """
    return [source for path in paths for source in _sources(path, fps)]


def _sources(path: pathlib.Path, fps: float | None) -> list[Source]:
    if path.is_dir():
        names = sorted((name for name in os.listdir(path) if not name.startswith(".")), key=_natural)
        pictures = [path / name for name in names if name.lower().endswith(PICTURES)]
        videos = [path / name for name in names if name.lower().endswith(VIDEOS)]
        if pictures:
            return [_folder(path, pictures, fps)]
        if videos:
            return [_video(video, fps) for video in videos]
        raise DatasetError(
            f"--video={path} is a folder without frames; it has to hold pictures ({' '.join(PICTURES)}) or videos "
            f"({' '.join(VIDEOS)})"
        )
    if not path.is_file():
        raise DatasetError(f"--video={path} does not exist; give a video file or a folder of frames")
    if path.suffix.lower() not in VIDEOS:
        raise DatasetError(
            f"--video={path} is not a video that is read; the endings are {' '.join(VIDEOS)}, and a folder of frames "
            "works too"
        )
    return [_video(path, fps)]


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts frame2 before frame10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.findall(r"[0-9]{1,18}|[^0-9]+", name)]


def _folder(path: pathlib.Path, pictures: list[pathlib.Path], fps: float | None) -> Source:
    if fps is not None:
        raise DatasetError(f"--fps chooses frames of a video file, and {path} is a folder of frames; leave --fps out")
    size = _read_picture(pictures[0]).shape[:2]

    def read() -> Iterator[tuple[str, np.ndarray]]:
        for picture in pictures:
            image = _read_picture(picture)
            if image.shape[:2] != size:
                raise DatasetError(
                    f"{picture} is {image.shape[1]}x{image.shape[0]}, but {pictures[0].name} is {size[1]}x{size[0]}; "
                    "all frames of a folder have to come from one camera at one size"
                )
            yield picture.name, image

    return Source(path, size, len(pictures), 0.0, read)


def _read_picture(path: pathlib.Path) -> np.ndarray:
    """The header is read first: a picture that claims to be huge costs no memory. Orientation marks are obeyed."""
    try:
        with PIL.Image.open(path) as header:
            width, height = header.size
        if not 0 < width * height <= _MOST_PIXELS:
            raise DatasetError(f"{path} claims to be {width}x{height}, which is no frame of a video; take it away")
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError, cv2.error):
        image = None
    if image is None:
        raise DatasetError(f"{path} cannot be read as a picture; take it out of the folder, or make it anew")
    return np.ascontiguousarray(image[..., ::-1])


def _video(path: pathlib.Path, fps: float | None) -> Source:
    capture = _open(path)
    own = capture.get(cv2.CAP_PROP_FPS)
    count = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
    found, first = capture.read()  # the size as shown: OpenCV turns frames as the file's rotation mark says
    capture.release()
    if not found or first is None:
        raise DatasetError(f"{path} holds no frame that can be decoded; make it anew, for instance as H.264 in .mp4")
    own = own if np.isfinite(own) and 0 < own <= 1000 else 0.0
    if fps is not None and not 0 < fps <= own:
        rate = f"has {own:g} frames a second" if own else "does not say its frame rate"
        raise DatasetError(f"--fps={fps:g} cannot be taken of {path}, which {rate}; ask for at most that, or leave it")
    step = 1.0 if fps is None else own / fps

    def read() -> Iterator[tuple[str, np.ndarray]]:
        capture, wanted, number = _open(path), 0.0, 0
        try:
            while capture.grab():
                if number >= wanted - 1e-6:
                    wanted += step
                    found, image = capture.retrieve()
                    if not found or image.shape != first.shape:
                        raise DatasetError(
                            f"frame {number} of {path} is damaged or of another size; cut the video there or convert it"
                        )
                    yield f"frame {number}", np.ascontiguousarray(image[..., ::-1])
                number += 1
        finally:
            capture.release()

    return Source(path, first.shape[:2], int(count / step), own / step, read)


def _open(path: pathlib.Path) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG)
    width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if not capture.isOpened() or not 0 < width * height <= _MOST_PIXELS:
        raise DatasetError(f"{path} cannot be read as a video; make it anew, for instance as H.264 in .mp4")
    return capture
