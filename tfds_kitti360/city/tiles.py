"""Which shapes each tile of rays may meet: bounds of shapes as rectangles of tiles, then lists for the ray caster."""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tfds_kitti360.city import shapes as table
from tfds_kitti360.city.raycast import BATCH_TILES, BLOCK, BLOCKS, CHUNK

_NEAR = 0.2
_CAPACITY = 1 << 17  # entries of all lists together, so that one compilation serves nearly all frames
_EDGES = np.array([(a, b) for a in range(8) for b in range(a + 1, 8) if bin(a ^ b).count("1") == 1])


class TileLists(NamedTuple):
    """Rows of shapes by tile, the longest lists first: slot i of the order holds tile `order[i]`."""

    entries: np.ndarray  # [capacity] int32: the lists one after the other
    first: np.ndarray  # [slots] int32: where the list of a tile starts
    count: np.ndarray  # [slots] int32: its length
    order: np.ndarray  # [slots] int32, filled up with tile 0 to whole batches
    place: np.ndarray  # [tiles] int32: the slot of each tile


def make_lists(low: np.ndarray, high: np.ndarray, grid: tuple[int, int], *, wrap: bool = False) -> TileLists:
    """Lists from rectangles of tiles, ends included: `low`, `high` [shapes, 2] (row, column) of a (rows, columns) grid.

    Rectangles outside the grid are dropped. With `wrap` columns go round.
    """
    rows, columns = grid
    visible = (high[:, 0] >= 0) & (low[:, 0] < rows) & (high[:, 0] >= low[:, 0]) & (high[:, 1] >= low[:, 1])
    if not wrap:
        visible &= (high[:, 1] >= 0) & (low[:, 1] < columns)
    ids = np.flatnonzero(visible)
    low, high = low[ids], high[ids]
    top, bottom = np.maximum(low[:, 0], 0), np.minimum(high[:, 0], rows - 1)
    if wrap:
        left, right = low[:, 1], np.minimum(high[:, 1], low[:, 1] + columns - 1)
    else:
        left, right = np.maximum(low[:, 1], 0), np.minimum(high[:, 1], columns - 1)
    widths = right - left + 1
    covered = (bottom - top + 1) * widths
    which = np.repeat(np.arange(len(ids)), covered)
    inside = np.arange(covered.sum()) - np.repeat(np.cumsum(covered) - covered, covered)
    row = top[which] + inside // widths[which]
    column = (left[which] + inside % widths[which]) % columns
    tile = row * columns + column
    by_tile = np.argsort(tile, kind="stable")
    return _lists(ids[which[by_tile]], np.bincount(tile, minlength=rows * columns))


def _lists(shapes, lengths) -> TileLists:
    spare = -len(lengths) % BATCH_TILES
    order = np.argsort(-lengths, kind="stable").astype(np.int32)
    place = np.empty(len(lengths), np.int32)
    place[order] = np.arange(len(lengths), dtype=np.int32)
    capacity = _CAPACITY
    while capacity < len(shapes) + CHUNK:
        capacity *= 2
    entries = np.zeros(capacity, np.int32)
    entries[: len(shapes)] = shapes
    first = np.pad((np.cumsum(lengths) - lengths)[order], (0, spare)).astype(np.int32)
    count = np.pad(lengths[order], (0, spare)).astype(np.int32)
    return TileLists(entries, first, count, np.pad(order, (0, spare)), place)


class Batch(NamedTuple):
    """As many tiles as the ray caster takes at a time: their lists, and the row and column of their rays."""

    entries: jax.Array
    first: np.ndarray  # [BLOCKS, BLOCK]
    count: np.ndarray  # [BLOCKS, BLOCK]
    row: np.ndarray  # [BLOCKS, BLOCK, rays] int32
    column: np.ndarray


def batches(lists: TileLists, columns: int, tile: tuple[int, int]) -> Iterator[Batch]:
    """Batches in order; the grid has `columns` columns of tiles of `tile` (rows, columns) rays."""
    entries = jnp.asarray(lists.entries)
    cell = np.arange(tile[0] * tile[1], dtype=np.int32)
    for start in range(0, len(lists.order), BATCH_TILES):
        tiles = lists.order[start : start + BATCH_TILES].reshape(BLOCKS, BLOCK, 1)
        row, column = tiles // columns * tile[0] + cell // tile[1], tiles % columns * tile[1] + cell % tile[1]
        first, count = (a[start : start + BATCH_TILES].reshape(BLOCKS, BLOCK) for a in (lists.first, lists.count))
        yield Batch(entries, first, count, row.astype(np.int32), column.astype(np.int32))


def image(values, place, grid: tuple[int, int], tile: tuple[int, int]):
    """From rays in batches, [..., rays] one after the other, to an image of grid * tile; numpy or jax.numpy."""
    values = values.reshape(-1, tile[0] * tile[1])[place].reshape(*grid, *tile)
    return values.swapaxes(1, 2).reshape(grid[0] * tile[0], grid[1] * tile[1])


def screen_rectangles(
    geometry: np.ndarray, camera_from_local: np.ndarray, intrinsics: np.ndarray, tile: tuple[int, int]
):
    """Rectangles (low, high) of the tiles that shapes cover in a pinhole image; clipped at 0.2 m before the camera."""
    points = table.corners(geometry) @ camera_from_local[:3, :3].T + camera_from_local[:3, 3]
    z = points[..., 2]
    a, b = points[:, _EDGES[:, 0]], points[:, _EDGES[:, 1]]
    crosses = (a[..., 2] < _NEAR) != (b[..., 2] < _NEAR)
    share = np.where(crosses, (_NEAR - a[..., 2]) / np.where(crosses, b[..., 2] - a[..., 2], 1.0), 0.0)
    cut = a + (b - a) * share[..., None]
    points = np.concatenate([points, cut], 1)
    valid = np.concatenate([z >= _NEAR, crosses], 1)
    depth = np.maximum(points[..., 2], _NEAR * 0.5)
    x = points[..., 0] / depth * intrinsics[0, 0] + intrinsics[0, 2]
    y = points[..., 1] / depth * intrinsics[1, 1] + intrinsics[1, 2]
    low = np.stack([np.where(valid, y, np.inf).min(1), np.where(valid, x, np.inf).min(1)], -1)
    high = np.stack([np.where(valid, y, -np.inf).max(1), np.where(valid, x, -np.inf).max(1)], -1)
    low, high = np.clip(low - 1.0, -1e6, 1e6), np.clip(high + 1.0, -1e6, 1e6)
    return np.floor(low / tile).astype(np.int64), np.floor(high / tile).astype(np.int64)


def map_rectangles(geometry: np.ndarray, shear: np.ndarray, corner: np.ndarray, cell: float, tile: int):
    """Rectangles of the shadow map's tiles: shapes pushed along the sun's ray to the ground, `shear` (x, y) a metre."""
    points = table.corners(geometry)
    ground = points[..., :2] - points[..., 2:] * shear
    cells = (ground[..., ::-1] - corner[::-1]) / (cell * tile)
    margin = 1.0 / tile
    return np.floor(cells.min(1) - margin).astype(np.int64), np.floor(cells.max(1) + margin).astype(np.int64)


def sphere_rectangles(
    geometry: np.ndarray, velo_from_local: np.ndarray, elevation, tile: tuple[int, int], columns: int, margin: float
):
    """Rectangles of a spherical scan's tiles (beam, azimuth column); `margin` in metres covers motion during the sweep.

    `elevation` holds the beams' angles from high to low; column c looks at azimuth pi - 2 pi (c + 0.5) / columns.
    """
    points = table.corners(geometry) @ velo_from_local[:3, :3].T + velo_from_local[:3, 3]
    center = points.mean(1)
    radius = np.linalg.norm(points[..., :2] - center[:, None, :2], axis=-1).max(1) + margin
    flat = np.linalg.norm(center[:, :2], axis=-1)
    spread = np.where(flat > radius, np.arcsin(np.clip(radius / np.maximum(flat, 1e-6), 0, 1)), np.pi)
    azimuth = np.arctan2(center[:, 1], center[:, 0])
    left = (np.pi - azimuth - spread) / (2 * np.pi) * columns
    right = (np.pi - azimuth + spread) / (2 * np.pi) * columns
    near, far = np.maximum(flat - radius, 0.1), flat + radius
    top, bottom = points[..., 2].max(1) + 0.1, points[..., 2].min(1) - 0.1
    highest = np.arctan2(top, np.where(top > 0, near, far))
    lowest = np.arctan2(bottom, np.where(bottom > 0, far, near))
    first = np.searchsorted(-elevation, -highest)
    last = np.searchsorted(-elevation, -lowest, side="right") - 1
    last = np.where(last < first, first - tile[0] - 1, last)
    low = np.stack([first // tile[0], np.floor(left / tile[1])], -1).astype(np.int64)
    high = np.stack([last // tile[0], np.floor(right / tile[1])], -1).astype(np.int64)
    return low, high
