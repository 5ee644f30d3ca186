"""Functions for files: paths, bytes, natural order of names, and listing of folders."""

import os
import pathlib
import re
import stat
from collections.abc import Sequence
from typing import NamedTuple

from tfds_kitti360.errors import DatasetError

# Among them seconds since 1970 with a fraction, as ROS names pictures: 1503677345.05 comes before 1503677345.1.
_PART = re.compile(r"(\d{9,})\.(\d+)|(\d+)|(\D+)")
_EXAMPLES = 3  # names listed of each kind of file that is not read


class Listing(NamedTuple):
    """The content of a folder: the files to read, in natural order, and the names of the others by reason."""

    files: list[pathlib.Path]
    unread: dict[str, list[str]]


def expand(path: str | os.PathLike[str]) -> pathlib.Path:
    """The path with a leading `~` or `~name` replaced by the home folder, which shells do not do in `--flag=~/x`.

    Raises:
      DatasetError: there is no such home folder.
    """
    expanded = os.path.expanduser(path)
    if expanded.startswith("~") and not os.path.exists(expanded.split(os.sep)[0]):
        raise DatasetError(f"{path} starts with ~, and there is no such home folder here; write the whole path")
    return pathlib.Path(expanded)


def read_bytes(path: str | os.PathLike[str], *, most: int | None = None) -> bytes:
    """The content of a regular file, or its first `most` bytes.

    A named pipe or a device is refused, since opening one may wait forever.

    Raises:
      OSError: it cannot be read; `strerror` says why.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise OSError(0, f"it is {'a folder' if stat.S_ISDIR(mode) else 'a named pipe or a device'}, not a file")
    with open(descriptor, "rb") as file:
        return file.read() if most is None else file.read(most)


def natural(name: str) -> tuple[object, ...]:
    """Sorts frame2 before frame10, capital letters with small ones, and 1503677345.5 seconds after 1503677345.25."""
    stem = name.rsplit(".", 1)[0] if "." in name[1:] else name
    parts: list[tuple[int, int, str]] = []
    for seconds, fraction, number, text in _PART.findall(stem.casefold()):
        if seconds:
            parts += [(0, int(seconds), ""), (1, 0, fraction)]
        else:
            parts.append((0, int(number), "") if number else (1, 0, text))
    return (*parts, (-1, 0, name))


def list_folder(folder: pathlib.Path, endings: Sequence[str]) -> Listing:
    """Lists the files with one of the extensions `endings` (lower case, such as `.png`), and the other files.

    Raises:
      DatasetError: the folder cannot be listed.
    """
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: natural(entry.name))
    except OSError as error:
        raise DatasetError(f"{folder} cannot be listed ({error.strerror}); make it readable") from None
    files, unread = [], {}
    for entry in entries:
        try:
            reason = _unread(entry, endings)
        except OSError as error:  # a loop of links, a broken disk
            reason = f"unreadable: {error.strerror}"
        if reason:
            unread.setdefault(reason, []).append(entry.name)
        else:
            files.append(folder / entry.name)
    return Listing(files, unread)


def present(path: pathlib.Path) -> bool:
    """Whether there is a file, a folder or a link of that name, including broken links.

    Raises:
      DatasetError: its folder cannot be read.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); make its folder readable") from None
    return True


def remark(folder: pathlib.Path, unread: dict[str, list[str]]) -> str:
    """One sentence about the files of a folder that were not read, or ""."""
    if not unread:
        return ""
    reasons = "; ".join(f"{len(names)} {reason} ({_examples(names)})" for reason, names in unread.items())
    return f"not read in {folder}: {reasons}"


def _unread(entry: os.DirEntry[str], endings: Sequence[str]) -> str:
    """Why a file is not read, as a phrase that follows a number; "" if it is read."""
    if entry.name.startswith("."):
        return "hidden"
    if entry.is_dir():
        return "folders"
    if not entry.name.lower().endswith(tuple(endings)):
        return f"with an extension other than {' '.join(endings)}"
    if entry.is_file():
        return ""
    return "links that lead nowhere" if entry.is_symlink() else "named pipes or devices"


def _examples(names: list[str]) -> str:
    return ", ".join(names[:_EXAMPLES]) + (", ..." if len(names) > _EXAMPLES else "")
