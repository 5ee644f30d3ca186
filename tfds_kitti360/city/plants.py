"""Natural plants: crowns with ragged outlines and dark gaps between their leaves; trimmed and wild hedges."""

import numpy as np

from tfds_kitti360.city.furniture import BARK
from tfds_kitti360.city.shapes import FOLIAGE, Look, Shapes, box, cylinder, ellipsoid, join

_GREENS = (
    (0.055, 0.1, 0.02), (0.08, 0.12, 0.02), (0.04, 0.075, 0.025), (0.1, 0.13, 0.025), (0.065, 0.09, 0.03),
    (0.05, 0.085, 0.035), (0.035, 0.06, 0.025), (0.09, 0.1, 0.03), (0.06, 0.03, 0.028), (0.07, 0.11, 0.02),
)  # fmt: skip
_RAGGED = 0.6  # of ellipsoids, see shapes.BUMP


def foliage(rng: np.random.Generator, *, scale: float = 0.3) -> Look:
    color = np.array(_GREENS[rng.integers(len(_GREENS))]) * rng.uniform(0.7, 1.3)
    dark = color * (0.5, 0.65, 0.85)
    return Look(tuple(color), tuple(dark), rng.uniform(0.9, 1.6), scale * rng.uniform(0.4, 0.9), style=FOLIAGE)


def hedge(rng: np.random.Generator, length: float, look: Look, height: float) -> Shapes:
    """Tall hedges are trimmed, low ones grow as they like."""
    trimmed = height > 1.4
    slope = 0.02 if trimmed else 0.1
    parts = [box((0.0, 0.0, height / 2), (length / 2 + 0.05, 0.45, height / 2), look, taper=(0.0, 0.0, slope))]
    for _ in range(int(length * (0.8 if trimmed else 2.2))):
        x, y = rng.uniform(-0.5, 0.5) * length, rng.uniform(-0.25, 0.25)
        half = (rng.uniform(0.4, 0.8), 0.4, 0.1) if trimmed else (rng.uniform(0.4, 0.8), 0.5, rng.uniform(0.25, 0.5))
        parts.append(ellipsoid((x, y, height - 0.02), half, look, bump=_RAGGED))
    return join(parts)


def bush(rng: np.random.Generator) -> Shapes:
    look, parts, size = foliage(rng, scale=0.35), [], rng.uniform(0.7, 1.6)
    for _ in range(5):
        center = (rng.uniform(-0.4, 0.4) * size, rng.uniform(-0.3, 0.3) * size, rng.uniform(0.3, 0.6) * size)
        half = np.array((rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.5), rng.uniform(0.3, 0.55))) * size * 1.2
        parts.append(ellipsoid(center, half, look, bump=_RAGGED))
    return join(parts)


def tree(rng: np.random.Generator, *, height: float) -> Shapes:
    """A broad-leaved tree, a slim one or a conifer."""
    kind, look = rng.random(), foliage(rng)
    if kind < 0.2:
        return _conifer(rng, height, look._replace(color=tuple(np.array(look.color) * (0.6, 0.65, 0.8))))
    crown = 0.3 * height * (0.5 if kind < 0.35 else rng.uniform(0.8, 1.2))
    return _broad_leaved(rng, look, height, crown, rng.uniform(0.2, 0.36) * height)


def street_tree(rng: np.random.Generator, *, height: float) -> Shapes:
    """A broad-leaved tree that cars can drive under."""
    height = max(height, 5.0)
    return _broad_leaved(rng, foliage(rng), height, 0.25 * height * rng.uniform(0.7, 1.1), max(3.4, 0.35 * height))


def _broad_leaved(rng: np.random.Generator, look: Look, height: float, crown: float, low: float) -> Shapes:
    """`crown` is the crown's radius, `low` the height at which it begins."""
    trunk, half, middle = 0.1 + 0.012 * height, (height - low) / 2, (height + low) / 2
    parts = [cylinder((0.0, 0.0, middle / 2), trunk, middle / 2, BARK)]
    for number in range(30):
        large = number < 9
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction) + 1e-6
        radius = crown * (rng.uniform(0.32, 0.5) if large else rng.uniform(0.13, 0.26))
        center = direction * (crown, crown, half) * (rng.uniform(0.4, 0.75) if large else rng.uniform(0.75, 1.05))
        shade = look._replace(color=tuple(np.array(look.color) * rng.uniform(0.7, 1.25)))
        shape = radius * rng.uniform(0.7, 1.3, 3) * (1.3, 1.3, 0.95)
        center[2] += middle
        parts.append(ellipsoid(center, shape, shade, yaw=rng.uniform(0, 3), bump=_RAGGED))
    return join(parts)


def _conifer(rng: np.random.Generator, height: float, look: Look) -> Shapes:
    parts = [cylinder((0, 0, 0.3 * height), 0.1 + 0.01 * height, 0.3 * height, BARK)]
    wide, levels = rng.uniform(0.12, 0.2) * height, 9
    for level in range(levels):
        share = 1.0 - level / levels
        z, yaw = height * (1.04 - 0.94 * share), rng.uniform(0, 3)
        half = (wide * share * rng.uniform(1.0, 1.3) + 0.1, wide * share * rng.uniform(0.7, 1.0) + 0.1, 0.1 * height)
        parts += [ellipsoid((0, 0, z), half, look, yaw=yaw + turn, bump=_RAGGED) for turn in (0.0, np.pi / 2)]
    return join(parts)
