"""`--mode=replay`: repeats the step at which training broke down and prints what was not finite first."""

import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from mtl_depth import config as configuration
from mtl_depth.errors import UserError
from mtl_depth.runtime import replay_file
from mtl_depth.runtime.devices import Devices
from mtl_depth.training.assembly import assemble_run
from mtl_depth.training.gradients import Gradients
from mtl_depth.training.monitor import where


def run(workdir: pathlib.Path, file: str | pathlib.Path | None) -> str:
    """Prints the loss terms, the gradient norm of every part of the network and the first number that is not finite.

    Args:
        workdir: folder with the replay_<step>.npz files, of which the newest is used.
        file: another file to use instead.

    Returns:
        The name of the first number that is not finite, or "".

    Raises:
        UserError: there is no such file, or it is damaged.
    """
    path = pathlib.Path(file) if file else _newest(workdir)
    config = configuration.from_dict(replay_file.read_settings(path))
    assembly = assemble_run(config)
    state, batch = replay_file.read(path, assembly.shapes()._replace(opt_state=(), key=jax.random.key(0)))
    found = assembly.gradients()(state, Devices(1).place_batch(batch, parts=config.train.accumulate))
    print(f"{path}: step {int(state.step) + 1}, clips {', '.join(where(batch))}")
    for name, value in found.terms.items():
        print(f"loss {name:40} {float(value):g}")
    for part, grads in found.grads.items():
        leaves = [np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(grads)]
        print(f"gradient norm {part:31} {float(np.linalg.norm(np.concatenate(leaves))):g}")
    first = next((name for name, array in _in_order(state, batch, found) if not np.isfinite(array).all()), "")
    print(f"first not finite: {first or 'nothing; all of this is finite on this machine'}")
    return first


def _newest(workdir: pathlib.Path) -> pathlib.Path:
    steps = {int(path.stem.removeprefix("replay_")): path for path in workdir.glob("replay_*.npz")}
    if not steps:
        raise UserError(
            f"{workdir} holds no replay_<step>.npz; a run that breaks down leaves one. Or give --input=FILE."
        )
    return steps[max(steps)]


def _in_order(state: Any, batch: Any, found: Gradients) -> Iterator[tuple[str, np.ndarray]]:
    """Everything that may not be finite, in the order in which a step computes it."""
    grads = {part: found.grads[part] for part in reversed(sorted(found.grads))}
    trees = {
        "batch": batch, "parameter": state.params, "running average": state.batch_stats, "loss": found.terms,
        "statistics of the batch in": found.batch_stats, "gradient of": grads,
    }  # fmt: skip
    for kind, tree in trees.items():
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            yield f"{kind} {jax.tree_util.keystr(path, simple=True, separator='/')}", np.asarray(leaf)
