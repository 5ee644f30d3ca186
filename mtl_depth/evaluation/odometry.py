"""Compares a pose network's motion between neighbouring frames of a split with the recorded poses."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mtl_depth import data as dataset_reader
from mtl_depth.config import Data
from mtl_depth.metrics import odometry as metrics
from mtl_depth.prediction.predictor import fill_up, to_float
from mtl_depth.runtime import log

Run = tuple[np.ndarray, np.ndarray]  # predicted and recorded second_from_first [n 4 4] of frames without a gap


def measure(
    motion: Callable[[Any, Any], Any], dataset: Any, data: Data, *, split: str, batch_size: int
) -> dict[str, Any]:
    """The section `odometry` of evaluation.json, or {} where no neighbouring frames have poses.

    Args:
        motion: (first, second) images [b h w 3] in [0, 1] -> second_from_first [b 4 4].
        dataset: an opened data set.
        data: the section of the configuration that it was opened with.
        split: train, val or test.
        batch_size: pairs at a time.

    Returns:
        `ate_5` and `ate_5_spread`, metres: mean and standard deviation of KITTI's error over all snippets of 5 frames,
        each scaled to the truth; their number `snippets`; `scale`: recorded over predicted length of the split, 1 for
        metric motion; and, of stretches without a gap that are long enough, `t_rel` in percent and `r_rel` in degrees
        per 100 m, the path scaled as a whole.
    """
    runs = _runs(motion, dataset, data, split=split, batch_size=batch_size)
    if not runs:
        return {}
    errors = np.concatenate([metrics.snippet_errors(*run) for run in runs])
    lengths = [sum(np.linalg.norm(run[which][:, :3, 3], axis=1).sum() for run in runs) for which in (0, 1)]
    section: dict[str, Any] = {"snippets": len(errors)}
    if lengths[0] > 0:
        section["scale"] = float(lengths[1] / lengths[0])
    if len(errors):
        section |= {"ate_5": float(errors.mean()), "ate_5_spread": float(errors.std())}
    try:
        found = [drifts for run in runs if (drifts := metrics.drift(*run))]
    except ImportError:
        log.say("t_rel and r_rel are left out: they need evo, pip install -c constraints.txt -e '.[odometry]'")
        found = []
    return section | {name: float(np.mean([run[name] for run in found])) for name in ("t_rel", "r_rel") if found}


def _runs(motion: Callable[[Any, Any], Any], dataset: Any, data: Data, *, split: str, batch_size: int) -> list[Run]:
    """Yields the runs of consecutive frames, in order."""
    runs: list[tuple[list[np.ndarray], list[np.ndarray]]] = []
    last = None
    for batch in dataset_reader.pair_batches(dataset, data, split=split, batch_size=batch_size):
        images = to_float(batch["image"])
        first, second = (fill_up(images[:, frame], batch_size=batch_size) for frame in (0, 1))
        predicted = np.asarray(motion(first, second), np.float64)[: len(images)]
        recorded = np.linalg.inv(batch["source_from_target"][:, 0].astype(np.float64))
        for drive, frame, ours, true in zip(batch["drive"].tolist(), batch["frame"].tolist(), predicted, recorded):
            if last != (drive, frame - 1):
                runs.append(([], []))
            runs[-1][0].append(ours)
            runs[-1][1].append(true)
            last = (drive, frame)
    return [(np.stack(ours), np.stack(true)) for ours, true in runs]
