"""Reads weight files as named NumPy arrays, and writes `.pth` files. No pickle is ever executed."""

import pathlib
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from mtl_depth.errors import UserError
from mtl_depth.pretrained import torch_file

SUFFIXES = (".pth", ".safetensors", ".npz")


def read_arrays(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the named arrays of a `.safetensors`, `.npz` or `.pth` file; floats become float32.

    Raises:
        UserError: the file is missing, damaged, of another format, or contains anything but tensors and numbers.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"There is no weight file {path}; give the path of one.")
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path} is not a weight file; the supported extensions are {', '.join(SUFFIXES)}.")
    reader = {".pth": torch_file.read, ".safetensors": _read_safetensors, ".npz": _read_npz}[path.suffix]
    try:
        entries = reader(path)
    except UserError:
        raise
    except Exception as error:  # every format raises its own kinds of errors
        if isinstance(error, OSError) and error.strerror:
            raise UserError(f"{path} cannot be read ({error.strerror}); make it readable, or check the disk.") from None
        reason = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(".")[:200]
        raise UserError(f"{path} cannot be read: it is truncated or not a {path.suffix} file ({reason}).") from error
    return {name: _as_array(value, name, path) for name, value in entries.items()}


def write_torch(entries: Mapping[str, Any], path: pathlib.Path) -> None:
    """Writes arrays (as tensors) and plain values to a `.pth` file."""
    torch = _torch(f"writing {path.name}")
    torch.save({k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in entries.items()}, path)


def _read_safetensors(path: pathlib.Path) -> Mapping[str, Any]:
    from safetensors.numpy import load_file

    return load_file(path)


def _read_npz(path: pathlib.Path) -> Mapping[str, Any]:
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > torch_file.MOST_BYTES:
            raise UserError(f"{path} would unpack to more data than any network has; it is damaged or malicious.")
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def _as_array(value: Any, name: str, path: pathlib.Path) -> np.ndarray:
    """A tensor, array or number as an array; floats of any width as float32."""
    if not isinstance(value, (np.ndarray, np.generic, bool, int, float)):
        raise UserError(f"{path}: {name} is a {type(value).__name__}, not a tensor; save the network's state_dict().")
    value = np.asarray(value)
    if value.dtype.kind in "biu":
        return value
    try:
        return value.astype(np.float32)
    except (TypeError, ValueError):  # words, records
        raise UserError(f"{path}: {name} holds no numbers; save the network's state_dict().") from None


def _torch(purpose: str) -> Any:
    try:
        import torch
    except ImportError as error:
        raise UserError(
            f"{purpose[0].upper()}{purpose[1:]} needs torch: pip install -c constraints.txt -e '.[torch]'"
        ) from error
    return torch
