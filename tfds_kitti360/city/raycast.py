"""Nearest hit of rays among shapes: each block of screen tiles tests only the shapes that its tiles list."""

import jax
import jax.numpy as jnp

from tfds_kitti360.city import shapes as table
from tfds_kitti360.city.compiled import jit

CHUNK = 2
BLOCK = 32
BLOCKS = 16
BATCH_TILES = BLOCKS * BLOCK
TILE_RAYS = 64
SHAPE = (BLOCKS, BLOCK, TILE_RAYS)  # of a batch of rays
NOTHING = -1


def intersect(origin, direction, time, shape):
    """Distance (multiples of `direction`) to where rays enter shapes, infinite for a miss.

    `origin` and `direction` are tuples (x, y, z), `shape(column)` yields geometry columns that broadcast with them;
    `time` is in frames: the shape has moved by time * velocity.
    """
    offset = [origin[i] - shape(table.CENTER.start + i) - time * shape(table.VELOCITY.start + i) for i in range(3)]
    axes = [[shape(table.AXES.start + 3 * i + j) for j in range(3)] for i in range(3)]
    o = [row[0] * offset[0] + row[1] * offset[1] + row[2] * offset[2] for row in axes]
    d = [row[0] * direction[0] + row[1] * direction[1] + row[2] * direction[2] for row in axes]
    front, back, side = (shape(table.TAPER.start + i) for i in range(3))
    is_round, cap = shape(table.ROUND) > 0.5, shape(table.CAP)

    enter, leave = -jnp.inf, jnp.inf
    planes = ((d[0], o[0], front), (-d[0], -o[0], back), (d[1], o[1], side), (-d[1], -o[1], side))
    for slope, start, taper in planes:
        slope, start = slope + taper * d[2], start + taper * o[2]
        slope = jnp.where(jnp.abs(slope) < 1e-9, 1e-9, slope)
        at = (1.0 - taper - start) / slope
        enter = jnp.maximum(enter, jnp.where(slope < 0, at, -jnp.inf))
        leave = jnp.minimum(leave, jnp.where(slope > 0, at, jnp.inf))

    a = d[0] * d[0] + d[1] * d[1] + cap * d[2] * d[2]
    b = o[0] * d[0] + o[1] * d[1] + cap * o[2] * d[2]
    c = o[0] * o[0] + o[1] * o[1] + cap * o[2] * o[2] - 1.0
    a = jnp.maximum(a, 1e-12)
    square = b * b - a * c
    touching = (-b - jnp.sqrt(jnp.maximum(square, 0.0))) / a
    dent = shape(table.BUMP) * _ripple([start + touching * slope for start, slope in zip(o, d)])
    square = square - jnp.where(is_round, a * dent, 0.0)
    root = jnp.sqrt(jnp.maximum(square, 0.0))
    missed = square < 0
    enter = jnp.where(is_round, jnp.where(missed, jnp.inf, (-b - root) / a), enter)
    leave = jnp.where(is_round, jnp.where(missed, -jnp.inf, (root - b) / a), leave)

    slope = jnp.where(jnp.abs(d[2]) < 1e-9, 1e-9, d[2])
    one, other = (1.0 - o[2]) / slope, (-1.0 - o[2]) / slope
    enter = jnp.maximum(enter, jnp.minimum(one, other))
    leave = jnp.minimum(leave, jnp.maximum(one, other))
    return jnp.where((enter < leave) & (enter > 1e-3), enter, jnp.inf)


def _ripple(point):
    """0..1 on the unit sphere, continuous, with a dozen ridges to every side: what makes outlines ragged."""
    x, y, z = point
    waves = (2.9 * x + 1.3 * y + 0.7 * z, 1.7 * y - 2.3 * z + 0.9 * x, 3.1 * z + 1.1 * x - 2.1 * y)
    return sum(jnp.abs(w - jnp.floor(w) - 0.5) for w in waves) * (2.0 / 3.0)


@jit
def nearest(geometry, entries, first, count, origin, direction, time):
    """Nearest shapes of a batch of rays.

    Args:
      geometry: [shapes, 24], see `shapes`; the last one is far away.
      entries, first, count: which rows of `geometry` each tile may see, see `tiles.Batch`.
      origin, direction: tuples (x, y, z) of SHAPE.
      time: SHAPE, frames.

    Returns:
      (distance, index) of SHAPE; distance infinite and index NOTHING for rays that meet nothing.
    """
    padding = geometry.shape[0] - 1

    def block(rays):
        first, count, origin, direction, time = rays

        def chunk(k, best):
            distance, index = best
            number = k * CHUNK + jnp.arange(CHUNK)
            ids = jnp.where(number < count[:, None], entries[first[:, None] + number], padding)
            values = geometry[ids]
            for j in range(CHUNK):
                here = intersect(origin, direction, time, lambda column, j=j: values[:, j, column, None])
                nearer = here < distance
                distance = jnp.where(nearer, here, distance)
                index = jnp.where(nearer, ids[:, j, None], index)
            return distance, index

        start = jnp.full(SHAPE[1:], jnp.inf, jnp.float32), jnp.full(SHAPE[1:], NOTHING, jnp.int32)
        return jax.lax.fori_loop(0, (count.max() + CHUNK - 1) // CHUNK, chunk, start)

    return jax.lax.map(block, (first, count, origin, direction, time))
