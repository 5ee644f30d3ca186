"""Shadows of the sun: a map of what stands, computed once for a stretch of street, and ellipsoids for what moves."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tfds_kitti360.city import raycast, tiles
from tfds_kitti360.city.compiled import jit

CELL = 0.125  # metres
TILE = (8, 8)  # cells
_HEIGHT = 40.0  # metres: rays start from here


class Shadows(NamedTuple):
    """`height` [n, n]: the highest point that the sun's ray to that ground cell meets; -1 where it meets nothing."""

    height: jax.Array
    corner: jax.Array  # (x, y) of the first cell's centre
    sun: jax.Array  # unit vector towards the sun
    movers: jax.Array  # [n, 12]: centre and axes of ellipsoids


def shadow_map(geometry: np.ndarray, filled: int, corner: np.ndarray, cells: int, sun: np.ndarray) -> jax.Array:
    """Shadow map of `cells` x `cells` (a multiple of 16) from `corner`, of the first `filled` rows of `geometry`."""
    grid = (cells // TILE[0], cells // TILE[1])
    low, high = tiles.map_rectangles(geometry[:filled], sun[:2] / sun[2], corner, CELL, TILE[0])
    lists = tiles.make_lists(low, high, grid)
    geometry, corner, sun, heights = jnp.asarray(geometry), np.float32(corner), np.float32(sun), []
    for batch in tiles.batches(lists, grid[1], TILE):
        if not batch.count.any():  # batches go from long to short lists: nothing casts a shadow from here on
            heights.append(np.full(raycast.SHAPE, -1.0, np.float32))
            continue
        rays = _sun_rays(batch.row, batch.column, corner, sun)
        distance, index = raycast.nearest(geometry, batch.entries, batch.first, batch.count, *rays)
        heights.append(np.where(np.asarray(index) < 0, -1.0, _HEIGHT - np.asarray(distance) * sun[2]))
    return jnp.asarray(tiles.image(np.stack(heights), lists.place, grid, TILE), jnp.float32)


@jit
def _sun_rays(row, column, corner, sun):
    start = _HEIGHT / sun[2]
    x, y = corner[0] + CELL * column + start * sun[0], corner[1] + CELL * row + start * sun[1]
    full = jnp.broadcast_to(jnp.float32(1.0), row.shape)
    return (x, y, _HEIGHT * full), tuple(-sun[i] * full for i in range(3)), 0.0 * full


def lit(shadows: Shadows, x, y, z, receives_movers):
    """Share of sunlight at points, 0..1: four cells compared and blended, times what the movers let through."""
    cells = shadows.height.shape[0]
    shear_x, shear_y = shadows.sun[0] / shadows.sun[2], shadows.sun[1] / shadows.sun[2]
    u = (x - z * shear_x - shadows.corner[0]) / CELL
    v = (y - z * shear_y - shadows.corner[1]) / CELL
    inside = (u > 0) & (u < cells - 2) & (v > 0) & (v < cells - 2)
    u, v = jnp.clip(u, 0.0, cells - 2.0), jnp.clip(v, 0.0, cells - 2.0)
    iu, iv = u.astype(jnp.int32), v.astype(jnp.int32)
    fu, fv = u - iu, v - iv
    flat, first = shadows.height.reshape(-1), iv * cells + iu
    free = [jnp.where(flat[first + step] > z + 0.15, 0.0, 1.0) for step in (0, 1, cells, cells + 1)]
    share = (free[0] * (1 - fu) + free[1] * fu) * (1 - fv) + (free[2] * (1 - fu) + free[3] * fu) * fv
    share = jnp.where(inside, share, 1.0)
    return share * jnp.where(receives_movers, _past_movers(shadows, x, y, z), 1.0)


def _past_movers(shadows: Shadows, x, y, z):
    share = 1.0
    for row in shadows.movers:
        axes = row[3:].reshape(3, 3)
        offset = (x - row[0], y - row[1], z - row[2])
        o = [axes[i, 0] * offset[0] + axes[i, 1] * offset[1] + axes[i, 2] * offset[2] for i in range(3)]
        d = axes @ shadows.sun
        along = -(o[0] * d[0] + o[1] * d[1] + o[2] * d[2]) / (d @ d)
        square = sum((a + along * b) ** 2 for a, b in zip(o, d))
        soft = jnp.clip((square - 0.6) / 0.55, 0.0, 1.0)
        share = share * jnp.where(along > 0, soft, 1.0)
    return share
