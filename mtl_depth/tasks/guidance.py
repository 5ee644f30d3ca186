"""Semantic guidance of the depth loss: pixels to exclude, and class borders where disparity may change.

Each is an option of the depth task and reads the labels of the training frames; a picture without labels (all 0) is
not affected. Prediction needs no labels.
"""

import difflib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from mtl_depth import config
from mtl_depth.data import LABELS, train_id_from_id
from mtl_depth.errors import UserError
from mtl_depth.geometry.warp import inverse_warp
from mtl_depth.tasks.base import Array, Batch

MOVABLE = np.zeros(256, bool)
MOVABLE[[label.id for label in LABELS if label.id >= 0 and label.category in ("human", "vehicle")]] = True
MOVABLE.flags.writeable = False


class Guidance(NamedTuple):
    """The options of a depth section, ready for use.

    Attributes:
        reads: batch keys that they need.
        left_out: by label id, whether its pixels are left out of the photometric loss.
        overlap: see `config.DepthTask.moving_overlap`; 0: off.
        edges: whether disparity may change where the class does.
    """

    reads: frozenset[str]
    left_out: np.ndarray
    overlap: float
    edges: bool

    def valid(self, batch: Batch, depth: Array, source_from_target: Array) -> Array | None:
        """The pixels of the photometric loss, b h w, or None for all; no gradient flows back to the depth."""
        valid = None
        if self.left_out.any():
            valid = ~jnp.asarray(self.left_out)[batch["semantic"].astype(jnp.int32)]
        if self.overlap:
            still = still_pixels(
                batch["semantic"].astype(jnp.int32), batch["source_semantic"].astype(jnp.int32),
                jax.lax.stop_gradient(depth), jax.lax.stop_gradient(source_from_target), batch["intrinsics"],
                overlap=self.overlap,
            )  # fmt: skip
            valid = still if valid is None else valid & still
        return valid

    def classes(self, batch: Batch) -> Array | None:
        """The class of every pixel, b h w, at whose borders the smoothness is not applied, or None."""
        return jnp.asarray(train_id_from_id)[batch["semantic"].astype(jnp.int32)] if self.edges else None


def make(section: config.DepthTask) -> Guidance:
    """The options of a section.

    Raises:
        UserError: a label does not exist, or the overlap is not between 0 and 1.
    """
    if not 0 <= section.moving_overlap <= 1:
        raise UserError(f"config.tasks.depth.moving_overlap is {section.moving_overlap}; it is a share, 0 to 1.")
    ids = {label.name: label.id for label in LABELS if label.id >= 0}
    for name in section.left_out:
        if name not in ids:
            near = difflib.get_close_matches(str(name), ids, n=2, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else "tfds_kitti360/labels.py lists them."
            raise UserError(f"config.tasks.depth.left_out holds {name!r}, which is not a label of KITTI-360; {hint}")
    left_out = np.isin(np.arange(256), [ids[name] for name in section.left_out])
    reads = {"semantic"} if section.left_out or section.moving_overlap or section.semantic_edges else set()
    reads |= {"source_semantic"} if section.moving_overlap else set()
    return Guidance(frozenset(reads), left_out, section.moving_overlap, section.semantic_edges)


def still_pixels(
    semantic: Int[Array, "b h w"],
    source_semantic: Int[Array, "b h w s"],
    depth: Float[Array, "b h w"],
    source_from_target: Float[Array, "b s 4 4"],
    intrinsics: Float[Array, "b 3 3"],
    *,
    overlap: float,
) -> Bool[Array, "b h w"]:
    """False where something moves: at the movable classes of pictures in which they do not overlap after warping.

    The source's masks of movable classes (people and vehicles) are warped to the target by its depth and motion. The
    warped mask of a moving object does not coincide with its mask in the target. If their intersection over union,
    among the pixels that are labelled in both, is below `overlap`, the movable classes of both are excluded (Klingner
    et al., SGDepth, ECCV 2020, section 3.4, with a threshold instead of a share of the batch that changes from epoch
    to epoch). Early in training the depth is wrong, and parked cars are excluded too.
    """
    movable = jnp.asarray(MOVABLE)
    here = movable[semantic][:, None]
    source = jnp.moveaxis(source_semantic, -1, 1)
    masks = jnp.stack([movable[source], source > 0], axis=-1).astype(depth.dtype)
    sources = source.shape[1]
    warped, inside = inverse_warp(
        masks,
        jnp.repeat(depth[:, None], sources, axis=1),
        source_from_target,
        jnp.repeat(intrinsics[:, None], sources, axis=1),
    )
    there = warped[..., 0] > 0.5
    known = inside & (warped[..., 1] > 0.5) & (semantic > 0)[:, None]
    both = (here & there & known).sum(axis=(-2, -1))
    either = ((here | there) & known).sum(axis=(-2, -1))
    moves = both < overlap * either
    return ~(moves[..., None, None] & (here | (there & known))).any(axis=1)
