"""The shape of a street: a curved centreline and the widths of its strips."""

from typing import NamedTuple

import numpy as np

from tfds_kitti360.city import district as districts

KERB_HEIGHT = 0.12  # metres
RASTER_STEP = 1.0  # metres between the cells of `raster`
_STEP = 0.05  # metres between the samples of the centreline


class Widths(NamedTuple):
    """Seven numbers: what `profile` needs to know of one street."""

    half_road: np.ndarray
    half_road_swing: np.ndarray
    parking_left: np.ndarray
    parking_right: np.ndarray
    walk: np.ndarray
    walk_swing: np.ndarray
    phase: np.ndarray


class Street(NamedTuple):
    """Centreline samples every 5 cm (arc length from `start`) and the widths. x, y in metres, local to the drive."""

    start: float
    x: np.ndarray
    y: np.ndarray
    heading: np.ndarray
    widths: Widths

    @property
    def end(self) -> float:
        return self.start + _STEP * (len(self.x) - 1)


def make_street(
    rng: np.random.Generator, *, start: float, end: float, district: districts.District = districts.SUBURB
) -> Street:
    """A street that meanders by up to 50 degrees, with bends of 30 m radius or more."""
    s = np.arange(start, end + _STEP, _STEP)
    wave = rng.uniform(105.0, 150.0)
    amplitude = rng.uniform(*district.bend) * rng.choice([-1.0, 1.0])
    phase = rng.uniform(-0.9, 0.3)
    slow = rng.uniform(0.1, 0.25)
    heading = amplitude * np.sin(2 * np.pi * s / wave + phase) + slow * np.sin(
        2 * np.pi * s / 310.0 + rng.uniform(0, 6)
    )
    heading = heading - np.interp(0.0, s, heading)
    x = np.concatenate([[0.0], np.cumsum(np.cos((heading[1:] + heading[:-1]) / 2) * _STEP)])
    y = np.concatenate([[0.0], np.cumsum(np.sin((heading[1:] + heading[:-1]) / 2) * _STEP)])
    wide = district.parking
    parking = [wide, wide] if rng.random() < district.both_sides else [0.0, wide][:: int(rng.choice([-1, 1]))]
    widths = Widths(
        half_road=rng.uniform(*district.half_road),
        half_road_swing=rng.uniform(0.2, 0.5),
        parking_left=parking[0],
        parking_right=parking[1],
        walk=rng.uniform(*district.walk),
        walk_swing=rng.uniform(0.1, 0.4) * min(1.0, district.walk[0]),
        phase=rng.uniform(0.0, 6.0),
    )
    widths = Widths(*(np.float32(w) for w in widths))
    return Street(start, x - np.interp(0.0, s, x), y - np.interp(0.0, s, y), heading, widths)


def profile(s, widths: Widths, xp=np):
    """Ends of the strips at arc length s, in metres: (road, left kerb, right kerb, left walk, right walk)."""
    road = widths.half_road + widths.half_road_swing * xp.sin(s * 0.055 + widths.phase)
    walk = widths.walk + widths.walk_swing * xp.sin(s * 0.043 + 2.0 * widths.phase)
    left, right = road + widths.parking_left, road + widths.parking_right
    return road, left, right, left + walk, right + walk


def place(street: Street, s, lateral):
    """Point and heading at arc length s, `lateral` metres to the left of the centreline: (x, y, heading)."""
    samples = (np.asarray(s, np.float64) - street.start) / _STEP
    index = np.arange(len(street.x))
    x, y = np.interp(samples, index, street.x), np.interp(samples, index, street.y)
    heading = np.interp(samples, index, street.heading)
    return x - lateral * np.sin(heading), y + lateral * np.cos(heading), heading


def raster(street: Street, corner: np.ndarray, cells: int) -> np.ndarray:
    """Street coordinates on a world-aligned grid: [cells, cells, 4] float32 of (s, lateral, cos heading, sin heading).

    `corner` (x, y) is the place of the first cell, axes are [y, x]. The nearest sample of the centreline, refined.
    """
    axis = np.arange(cells) * RASTER_STEP
    x, y = np.meshgrid(corner[0] + axis, corner[1] + axis)
    middle = corner + cells * RASTER_STEP / 2
    coarse = np.arange(0, len(street.x), int(1 / _STEP))
    near = np.hypot(street.x[coarse] - middle[0], street.y[coarse] - middle[1]) < cells * RASTER_STEP
    coarse = coarse[near]
    curve = np.stack([street.x[coarse] - middle[0], street.y[coarse] - middle[1]]).astype(np.float32)
    points = np.stack([x.ravel() - middle[0], y.ravel() - middle[1]], -1).astype(np.float32)
    nearest = coarse[np.argmin((curve**2).sum(0) - 2 * points @ curve, axis=1)]
    s = street.start + nearest * _STEP
    for _ in range(2):
        px, py, heading = place(street, s, 0.0)
        dx, dy = x.ravel() - px, y.ravel() - py
        s = s + np.clip(dx * np.cos(heading) + dy * np.sin(heading), -1.0, 1.0) * 0.9
    px, py, heading = place(street, s, 0.0)
    lateral = -(x.ravel() - px) * np.sin(heading) + (y.ravel() - py) * np.cos(heading)
    return np.stack([s, lateral, np.cos(heading), np.sin(heading)], -1).reshape(cells, cells, 4).astype(np.float32)
