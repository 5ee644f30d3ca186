"""Folders that are written atomically: files and their checksums are synced to disk before the folder gets its name."""

import errno
import hashlib
import json
import os
import pathlib
from typing import Any

from mtl_depth.errors import UserError

NAME = "manifest.json"
DAMAGE = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ELOOP)  # something else is where a file was written


def commit(part: pathlib.Path, final: pathlib.Path, notes: dict[str, Any]) -> None:
    """Writes the manifest of `part` with `notes` into it, syncs everything and renames it to `final`."""
    files = {}
    for path in _files(part):
        with open(path, "rb") as file:
            files[path.relative_to(part).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
    _write(part / NAME, {"notes": notes, "files": files})
    for path in [part, *(path for path in part.rglob("*") if path.is_dir())]:
        sync_folder(path)
    part.rename(final)
    sync_folder(final.parent)


def add_notes(folder: pathlib.Path, notes: dict[str, Any]) -> None:
    """Adds to the notes that `folder` was committed with. Raises ValueError if its manifest is damaged."""
    content = _read(folder)
    part = folder.with_name(f"{folder.name}.{NAME}.part")
    _write(part, content | {"notes": content["notes"] | notes})
    part.replace(folder / NAME)
    sync_folder(folder)


def read_notes(folder: pathlib.Path) -> dict[str, Any]:
    """The notes that `folder` was committed with.

    Raises:
        ValueError: the manifest is missing or damaged.
    """
    return _read(folder)["notes"]


def check(folder: pathlib.Path) -> None:
    """Raises ValueError, which names the file, if a file of `folder` is missing or differs from what was committed, and
    UserError if the system does not let it be read."""
    for name, digest in _read(folder)["files"].items():
        try:
            with open(folder / name, "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _fault(folder / name, error) from None
        if found != digest:
            raise ValueError(f"{name} differs from its checksum")


def sync_folder(folder: pathlib.Path) -> None:
    """Waits until the names in `folder` are on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: pathlib.Path, content: dict[str, Any]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content | {"sha256": _digest(content)}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def _read(folder: pathlib.Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / NAME).read_bytes())
        digest = content.pop("sha256")
        if digest == _digest(content):
            return content
    except FileNotFoundError:
        raise ValueError(f"{NAME} is missing") from None
    except OSError as error:
        raise _fault(folder / NAME, error) from None
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        pass
    raise ValueError(f"{NAME} is damaged")


def _fault(path: pathlib.Path, error: OSError) -> Exception:
    """Damage where something else is in the place of a file; what the system refuses may be whole."""
    if error.errno in DAMAGE:
        return ValueError(f"{path.name} cannot be read ({error.strerror})")
    return UserError(
        f"{path} cannot be read ({error.strerror}); make it readable, or check the disk: the checkpoint may be whole."
    )


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
