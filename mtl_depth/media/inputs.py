"""Where pictures to look at come from: a file, a folder, a pattern or a video, read one after the other."""

import collections
import glob
import pathlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import cv2
import numpy as np

from mtl_depth.errors import UserError
from mtl_depth.media import image_files

VIDEO_ENDINGS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm")


class Footage(NamedTuple):
    """Pictures in an order.

    Attributes:
        names: one a picture, unlike each other, without an ending; of a video as many as its header claims.
        folder: where they lie.
        read: reads them all, each as (index, uint8 [h w 3] RGB or the reason why it cannot be read).
        rate: pictures a second of a video; None where they are no video.
    """

    names: list[str]
    folder: pathlib.Path
    read: Callable[[], Iterator[tuple[int, np.ndarray | UserError]]]
    rate: float | None = None


def find(path: str | pathlib.Path) -> Footage:
    """What `path` names: a picture, a video, a folder of pictures in the order of names, or a pattern (a/*.png).

    Raises:
        UserError: nothing is there, or nothing that can be read.
    """
    files = _files(path)
    videos = [file for file in files if file.suffix.lower() in VIDEO_ENDINGS]
    stills = [file for file in files if file.suffix.lower() in image_files.ENDINGS]
    if stills:
        return Footage(unique_names(stills), stills[0].parent, lambda: _read_stills(stills))
    if len(videos) == 1:
        return _video(videos[0])
    if videos:
        raise UserError(f"{path} holds {len(videos)} videos, such as {videos[0].name}; give one at a time.")
    kind = "is not a picture or a video" if pathlib.Path(path).is_file() else "holds no picture and no video"
    raise UserError(f"{path} {kind}; the endings read are {' '.join((*image_files.ENDINGS, *VIDEO_ENDINGS))}.")


def unique_names(files: list[pathlib.Path]) -> list[str]:
    """Names of the files without their endings, which stay where two would be the same (a.png, a.jpg: a_png, a_jpg).

    Files of several folders (a pattern can name them) whose names are the same are numbered.
    """
    stems = collections.Counter(file.stem for file in files)
    names = [file.stem if stems[file.stem] == 1 else file.name.replace(".", "_") for file in files]
    seen = collections.Counter(names)
    return [name if seen[name] == 1 else f"{name}_{index:06d}" for index, name in enumerate(names)]


def _files(path: str | pathlib.Path) -> list[pathlib.Path]:
    plain = pathlib.Path(path)
    if plain.is_file():
        return [plain]
    if plain.is_dir():
        found = sorted(plain.iterdir())
    else:
        found = sorted(pathlib.Path(name) for name in glob.glob(str(path), recursive=True))
        if not found:
            what = "matches nothing" if glob.has_magic(str(path)) else "does not exist"
            raise UserError(
                f"{path} {what}; give a picture, a folder of pictures, a video or a pattern such as 'a/*.png'."
            )
    return [file for file in found if file.is_file() and not file.name.startswith(".")]


def _read_stills(files: list[pathlib.Path]) -> Iterator[tuple[int, np.ndarray | UserError]]:
    for index, file in enumerate(files):
        try:
            yield index, image_files.read(file)
        except UserError as error:
            yield index, error


def _video(path: pathlib.Path) -> Footage:
    video = cv2.VideoCapture(str(path))
    total, rate = int(video.get(cv2.CAP_PROP_FRAME_COUNT)), video.get(cv2.CAP_PROP_FPS)
    readable, _ = video.read()
    video.release()
    if not readable:
        raise UserError(
            f"{path} cannot be read as a video; its codec may be missing, try `ffmpeg -i {path} frames/%06d.png`."
        )
    names = [f"{path.stem}_{index:06d}" for index in range(max(total, 1))]
    return Footage(names, path.parent, lambda: _read_video(path), rate if rate > 0 else 25.0)


def _read_video(path: pathlib.Path) -> Iterator[tuple[int, np.ndarray]]:
    video = cv2.VideoCapture(str(path))
    try:
        index = 0
        while True:
            there, frame = video.read()
            if not there:
                return
            yield index, np.ascontiguousarray(frame[..., ::-1])
            index += 1
    finally:
        video.release()
