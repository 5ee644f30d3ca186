"""Draws one frame: nearest hits by tile, colour, then four more rays in the pixels at edges."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tfds_kitti360.city import ground as grounds
from tfds_kitti360.city import raycast, shading, tiles
from tfds_kitti360.city import shapes as table
from tfds_kitti360.city.compiled import jit

TILE = (8, 8)  # rows, columns of pixels
_EDGE_BATCH = raycast.BATCH_TILES * raycast.TILE_RAYS // 4  # edge pixels refined at a time, four rays each
_SUBPIXELS = ((0.125, 0.375), (-0.375, 0.125), (-0.125, -0.375), (0.375, -0.125))
_SKY = 23


class Picture(NamedTuple):
    """One drawn frame; arrays [h, w]."""

    image: np.ndarray  # [h, w, 3] uint8 RGB
    depth: np.ndarray  # float32 metres along the optical axis, 0 for sky
    value: np.ndarray  # uint16 instance value: label id * 1000 + number
    shape: np.ndarray  # int32 row of the shape, -1 where there is none


def draw(
    scene: shading.Scene,
    geometry: np.ndarray,
    local_from_camera: np.ndarray,
    intrinsics: np.ndarray,
    size: tuple[int, int],
    develop: Callable[[jax.Array], np.ndarray] | None = None,
) -> Picture:
    """Draws the picture of a pinhole camera; `geometry` is the used rows of scene.geometry, `local_from_camera` 4x4.

    `develop` makes the uint8 image of linear light [h, w, 3]; without it, all cameras share one soft tone curve.
    """
    grid = (-(-size[0] // TILE[0]), -(-size[1] // TILE[1]))
    low, high = tiles.screen_rectangles(geometry, np.linalg.inv(local_from_camera), intrinsics, TILE)
    lists = tiles.make_lists(low, high, grid)
    view = (np.float32(local_from_camera), np.float32(intrinsics))
    parts = []
    for batch in tiles.batches(lists, grid[1], TILE):
        origin, direction, time = _rays(view, batch.column.astype(np.float32), batch.row.astype(np.float32))
        found = raycast.nearest(scene.geometry, batch.entries, batch.first, batch.count, origin, direction, time)
        parts.append(_colored(scene, origin, direction, *found, view))
    color, depth, value, index, edges = _images(parts, lists.place, size=size, grid=grid)
    edge_pixels = np.flatnonzero(np.asarray(edges)).astype(np.int32)
    for start in range(0, len(edge_pixels), _EDGE_BATCH):
        color = _refined(scene, color, index, edge_pixels[start : start + _EDGE_BATCH], view, size)
    image = develop(color.reshape(*size, 3)) if develop else _encode(color, size=size)
    return Picture(*(np.asarray(x) for x in (image, depth, value, index)))


@jit
def _rays(view, x, y):
    """Origins, directions with length 1 along the optical axis, and times of the rays through pixels (x, y)."""
    turn, intrinsics = view
    cx = (x - intrinsics[0, 2]) / intrinsics[0, 0]
    cy = (y - intrinsics[1, 2]) / intrinsics[1, 1]
    direction = tuple(turn[i, 0] * cx + turn[i, 1] * cy + turn[i, 2] for i in range(3))
    return tuple(jnp.full(x.shape, turn[i, 3]) for i in range(3)), direction, jnp.zeros(x.shape)


def _colored(scene, origin, direction, distance, index, view):
    """Colour, distance, code, sunlight, instance value and shape index of a batch of rays."""
    found = grounds.hit(scene.ground, origin, direction)
    pixel = 1.0 / view[1][0, 0]
    color, distance, code, sunlight = shading.shade_hits(scene, origin, direction, distance, index, found, pixel)
    return color, distance, code, sunlight, *_values(scene, code, index, found)


@jit
def _values(scene, code, index, found):
    value = scene.look[index, table.VALUE].astype(jnp.int32)
    value = jnp.where(code <= shading.GROUND_CODE, 1000 * grounds.label(scene.ground, found), value)
    value = jnp.where(code == shading.SKY_CODE, 1000 * _SKY, value)
    return value.astype(jnp.uint16), jnp.where(code < 0, raycast.NOTHING, index)


@functools.partial(jit, static_argnames=("size", "grid"))
def _images(parts, place, *, size, grid):
    """From batches to images: linear colour [h*w, 3]; depth, value, shape index and whether at an edge [h, w]."""

    def image(*parts):
        return tiles.image(jnp.stack(parts), place, grid, TILE)[: size[0], : size[1]]

    color, distance, code, sunlight, value, index = jax.tree.map(image, *parts)
    edges = _differs(code, lambda a, b: a != b) | _differs(sunlight, lambda a, b: jnp.abs(a - b) > 0.25)
    return jnp.stack(color, -1).reshape(-1, 3), jnp.where(jnp.isfinite(distance), distance, 0.0), value, index, edges


def _differs(values, compare):
    across, down = compare(values[:, 1:], values[:, :-1]), compare(values[1:], values[:-1])
    across, down = jnp.pad(across, ((0, 0), (1, 1))), jnp.pad(down, ((1, 1), (0, 0)))
    return across[:, 1:] | across[:, :-1] | down[1:] | down[:-1]


def _refined(scene, color, index, pixels, view, size):
    """Colours with those of `pixels` replaced by the mean of four rays, tested against what lies around the pixel."""
    pixels = np.pad(pixels, (0, _EDGE_BATCH - len(pixels)), constant_values=size[0] * size[1])  # outside: dropped
    offsets = np.float32(_SUBPIXELS)[:, :, None]
    x, y = pixels % size[1] + offsets[:, 0], pixels // size[1] + offsets[:, 1]
    origin, direction, time = _rays(view, *(np.float32(a).reshape(raycast.SHAPE) for a in (x, y)))
    around = _around(index, pixels, size=size).reshape(5, *raycast.SHAPE)
    distance, nearest = _nearest_of(scene.geometry, around, origin, direction, time)
    refined, *_ = _colored(scene, origin, direction, distance, nearest, view)
    return _replace(color, pixels, refined)


@functools.partial(jit, static_argnames=("size",))
def _around(index, pixels, *, size):
    """Shapes at pixels and their four neighbours, for each of four rays: [5, 4, pixels]."""
    x, y = pixels % size[1], pixels // size[1]
    steps = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
    met = [index[jnp.clip(y + dy, 0, size[0] - 1), jnp.clip(x + dx, 0, size[1] - 1)] for dy, dx in steps]
    return jnp.broadcast_to(jnp.stack(met)[:, None], (5, 4, len(pixels)))


@jit
def _nearest_of(geometry, candidates, origin, direction, time):
    """Nearest of the shapes in `candidates` [n, ...], one of each row for each ray."""

    def test(best, ids):
        distance, nearest = best
        rows = geometry[ids]
        here = raycast.intersect(origin, direction, time, lambda column: rows[..., column])
        here = jnp.where(ids < 0, jnp.inf, here)
        return (jnp.minimum(here, distance), jnp.where(here < distance, ids, nearest)), None

    start = jnp.full(time.shape, jnp.inf), jnp.full(time.shape, raycast.NOTHING)
    return jax.lax.scan(test, start, candidates)[0]


@functools.partial(jit, donate_argnums=(0,))
def _replace(color, pixels, refined):
    return color.at[pixels].set(jnp.stack([c.reshape(len(_SUBPIXELS), -1).mean(0) for c in refined], -1), mode="drop")


@functools.partial(jit, static_argnames=("size",))
def _encode(color, *, size):
    shown = (1.0 - jnp.exp(-1.25 * jnp.maximum(color, 0.0))) ** (1.0 / 2.2)  # sunlit walls keep their texture
    return (255.0 * shown + 0.5).astype(jnp.uint8).reshape(*size, 3)
