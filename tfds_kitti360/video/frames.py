"""Reads the frames of a video file or of a folder of pictures, one RGB picture after the other."""

import pathlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from tfds_kitti360 import films, pictures
from tfds_kitti360.errors import DatasetError
from tfds_kitti360.files import Listing, list_folder, remark
from tfds_kitti360.order import doubt, interleaved


class Source(NamedTuple):
    """One video or one folder of frames.

    Attributes:
      path: its path.
      size: height, width of its frames after rotation.
      count: approximate number of frames that `read` yields.
      bytes: size of the file, or of all pictures of the folder.
      fps: frames per second that `read` yields; 0 if unknown (a folder).
      remarks: sentences about files of the folder that are not read.
      read: yields (name of the frame in the source, uint8 [h w 3], RGB) in order; it raises DatasetError.
    """

    path: pathlib.Path
    size: tuple[int, int]
    count: int
    bytes: int
    fps: float
    remarks: tuple[str, ...]
    read: Callable[[], Iterator[tuple[str, np.ndarray]]]


def find_sources(paths: list[pathlib.Path], *, fps: float | None = None) -> list[Source]:
    """Opens the paths of `--video`: video files, folders of frames, or folders of video files.

    Args:
      paths: files and folders.
      fps: frames per second to take of a video file; None: all of them.

    Raises:
      DatasetError: a path is not there, cannot be read, or holds no frame.
    """
    return [source for path in paths for source in _sources(path, fps)]


def _sources(path: pathlib.Path, fps: float | None) -> list[Source]:
    if path.is_dir():
        if (stills := list_folder(path, pictures.ENDINGS)).files:
            return [_folder(path, stills, fps)]
        found = list_folder(path, films.ENDINGS)
        remarks = (remark(path, found.unread),) if found.unread else ()
        if found.files:
            return [_film(film, fps, remarks if film == found.files[0] else ()) for film in found.files]
        there = remark(path, list_folder(path, (*pictures.ENDINGS, *films.ENDINGS)).unread) or "it is empty"
        raise DatasetError(
            f"--video={path} is a folder without frames ({there}); give the folder that holds pictures or videos itself"
        )
    if not path.exists():
        raise DatasetError(f"--video={path} does not exist; give a video file or a folder of frames")
    if path.suffix.lower() not in films.ENDINGS:
        raise DatasetError(
            f"--video={path} is not a supported video; the supported extensions are "
            f"{' '.join(films.ENDINGS)}, and a folder of frames works too"
        )
    return [_film(path, fps)]


def _folder(path: pathlib.Path, found: Listing, fps: float | None) -> Source:
    if fps is not None:
        raise DatasetError(f"--fps chooses frames of a video file, and {path} is a folder of frames; leave --fps out")
    if pair := interleaved(found.files):
        raise DatasetError(
            f"{path} holds several sequences with interleaved names ({pair[0]}, {pair[1]}); put "
            "each, such as each camera's, into its own folder"
        )
    if reason := doubt(found.files):
        raise DatasetError(
            f"the names of the pictures in {path} do not tell the order in which they were taken ({reason}); number "
            "them in that order, such as 000001.png"
        )
    first = found.files[0]
    size, white = pictures.read_picture(first).shape[:2], pictures.white_level(found.files)

    def read() -> Iterator[tuple[str, np.ndarray]]:
        for file in found.files:
            image = pictures.read_picture(file, white=white)
            if image.shape[:2] != size:
                raise DatasetError(
                    f"{file} is {image.shape[0]}x{image.shape[1]}, but {first.name} is {size[0]}x{size[1]} "
                    f"(height x width); "
                    "all frames of a folder have to come from one camera at one size"
                )
            yield file.name, image

    remarks = (remark(path, found.unread),) if found.unread else ()
    volume = sum(file.stat().st_size for file in found.files)
    return Source(path, size, len(found.files), volume, 0.0, remarks, read)


def _film(path: pathlib.Path, fps: float | None, remarks: tuple[str, ...] = ()) -> Source:
    film = films.open_film(path)
    if fps is not None and not 0 < fps <= film.rate:
        rate = f"has {film.rate:g} frames per second" if film.rate else "does not say its frame rate"
        raise DatasetError(
            f"--fps={fps:g} cannot be taken from {path}, which {rate}; choose at most that, or leave it out"
        )

    def read() -> Iterator[tuple[str, np.ndarray]]:
        for frame in film.read(fps=fps):
            yield f"frame {frame.number}", frame.image

    share = 1.0 if fps is None else fps / film.rate
    return Source(path, film.size, int(film.promised * share), path.stat().st_size, film.rate * share, remarks, read)
