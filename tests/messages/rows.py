"""What a row of the table of messages is, and how the command lines in it are run."""

import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import command_line
import cv2
import numpy as np

from tfds_kitti360 import build as building
from tfds_kitti360.city import __main__ as drawing

Provoke = Callable[..., Any]  # of an empty folder, and of a monkeypatch if it takes two


class Row(NamedTuple):
    """A mistake, and the sentence that meets it."""

    site: str  # how the name of the place that makes the sentence begins: module.function: first words
    mistake: str
    provoke: Provoke
    parts: tuple[str, ...]  # of the sentence


def row(site: str, mistake: str, provoke: Provoke, *parts: str) -> Row:
    """A row; `{at}` in a part is the folder that the mistake is made in."""
    return Row(site, mistake, provoke, parts)


def main(*arguments: str) -> Provoke:
    """The command line of mtl_depth.main; `{at}` in an argument is the folder."""
    return lambda at: command_line.run(*_filled(arguments, at))


def depth(*arguments: str) -> Provoke:
    """The same with a configuration and a run's folder."""
    return main("--config=configs/depth.py", "--workdir={at}/run", *arguments)


def build(*arguments: str) -> Provoke:
    """The command line of tfds_kitti360.build."""
    return lambda at: building.main(_filled(["--data_dir={at}/built", *arguments], at))


def city(*arguments: str) -> Provoke:
    """The command line of tfds_kitti360.city."""
    return lambda at: drawing.main(_filled(["--out={at}/city", *arguments], at))


def written(path: pathlib.Path, content: str | bytes = "") -> pathlib.Path:
    """The file, written with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def saved(path: pathlib.Path, content: bytes | np.ndarray) -> pathlib.Path:
    """The file, of these bytes or of an array as its ending says: .npy or a picture."""
    if isinstance(content, bytes):
        return written(path, content)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, content) if path.suffix == ".npy" else cv2.imwrite(str(path), content)
    return path


def _filled(arguments: Any, at: pathlib.Path) -> list[str]:
    return [argument.replace("{at}", str(at)) for argument in arguments]
