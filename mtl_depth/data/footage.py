"""Pictures and videos of any kind, read as `tfds_kitti360.build` reads them; mistakes are UserErrors."""

import contextlib
import os
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from mtl_depth.errors import UserError
from tfds_kitti360 import files, films, pictures
from tfds_kitti360.errors import DatasetError
from tfds_kitti360.files import Listing, natural, remark
from tfds_kitti360.films import ENDINGS as FILM_ENDINGS
from tfds_kitti360.films import Film, Frame
from tfds_kitti360.order import doubt, interleaved
from tfds_kitti360.pictures import ENDINGS as PICTURE_ENDINGS
from tfds_kitti360.pictures import white_level

__all__ = ["FILM_ENDINGS", "PICTURE_ENDINGS", "Film", "Frame", "Listing", "doubt", "expand", "interleaved"]
__all__ += ["list_folder", "natural", "open_film", "read_bytes", "read_film", "read_picture", "remark", "white_level"]


def read_picture(source: str | os.PathLike[str] | bytes, *, name: str = "", white: float | None = None) -> np.ndarray:
    """`tfds_kitti360.pictures.read_picture`: uint8 [h w 3], RGB, upright."""
    with _user_errors():
        return pictures.read_picture(source, name=name, white=white)


def read_bytes(path: str | os.PathLike[str], *, most: int | None = None) -> bytes:
    """`tfds_kitti360.files.read_bytes`; raises OSError, for pipes and devices too."""
    return files.read_bytes(path, most=most)


def open_film(path: str | os.PathLike[str]) -> Film:
    """`tfds_kitti360.films.open_film`."""
    with _user_errors():
        return films.open_film(path)


def read_film(film: Film, *, fps: float | None = None) -> Iterator[Frame]:
    """`Film.read`."""
    with _user_errors():
        yield from film.read(fps=fps)


def list_folder(folder: pathlib.Path, endings: Sequence[str]) -> Listing:
    """`tfds_kitti360.files.list_folder`."""
    with _user_errors():
        return files.list_folder(folder, endings)


def expand(path: str | os.PathLike[str]) -> pathlib.Path:
    """`tfds_kitti360.files.expand`: the path with a leading ~ replaced."""
    with _user_errors():
        return files.expand(path)


@contextlib.contextmanager
def _user_errors() -> Iterator[None]:
    try:
        yield
    except DatasetError as error:
        raise UserError(f"{error}.") from None
