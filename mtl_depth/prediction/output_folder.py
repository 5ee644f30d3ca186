"""The output folder: earlier results are replaced, but never a file that this program did not write."""

import fnmatch
import itertools
import json
import os
import pathlib
from collections.abc import Sequence

from mtl_depth.errors import UserError
from mtl_depth.runtime import disk, log

MARKER = ".mtl_depth_results"  # one JSON line a file: {"file": name}, when complete with its "size" and "modified" time


EXPORTED = ".mtl_depth_export"  # the same of what --mode=export wrote, which shares its folder with other files


class OutputFolder:
    """An empty output folder, which keeps a list of the files that are written into it."""

    def __init__(self, path: pathlib.Path):
        self.path, self._names = path, []
        self._list([])

    def file(self, name: str) -> pathlib.Path:
        """Returns the path for a file of this name and lists it first, so that a killed run leaves no unknown file."""
        self._names.append(name)
        with open(self.path / MARKER, "a", encoding="ascii") as file:
            file.write(json.dumps({"file": name}) + "\n")
        return self.path / name

    def close(self) -> None:
        """Adds sizes and times to the list, so that files that are changed later can be recognised."""
        self._list([_entry(self.path / name) for name in self._names if (self.path / name).is_file()])

    def _list(self, entries: list[dict[str, object]]) -> None:
        lines = "".join(json.dumps(entry) + "\n" for entry in entries)
        (self.path / MARKER).write_text(lines, encoding="ascii")


def open_folder(wanted: str | pathlib.Path) -> OutputFolder:
    """Opens `wanted`, created if absent and emptied if it contains only earlier results; otherwise the first possible
    folder among `wanted`_2, `wanted`_3, ..., which is printed.

    Raises:
        UserError: the folder cannot be written.
    """
    wanted = pathlib.Path(os.path.expanduser(wanted))
    numbered = (wanted.with_name(f"{wanted.name}_{number}") for number in itertools.count(2))
    path = next(path for path in itertools.chain([wanted], numbered) if _is_free(path))
    disk.check_writable(path)
    for name in _listed(path):
        (path / name).unlink(missing_ok=True)
    if path != wanted:
        log.say(f"{wanted} holds files that are not results of an earlier --mode=predict; results go to {path}.")
    return OutputFolder(path)


def check_apart(output: pathlib.Path, given: str | pathlib.Path, files: Sequence[pathlib.Path]) -> None:
    """Refuses an output folder among the input, because the next run would read the results as input.

    Args:
        output: the folder.
        given: the input as it was given: a file, a folder or a pattern.
        files: the files that it refers to.

    Raises:
        UserError: `output` contains one of the files, lies inside the folder, or has a name that the pattern matches.
    """
    target, source = output.resolve(), pathlib.Path(os.path.expanduser(given)).absolute()
    if any(target in (file.resolve().parent, file.parent.resolve()) for file in files):
        raise UserError(f"--output is the folder of the input, {output}; give another one.")
    inside = source.is_dir() and source.resolve() in target.parents
    if not source.exists():
        pattern = source.parts[:-1]
        if "**" in pattern:
            inside = pathlib.Path(*pattern[: pattern.index("**")]).resolve() in target.parents
        else:
            inside = len(pattern) == len(target.parts) and all(map(fnmatch.fnmatchcase, target.parts, pattern))
    if inside:
        raise UserError(
            f"--output={output} lies inside the input {given}, so the next run would read the results as input; "
            "give another one."
        )


def check_replaceable(folder: pathlib.Path, names: Sequence[str]) -> None:
    """Raises UserError where `folder` holds one of the names, and not as `note_exported` has left it."""
    listed = _listed(folder, EXPORTED)
    for name in names:
        file = folder / name
        if os.path.lexists(file) and not (name in listed and (file.is_dir() or listed[name] == _entry(file))):
            raise UserError(
                f"{file} is not a result of an earlier --mode=export and would be lost; give another --output, or "
                "remove it."
            )


def note_exported(folder: pathlib.Path, names: Sequence[str]) -> None:
    """Lists the files among `names` that are there, for the next export of this kind."""
    entries = _listed(folder, EXPORTED) | {name: _entry(folder / name) for name in names if (folder / name).exists()}
    (folder / EXPORTED).write_text("".join(json.dumps(entry) + "\n" for entry in entries.values()), encoding="ascii")


def _is_free(path: pathlib.Path) -> bool:
    """Whether nothing would be lost: the path does not exist, or is a folder of unchanged results."""
    if not os.path.lexists(path):
        return True
    if not path.is_dir():
        raise UserError(f"{path} is a file; give a folder to write results into.")
    listed = _listed(path)
    found = [file for file in path.iterdir() if file.name != MARKER]
    return all(
        file.name in listed and file.is_file() and listed[file.name] in ({"file": file.name}, _entry(file))
        for file in found
    )


def _listed(path: pathlib.Path, marker: str = MARKER) -> dict[str, dict[str, object]]:
    """The lines of the marker by file name; empty without a readable marker."""
    try:
        lines = [json.loads(line) for line in (path / marker).read_text(encoding="ascii").splitlines()]
        return {line["file"]: line for line in lines if pathlib.PurePath(line["file"]).name == line["file"]}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _entry(file: pathlib.Path) -> dict[str, object]:
    status = file.stat()
    return {"file": file.name, "size": status.st_size, "modified": status.st_mtime_ns}
