"""People on foot and on bicycles: x forward, y left, z up, origin on the ground."""

import numpy as np

from tfds_kitti360.city.shapes import Look, Shapes, box, cylinder, ellipsoid, join

_CLOTHES = (
    (0.05, 0.07, 0.2), (0.5, 0.05, 0.05), (0.6, 0.6, 0.58), (0.03, 0.03, 0.03),
    (0.08, 0.25, 0.1), (0.55, 0.35, 0.05), (0.3, 0.1, 0.3), (0.1, 0.3, 0.45),
)  # fmt: skip
_SKINS = ((0.62, 0.4, 0.3), (0.5, 0.3, 0.2), (0.25, 0.14, 0.09))
_HAIRS = ((0.03, 0.02, 0.015), (0.12, 0.06, 0.03), (0.4, 0.3, 0.15), (0.3, 0.3, 0.3))


class Outfit:
    """The appearance of one person, drawn once so that every frame shows the same clothes."""

    def __init__(self, rng: np.random.Generator):
        cloth = [Look(_CLOTHES[i], noise=0.5, scale=0.25) for i in rng.choice(len(_CLOTHES), 2, replace=False)]
        self.top, self.trousers = cloth
        self.skin = Look(_SKINS[rng.integers(len(_SKINS))], noise=0.15, scale=0.2)
        self.hair = Look(_HAIRS[rng.integers(len(_HAIRS))], noise=0.5, scale=0.1)
        self.shoes = Look((0.03, 0.03, 0.03), noise=0.4, scale=0.2)
        self.height = float(rng.uniform(0.92, 1.08))
        self.helmet = Look(_CLOTHES[rng.integers(len(_CLOTHES))], noise=0.4, scale=0.2)


def person(outfit: Outfit, stride: float) -> Shapes:
    """Someone of about 1.75 m; `stride` in radians swings legs and arms (0: standing)."""
    k = outfit.height
    parts = []
    for side in (-1, 1):
        swing = side * stride
        hip, shoulder = (0.0, side * 0.1 * k, 0.9 * k), (0.0, side * 0.24 * k, 1.42 * k)
        parts.append(_limb(hip, 0.78 * k, 0.085 * k, swing, outfit.trousers))
        foot = (hip[0] + np.sin(swing) * 0.82 * k + 0.05, hip[1], max(hip[2] - np.cos(swing) * 0.84 * k, 0.05))
        parts.append(ellipsoid(foot, (0.13 * k, 0.055 * k, 0.05 * k), outfit.shoes))
        parts.append(_limb(shoulder, 0.58 * k, 0.055 * k, -swing * 0.8, outfit.top))
        hand = (np.sin(-swing * 0.8) * 0.62 * k, shoulder[1], shoulder[2] - np.cos(swing * 0.8) * 0.62 * k)
        parts.append(ellipsoid(hand, (0.045 * k, 0.035 * k, 0.065 * k), outfit.skin))
    parts += [
        ellipsoid((0.0, 0.0, 1.2 * k), (0.14 * k, 0.215 * k, 0.34 * k), outfit.top),
        ellipsoid((0.0, 0.0, 0.9 * k), (0.135 * k, 0.18 * k, 0.16 * k), outfit.trousers),
        cylinder((0.0, 0.0, 1.52 * k), 0.055 * k, 0.07 * k, outfit.skin),
        ellipsoid((0.01, 0.0, 1.65 * k), (0.1 * k, 0.08 * k, 0.125 * k), outfit.skin),
        ellipsoid((-0.02, 0.0, 1.69 * k), (0.105 * k, 0.09 * k, 0.105 * k), outfit.hair),
    ]
    return join(parts)


def rider(outfit: Outfit, crank: float) -> Shapes:
    """Someone on a bicycle; `crank` in radians turns the pedals."""
    parts = []
    for side in (-1, 1):
        angle = crank + (np.pi if side > 0 else 0.0)
        foot = (0.0 + 0.15 * np.cos(angle), side * 0.11, 0.33 + 0.15 * np.sin(angle))
        hip = (-0.25, side * 0.09, 0.98)
        knee = (0.5 * (hip[0] + foot[0]) + 0.2, side * 0.11, 0.5 * (hip[2] + foot[2]) + 0.12)
        parts += [_between(hip, knee, 0.085, outfit.trousers), _between(knee, foot, 0.06, outfit.trousers)]
        parts.append(ellipsoid((foot[0] + 0.05, foot[1], foot[2]), (0.13, 0.05, 0.045), outfit.shoes))
        parts.append(_between((0.08, side * 0.2, 1.42), (0.36, side * 0.22, 1.08), 0.05, outfit.top))
    parts += [
        ellipsoid((-0.1, 0.0, 1.2), (0.11, 0.16, 0.33), outfit.top, pitch=0.5),
        ellipsoid((0.03, 0.0, 1.4), (0.1, 0.21, 0.09), outfit.top),
        ellipsoid((0.17, 0.0, 1.63), (0.1, 0.08, 0.125), outfit.skin),
        ellipsoid((0.14, 0.0, 1.68), (0.135, 0.1, 0.1), outfit.helmet),
    ]
    return join(parts)


def bag(outfit: Outfit) -> Shapes:
    """A backpack, worn by the person of the same outfit."""
    k = outfit.height
    return box((-0.19 * k, 0.0, 1.22 * k), (0.09 * k, 0.15 * k, 0.22 * k), outfit.helmet, taper=(0.1, 0.1, 0.1))


def _limb(top, length: float, radius: float, swing: float, look: Look) -> Shapes:
    half = length / 2
    center = (top[0] + np.sin(swing) * half, top[1], top[2] - np.cos(swing) * half)
    return ellipsoid(center, (radius, radius, half * 1.12), look, pitch=-swing)


def _between(a, b, radius: float, look: Look) -> Shapes:
    a, b = np.array(a), np.array(b)
    delta = b - a
    half = np.linalg.norm(delta) / 2
    pitch = np.arctan2(delta[0], delta[2])
    return ellipsoid((a + b) / 2, (radius, radius, half * 1.15), look, pitch=pitch)
