"""JSON files that the program reads back: strict JSON with a checksum that reveals damage and edits."""

import errno
import hashlib
import json
import pathlib
from typing import Any

from mtl_depth.runtime import log
from mtl_depth.runtime.strict_json import decoded, encoded

CHECKSUM = "sha256"


def write(path: pathlib.Path, content: dict[str, Any]) -> None:
    """Writes `content` with its checksum, atomically."""
    content = encoded(content)
    log.write_text(path, json.dumps(content | {CHECKSUM: digest(content)}, indent=1, allow_nan=False) + "\n")


def read(path: pathlib.Path) -> dict[str, Any]:
    """Reads what `write` wrote; prints a warning if the file was changed since.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: it is not a JSON object.
    """
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise OSError(errno.EISDIR, "it is a folder, a pipe or a device, not a file", str(path))
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(content, dict):
        raise ValueError("it is not a JSON object")
    found = content.pop(CHECKSUM, None)
    if found is not None and found != digest(content):
        log.say(f"warning: {path} was edited or damaged after it was written (its checksum differs); it is used as is.")
    return decoded(content)


def digest(content: dict[str, Any]) -> str:
    """The checksum of JSON values."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
