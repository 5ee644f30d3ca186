"""Checkpoints of a run, by Orbax."""

import pathlib
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as managers

from mtl_depth.errors import UserError

BEST = "abs_rel"  # smaller is better


class Checkpoints:
    """The checkpoints of one run folder: the newest few, and the one with the smallest Abs Rel."""

    def __init__(self, folder: pathlib.Path, *, keep: int):
        self._manager = _open(
            folder,
            preservation_policy=managers.AnyPreservationPolicy(
                [
                    managers.LatestN(keep),
                    managers.BestN(
                        get_metric_fn=lambda metrics: metrics[BEST],
                        reverse=True,
                        n=1,
                        keep_checkpoints_without_metrics=False,
                    ),
                ]
            ),
        )

    def save(self, step: int, state: Any, *, abs_rel: float | None = None) -> None:
        """Writes the state in the background; `abs_rel` lets it compete for the best."""
        if step in self._manager.all_steps():
            return
        metrics = None if abs_rel is None else {BEST: abs_rel}
        self._manager.save(step, args=ocp.args.Composite(state=ocp.args.StandardSave(state._asdict())), metrics=metrics)

    def latest(self) -> int | None:
        """Step of the newest checkpoint, or None."""
        return self._manager.latest_step()

    def restore(self, step: int, target: Any) -> Any:
        """The state saved at `step`, with the shapes, types and devices of `target`."""
        shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, target._asdict())
        restored = self._manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(shapes)))
        return type(target)(**restored["state"])

    def close(self) -> None:
        """Waits until everything is on disk."""
        self._manager.wait_until_finished()
        self._manager.close()


def restore_variables(folder: pathlib.Path, target: dict[str, Any], *, checkpoint: str = "latest") -> dict[str, Any]:
    """Reads `params` and `batch_stats` only, for evaluation.

    Args:
        folder: the `checkpoints` folder of a run.
        target: {"params", "batch_stats"} of shapes (`jax.eval_shape` makes them).
        checkpoint: "latest", "best" or a step.

    Raises:
        UserError: the folder holds no such checkpoint, or one of another network.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} does not exist; train first, or give the run's folder as --workdir.")
    manager = _open(folder, read_only=True)
    steps = sorted(manager.all_steps())
    if not steps:
        raise UserError(f"{folder} holds no finished checkpoint; train first.")
    step = {"latest": manager.latest_step(), "best": manager.best_step()}.get(checkpoint, checkpoint)
    if step is None:
        raise UserError(f"{folder} holds no evaluated checkpoint to call the best; set config.train.evaluate_every.")
    if not str(step).isdigit() or int(step) not in steps:
        raise UserError(f"{folder} has no checkpoint {step!r}; it has latest, best and {', '.join(map(str, steps))}.")
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device), dict(target))
    restore = ocp.args.PyTreeRestore(
        item=shapes, restore_args=ocp.checkpoint_utils.construct_restore_args(shapes), partial_restore=True
    )
    try:
        return manager.restore(int(step), args=ocp.args.Composite(state=restore))["state"]
    except (ValueError, KeyError) as error:
        raise UserError(
            f"{folder / str(step)} is damaged or of another network than config.json says: {error}"
        ) from None
    finally:
        manager.close()


def _open(folder: pathlib.Path, **options: Any) -> ocp.CheckpointManager:
    return ocp.CheckpointManager(
        folder.absolute(),
        options=ocp.CheckpointManagerOptions(
            best_fn=lambda metrics: metrics[BEST],
            best_mode="min",
            cleanup_tmp_directories=not options.get("read_only", False),
            **options,
        ),
    )
