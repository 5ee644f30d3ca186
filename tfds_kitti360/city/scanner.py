"""A spinning 64-beam scanner on the moving car: each point is measured at its time, in the scanner's frame then."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from tfds_kitti360.city import ground as grounds
from tfds_kitti360.city import raycast, shading, tiles
from tfds_kitti360.city import shapes as table
from tfds_kitti360.city.compiled import jit

COLUMNS = 2048  # firings a turn
TILE = (4, 16)  # beams, columns
ELEVATION = np.radians(np.concatenate([np.linspace(2.0, -8.33, 32), np.linspace(-8.83, -24.33, 32)]))
_RANGE = 85.0  # metres
_MOTION = 1.6  # metres: bounds are widened by what car and things may move within half a frame
AZIMUTH = np.pi - 2 * np.pi * (np.arange(COLUMNS) + 0.5) / COLUMNS  # clockwise seen from above
TIMES = -AZIMUTH / (2 * np.pi)  # frames after the frame's time


def scan(
    scene: shading.Scene,
    geometry: np.ndarray,
    local_from_velo: Callable[[np.ndarray], np.ndarray],
    time: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """One turn of the scanner: float32 [n, 4] of x forward, y left, z up, reflectance.

    `geometry` holds the filled rows of scene.geometry; `local_from_velo(times)` gives the scanner's pose [..., 4, 4] at
    times in frames.
    """
    low, high = tiles.sphere_rectangles(
        geometry, np.linalg.inv(local_from_velo(np.float64(time))), ELEVATION, TILE, COLUMNS, _MOTION
    )
    grid = (len(ELEVATION) // TILE[0], COLUMNS // TILE[1])
    lists = tiles.make_lists(low, high, grid, wrap=True)
    poses = local_from_velo(time + TIMES)
    beams = _beams()
    directions = np.einsum("cij,bcj->bci", poses[:, :3, :3], beams).astype(np.float32)
    origins = poses[:, :3, 3].astype(np.float32)
    parts = []
    for batch in tiles.batches(lists, grid[1], TILE):
        start, ray = origins[batch.column], directions[batch.row, batch.column]
        rays = tuple(np.moveaxis(start, -1, 0)), tuple(np.moveaxis(ray, -1, 0)), TIMES[batch.column].astype(np.float32)
        found = raycast.nearest(scene.geometry, batch.entries, batch.first, batch.count, *rays)
        parts.append(_measure(scene, *found, grounds.hit(scene.ground, *rays[:2])))
    distance, reflectance = (tiles.image(np.stack(part), lists.place, grid, TILE) for part in zip(*parts))
    noise = rng.normal(0.0, 0.012, distance.shape)
    lost = rng.random(distance.shape) < 0.04 + 0.2 * (reflectance < 0.06)
    kept = np.isfinite(distance) & (distance < _RANGE) & (distance > 1.5) & ~lost
    points = beams * (np.where(kept, distance, 0.0) + noise)[..., None]
    rows = np.concatenate([points, reflectance[..., None]], -1)
    return rows.swapaxes(0, 1)[kept.T].astype(np.float32)  # column after column, as measured


def _beams() -> np.ndarray:
    """Unit directions [beams, columns, 3] in the scanner's frame."""
    level, azimuth = np.cos(ELEVATION)[:, None], AZIMUTH[None]
    rise = np.broadcast_to(np.sin(ELEVATION)[:, None], (len(ELEVATION), COLUMNS))
    return np.stack([level * np.cos(azimuth), level * np.sin(azimuth), rise], -1)


@jit
def _measure(scene, distance, index, found):
    """Distance to shape or ground, and reflectance."""
    albedo = scene.look[index][..., table.COLOR].mean(-1)
    ground = jnp.where(found.part == grounds.HIGH, 0.3, 0.2)
    reflectance = jnp.where(found.distance < distance, ground, albedo)
    return jnp.minimum(distance, found.distance), reflectance
