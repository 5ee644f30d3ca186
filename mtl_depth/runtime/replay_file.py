"""A batch and the state before it in one file of plain arrays, so that a step can be repeated."""

import json
import os
import pathlib
from typing import Any

import jax
import numpy as np

from mtl_depth.errors import UserError


def write(path: pathlib.Path, state: Any, batch: Any, *, settings: dict[str, Any]) -> None:
    """Writes a state, a batch and the settings of the run."""
    arrays = {"settings": np.array(json.dumps(settings))}
    for name, leaf in _named("state", state):
        key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        arrays[name] = np.asarray(jax.random.key_data(leaf) if key else leaf)
    arrays |= {f"batch/{name}": np.asarray(array) for name, array in batch.items()}
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def read_settings(path: pathlib.Path) -> dict[str, Any]:
    """The settings in a file that `write` wrote. Raises UserError if it is another file."""
    return json.loads(str(_read(path)["settings"]))


def read(path: pathlib.Path, target: Any) -> tuple[Any, Any]:
    """(state, batch) of a file that `write` wrote.

    Args:
        path: the file.
        target: a state with the expected shapes and types.

    Raises:
        UserError: it is not such a file, or belongs to another network.
    """
    arrays = _read(path)
    leaves = []
    for name, leaf in _named("state", target):
        if name not in arrays:
            raise UserError(
                f"{path} has no {name}; it was written by another version of mtl_depth or for another network."
            )
        key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        leaves.append(jax.random.wrap_key_data(arrays[name], impl=jax.random.key_impl(leaf)) if key else arrays[name])
    batch = {name.split("/")[-1]: array for name, array in arrays.items() if name.startswith("batch/")}
    return jax.tree.unflatten(jax.tree.structure(target), leaves), batch


def _named(root: str, tree: Any) -> list[tuple[str, Any]]:
    return [
        (f"{root}/{jax.tree_util.keystr(path, simple=True, separator='/')}", leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    ]


def _read(path: pathlib.Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        arrays["settings"]
        return arrays
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}); give a replay_<step>.npz.") from None
    except Exception as error:  # a damaged archive fails in many ways
        raise UserError(f"{path} is not a complete replay_<step>.npz ({error!r}); give another one.") from None
