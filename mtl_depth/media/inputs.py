"""Finds and reads input pictures: a file, a folder, a pattern or a video, one picture after the other."""

import collections
import functools
import glob
import itertools
import pathlib
import unicodedata
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from mtl_depth.data import footage
from mtl_depth.errors import UserError
from mtl_depth.media import image_files

VIDEO_ENDINGS = footage.FILM_ENDINGS
USUAL_RATE = 25.0  # frames per second of a video without a rate and time stamps
_TIMED = 30  # frames whose time stamps determine the rate
Answer = np.ndarray | UserError  # uint8 [h w 3] RGB, or the reason why it cannot be read


class Footage(NamedTuple):
    """A sequence of pictures.

    Attributes:
        names: one name per picture, unique and without an extension; for a video as many as its header states.
        files: the files that they are read from.
        frames: reads them all, each as (index, seconds since the first, picture or the reason why there is none);
            seconds are 0 if they are not from a video.
        rate: frames per second of a video; None if they are not from a video.
        remark: a sentence about files next to them that are not read, or "".
    """

    names: list[str]
    files: list[pathlib.Path]
    frames: Callable[[], Iterator[tuple[int, float, Answer]]]
    rate: float | None = None
    remark: str = ""

    @property
    def folder(self) -> pathlib.Path:
        """The folder of the first file."""
        return self.files[0].parent

    def read(self) -> Iterator[tuple[int, Answer]]:
        """Reads the pictures without their times."""
        return ((index, picture) for index, _, picture in self.frames())

    def doubt(self) -> str | None:
        """Why the order may not be that of time, in a few words, or None."""
        if pair := footage.interleaved(self.files):
            return f"the names of several sequences run through one another ({pair[0]}, {pair[1]})"
        return footage.doubt(self.files)

    def name(self, index: int) -> str:
        """The name of a picture; in a video also of frames beyond the number that its header states."""
        return self.names[index] if self.rate is None else _frame_name(self.files[0], index)


def find(path: str | pathlib.Path) -> Footage:
    """Finds the pictures at `path`: a picture, a video, a folder of pictures in natural order, or a pattern (a/*.png).

    Raises:
        UserError: there is nothing, or nothing that can be read.
    """
    files, remark = _files(footage.expand(path))
    videos = [file for file in files if file.name.lower().endswith(VIDEO_ENDINGS)]
    stills = [file for file in files if file.name.lower().endswith(image_files.ENDINGS)]
    if stills:
        if videos:
            remark = " ".join(filter(None, [remark, f"{len(videos)} videos, such as {videos[0].name}, are not read."]))
        return Footage(unique_names(stills), stills, functools.partial(_read_stills, stills), remark=remark)
    if len(videos) == 1:
        return _video(videos[0])
    if videos:
        raise UserError(f"{path} holds {len(videos)} videos, such as {videos[0].name}; give one at a time.")
    kind = "is not a picture or a video" if pathlib.Path(path).is_file() else "holds no picture and no video"
    raise UserError(f"{path} {kind}; the supported extensions are {' '.join((*image_files.ENDINGS, *VIDEO_ENDINGS))}.")


def unique_names(files: list[pathlib.Path]) -> list[str]:
    """Names of the files without their extensions, unique on any file system.

    Where two would be equal, the extensions are kept (a.png, a.jpg: a_png, a_jpg); if they are still equal, the later
    ones are numbered.
    """
    stems = collections.Counter(_folded(file.stem) for file in files)
    taken = {stem for stem, count in stems.items() if count == 1}
    names = []
    for file in files:
        name = file.stem
        if stems[_folded(name)] > 1:
            base = file.name.replace(".", "_")
            numbered = (f"{base}_{number}" for number in itertools.count(2))
            name = next(name for name in itertools.chain([base], numbered) if _folded(name) not in taken)
            taken.add(_folded(name))
        names.append(name)
    return names


def _folded(name: str) -> str:
    """Maps names that some file systems treat as equal to one key: capitals, composed and decomposed accents."""
    return unicodedata.normalize("NFC", name.casefold())


def _files(path: pathlib.Path) -> tuple[list[pathlib.Path], str]:
    if path.is_dir():
        listing = footage.list_folder(path, (*image_files.ENDINGS, *VIDEO_ENDINGS))
        remark = footage.remark(path, listing.unread)
        return listing.files, remark and f"{remark[0].upper()}{remark[1:]}."
    if path.exists():
        return [path], ""
    found = (pathlib.Path(name) for name in glob.glob(_pattern(path), recursive=True))
    files = [file for file in found if file.is_file() and not file.name.startswith(".")]
    if not files:
        what = "matches nothing" if glob.has_magic(str(path)) else "does not exist"
        raise UserError(f"{path} {what}; give a picture, a folder of pictures, a video or a pattern such as 'a/*.png'.")
    return sorted(files, key=lambda file: tuple(footage.natural(part) for part in file.parts)), ""


def _pattern(path: pathlib.Path) -> str:
    """The pattern, with brackets and asterisks in the names of folders that exist taken literally."""
    there = next((parent for parent in path.parents if parent.is_dir()), pathlib.Path())
    return str(pathlib.Path(glob.escape(str(there)), path.relative_to(there)))


def _read_stills(files: list[pathlib.Path]) -> Iterator[tuple[int, float, Answer]]:
    white = footage.white_level(files)
    for index, file in enumerate(files):
        try:
            yield index, 0.0, image_files.read(file, white=white)
        except UserError as error:
            yield index, 0.0, error


def _video(path: pathlib.Path) -> Footage:
    film = footage.open_film(path)
    names = [_frame_name(path, index) for index in range(max(film.promised, 1))]
    return Footage(names, [path], functools.partial(_read_video, film), _rate(film))


def _frame_name(path: pathlib.Path, index: int) -> str:
    return f"{path.stem}_{index:06d}"


def _rate(film: footage.Film) -> float:
    """Frames per second: that of the header, unless the time stamps of the first frames differ from it."""
    times = [seconds for _, seconds, _ in itertools.islice(_read_video(film), _TIMED)]
    if len(times) < 2 or not times[-1] > times[0]:
        return film.rate or USUAL_RATE
    measured = (len(times) - 1) / (times[-1] - times[0])
    return film.rate if abs(film.rate / measured - 1) < 0.02 else measured


def _read_video(film: footage.Film) -> Iterator[tuple[int, float, Answer]]:
    index, seconds = 0, 0.0
    try:
        for index, (_, seconds, image) in enumerate(footage.read_film(film)):
            yield index, seconds, image
    except UserError as error:
        yield index + 1, seconds, error
