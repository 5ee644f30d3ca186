"""Errors of predicted motion: trajectory errors of short snippets, and drift over hundreds of metres.

Motions are second_from_first of consecutive frames [n 4 4]; a path is first_from_camera [n + 1, 4 4], metres where the
motion is metric. Plain numpy in float64.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

SNIPPET = 5  # frames
_TOLERANCE = 0.02  # of a length: a frame is about a metre, which is 1 % of the shortest
LENGTHS = tuple(range(100, 801, 100))  # metres, of KITTI's odometry benchmark


def path(motions: Float[np.ndarray, "n 4 4"]) -> Float[np.ndarray, "n+1 4 4"]:
    """first_from_camera of every frame: the first is the identity."""
    poses = [np.eye(4)]
    for second_from_first in np.asarray(motions, np.float64):
        poses.append(poses[-1] @ np.linalg.inv(second_from_first))
    return np.stack(poses)


def snippet_errors(
    predicted: Float[np.ndarray, "n 4 4"], recorded: Float[np.ndarray, "n 4 4"], *, frames: int = SNIPPET
) -> Float[np.ndarray, "snippets"]:
    """Absolute trajectory error of every snippet of `frames` consecutive frames; empty if there are fewer.

    Both start at the origin, the predicted positions p are scaled by sum(g p) / sum(p^2) to the recorded ones g, and
    the error is |s p - g| / frames, metres: the root of the sum of squares over all coordinates, divided by the number
    of frames, as published numbers are (Zhou et al., "Unsupervised learning of depth and ego-motion", CVPR 2017).
    """
    errors = []
    for start in range(len(predicted) - frames + 2):
        ours, true = (path(motions[start : start + frames - 1])[:, :3, 3] for motions in (predicted, recorded))
        errors.append(np.linalg.norm(_scale(ours, true) * ours - true) / frames)
    return np.array(errors)


def _scale(ours: Float[np.ndarray, "n 3"], true: Float[np.ndarray, "n 3"]) -> float:
    """The least-squares factor from our positions to the true ones, both relative to the origin."""
    squared = (ours**2).sum()
    return float((true * ours).sum() / squared) if squared > 0 else 0.0


def drift(
    predicted: Float[np.ndarray, "n 4 4"],
    recorded: Float[np.ndarray, "n 4 4"],
    *,
    lengths: Sequence[int] = LENGTHS,
    align_scale: bool = True,
) -> dict[str, Any]:
    """KITTI's drift, computed by evo: t_rel in percent and r_rel in degrees per 100 m, over all segments of a length.

    Args:
        predicted: of one uninterrupted drive.
        recorded: of the same frames.
        lengths: of the stretches, metres; those that the drive is too short for are left out.
        align_scale: scale the whole predicted path to the recorded one first, for motion without a scale.

    Returns:
        `t_rel`, `r_rel` and the `lengths` that fit; {} where none does.

    Raises:
        ImportError: evo is not installed.
    """
    from evo.core import metrics, trajectory

    driven = np.linalg.norm(np.diff(path(recorded)[:, :3, 3], axis=0), axis=1).sum()
    lengths = [length for length in lengths if length <= driven]
    if not lengths:
        return {}
    true, ours = (path(motions) for motions in (recorded, predicted))
    if align_scale:
        ours[:, :3, 3] *= _scale(ours[:, :3, 3], true[:, :3, 3])
    pair = tuple(trajectory.PosePath3D(poses_se3=list(poses)) for poses in (true, ours))
    relations = {"t_rel": metrics.PoseRelation.translation_part, "r_rel": metrics.PoseRelation.rotation_angle_deg}
    found: dict[str, list[float]] = {name: [] for name in relations}
    for length in lengths:
        for name, relation in relations.items():
            error = metrics.RPE(
                relation, length, metrics.Unit.meters, rel_delta_tol=_TOLERANCE, all_pairs=True,
                pairs_from_reference=True,
            )  # fmt: skip
            error.process_data(pair)
            found[name] += (100 * np.asarray(error.error) / length).tolist()
    return {name: float(np.mean(values)) for name, values in found.items()} | {"lengths": lengths}
