"""Checkpoints of a run: Orbax writes the arrays, and a folder gets its final name once it is complete on disk."""

import concurrent.futures
import contextlib
import os
import pathlib
import re
import shutil
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from mtl_depth.errors import UserError
from mtl_depth.runtime import log, manifest, quiet

BEST = "abs_rel"  # smaller is better
PART, DELETED, DAMAGED = ".part", ".deleted", ".damaged"  # endings of folders that are not checkpoints


class Checkpoints:
    """The checkpoints of one run folder: the newest few, and the one with the smallest Abs Rel.

    A checkpoint is a folder `<step>` with the arrays below `state` and a manifest of checksums. It is written in the
    background under another name, synced to disk and then renamed, so that a crash never leaves an incomplete one.
    """

    def __init__(self, folder: pathlib.Path, *, keep: int, writes: bool = True):
        """Opens `folder` and keeps the `keep` newest. Of several processes one `writes`; the others only restore."""
        self._folder, self._keep, self._writes = folder.absolute(), keep, writes
        self._quiet = contextlib.ExitStack()
        self._quiet.enter_context(quiet.failed_writes())
        self._background = concurrent.futures.ThreadPoolExecutor(max_workers=1)
        self._writing: concurrent.futures.Future | None = None
        if writes:
            folder.mkdir(parents=True, exist_ok=True)
            for left in [*folder.glob(f"*{PART}"), *folder.glob(f"*{DELETED}")]:
                shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()

    def save(self, step: int, state: Any, *, notes: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Copies the state and writes it in the background, with notes.

        Raises:
            UserError: this checkpoint, or the one before it, cannot be written.
        """
        self.wait()
        if not self._writes or step in steps_in(self._folder):
            return
        arrays = jax.tree.map(_to_host, state._asdict())  # a copy: the next step takes the state's memory
        self._writing = self._background.submit(self._write, step, arrays, dict(notes))

    def note(self, step: int, notes: Mapping[str, Any]) -> None:
        """Adds notes to the checkpoint of `step`; `abs_rel` is what the best one is chosen by.

        Raises:
            UserError: the checkpoint cannot be written.
        """
        self.wait()
        if not self._writes:
            return
        try:
            manifest.add_notes(self._folder / str(step), dict(notes))
        except (OSError, ValueError) as error:
            raise self._unwritable(step, error) from error
        self._prune()

    def notes(self, step: int) -> dict[str, Any]:
        """The notes of the checkpoint of `step`; {} if there is no intact one."""
        try:
            return manifest.read_notes(self._folder / str(step))
        except ValueError:
            return {}

    def newest(self) -> int | None:
        """The step of the newest intact checkpoint, or None; damaged ones are renamed with a warning."""
        for step in reversed(steps_in(self._folder)):
            folder = self._folder / str(step)
            try:
                manifest.check(folder)
                return step
            except ValueError as error:
                aside = _unused(folder.with_name(folder.name + DAMAGED))
                folder.rename(aside)
                log.say(f"warning: the checkpoint {folder} is damaged: {error}. It is now {aside.name} and not used.")
        return None

    def restore(self, step: int, target: Any) -> Any:
        """The state saved at `step`, with the shapes and types of `target`, on the first device.

        Raises:
            UserError: it was saved by another version, or is damaged.
        """
        return type(target)(**_restore(self._folder / str(step), target._asdict()))

    def wait(self) -> None:
        """Waits until what was saved is on disk. Raises UserError if it cannot be written."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def close(self) -> None:
        """Waits until everything is on disk. Raises UserError if it cannot be written."""
        try:
            self.wait()
        finally:
            self._background.shutdown()
            self._quiet.close()

    def _write(self, step: int, arrays: Any, notes: dict[str, Any]) -> None:
        part = self._folder / f"{step}{PART}"
        try:
            part.mkdir()
            with _checkpointer() as checkpointer:
                checkpointer.save(part / "state", args=ocp.args.PyTreeSave(arrays))
            manifest.commit(part, self._folder / str(step), notes)
        except (OSError, ValueError) as error:
            shutil.rmtree(part, ignore_errors=True)
            raise self._unwritable(step, error) from error
        self._prune()

    def _unwritable(self, step: int, error: Exception) -> UserError:
        return UserError(
            f"The checkpoint of step {step} cannot be written below {self._folder} ({_reason(error)}); the earlier "
            "ones are kept. Free space, then run the same command to resume from the newest."
        )

    def _prune(self) -> None:
        steps = steps_in(self._folder)
        scores = {step: self.notes(step).get(BEST, np.inf) for step in steps}
        best = min(scores, key=scores.get, default=None)
        kept = {*steps[-self._keep :], *([best] if scores.get(best, np.inf) < np.inf else [])}
        for step in set(steps) - kept:
            doomed = self._folder / f"{step}{DELETED}"
            (self._folder / str(step)).rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)


def steps_in(folder: pathlib.Path) -> list[int]:
    """The steps of the complete checkpoints in a `checkpoints` folder, in order."""
    return sorted(int(path.name) for path in folder.iterdir() if re.fullmatch("0|[1-9][0-9]*", path.name))


def restore_variables(folder: pathlib.Path, target: dict[str, Any], *, checkpoint: str = "latest") -> dict[str, Any]:
    """Reads `params` and `batch_stats` only, for evaluation.

    Args:
        folder: the `checkpoints` folder of a run.
        target: {"params", "batch_stats"} of shapes (`jax.eval_shape` makes them).
        checkpoint: "latest", "best" or a step.

    Raises:
        UserError: the folder has no such checkpoint, or it is damaged or of another network.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} does not exist; train first, or give the run's folder as --workdir.")
    steps = steps_in(folder)
    if not steps:
        raise UserError(f"{folder} holds no finished checkpoint; train first.")
    step = {"latest": steps[-1], "best": best_step(folder)}.get(checkpoint, checkpoint)
    if step is None:
        raise UserError(f"{folder} has no evaluated checkpoint, so none is the best; set config.train.evaluate_every.")
    if not str(step).isdigit() or int(step) not in steps:
        raise UserError(f"{folder} has no checkpoint {step!r}; it has latest, best and {', '.join(map(str, steps))}.")
    chosen = folder.absolute() / str(int(step))
    if os.path.lexists(chosen / manifest.NAME) or not (chosen / "state").is_dir():
        try:
            manifest.check(chosen)
        except ValueError as error:
            others = [str(other) for other in steps if other != int(step)]
            way_out = f"choose --config.evaluation.checkpoint={others[-1]}" if others else "train again"
            raise UserError(f"The checkpoint {chosen} is damaged: {error}; {way_out}.") from None
    else:
        log.say(f"warning: {chosen} has no {manifest.NAME}, so it is used without being checked for damage.")
    return _restore(chosen, dict(target), partial=True)


def best_step(folder: pathlib.Path) -> int | None:
    """Step of the checkpoint with the smallest Abs Rel on the validation split, or None if none was scored."""
    scores = {}
    for step in steps_in(folder):
        try:
            scores[step] = manifest.read_notes(folder / str(step))[BEST]
        except (ValueError, KeyError):
            continue
    return min(scores, key=scores.get, default=None)


def _checkpointer() -> ocp.Checkpointer:
    """Orbax for this process alone, without the other ones: the state is the same on all of them."""
    me = jax.process_index()
    options = ocp.options.MultiprocessingOptions(primary_host=me, active_processes={me})
    return ocp.Checkpointer(
        ocp.PyTreeCheckpointHandler(multiprocessing_options=options), multiprocessing_options=options
    )


def _restore(folder: pathlib.Path, target: dict[str, Any], *, partial: bool = False) -> dict[str, Any]:
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    shapes = jax.tree.map(lambda leaf: _shape(leaf, device), target)
    restore = ocp.args.PyTreeRestore(
        item=shapes, restore_args=ocp.checkpoint_utils.construct_restore_args(shapes), partial_restore=partial
    )
    try:
        with _checkpointer() as checkpointer:
            arrays = checkpointer.restore(folder / "state", args=restore)
    except (ValueError, KeyError, OSError) as error:
        raise UserError(
            f"{folder} is damaged, or of another network than that of config.json: {_reason(error)[:200]}"
        ) from None
    return jax.tree.map(_like, target, arrays)


def _is_key(leaf: Any) -> bool:
    return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _to_host(leaf: Any) -> np.ndarray:
    return np.array(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _shape(leaf: Any, device: jax.sharding.Sharding) -> jax.ShapeDtypeStruct:
    leaf = jax.eval_shape(jax.random.key_data, leaf) if _is_key(leaf) else leaf
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device)


def _like(leaf: Any, array: jax.Array) -> jax.Array:
    return jax.random.wrap_key_data(array, impl=jax.random.key_impl(leaf)) if _is_key(leaf) else array


def _unused(path: pathlib.Path) -> pathlib.Path:
    """`path`, or the first of path.2, path.3, ... that does not exist."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}.{number}")
    return free


def _reason(error: Exception) -> str:
    """The file system's reason, extracted from a short or a long error message."""
    for known in ("No space left on device", "File too large", "Disk quota exceeded", "Read-only file system"):
        if known in str(error):
            return known
    return str(error).splitlines()[0]
