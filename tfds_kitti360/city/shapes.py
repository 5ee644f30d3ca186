"""Rows of the shape table: boxes that may taper, ellipsoids and cylinders, each with its look."""

from typing import NamedTuple

import numpy as np

# Columns of `Shapes.geometry`, float32. A point p is inside when q = axes (p - center) is inside the unit shape:
# a polytope |z| <= 1, +x + a z <= 1 - a, -x + b z <= 1 - b, +-y + c z <= 1 - c with (a, b, c) = taper, or a quadric.
CENTER, AXES, HALF, TAPER = slice(0, 3), slice(3, 12), slice(12, 15), slice(15, 18)
ROUND, CAP, VELOCITY = 18, 19, slice(20, 23)  # ROUND 1: quadric x^2 + y^2 + CAP z^2 <= 1 with |z| <= 1
BUMP = 23  # how far the square of a quadric's radius falls below 1 in dents, 0 to 1
GEOMETRY_COLUMNS = 24
# Columns of `Shapes.look`, float32.
COLOR, SECOND, NOISE, SCALE = slice(0, 3), slice(3, 6), 6, 7
PERIOD, WIDTH, STYLE, SEED, VALUE, MOVING, THING = slice(8, 10), 10, 11, 12, 13, 14, 15
LOOK_COLUMNS = 16
PLAIN, WINDOWS, LEAVES, WHEEL, FOLIAGE = 0, 1, 2, 3, 4  # STYLE; FOLIAGE: leaves with dark gaps between them


class Look(NamedTuple):
    """Surface: two linear colours, strength and cell size of the noise, joints every `period` metres of `width`."""

    color: tuple[float, float, float]
    second: tuple[float, float, float] = (0.05, 0.05, 0.05)
    noise: float = 0.25
    scale: float = 1.0
    period: tuple[float, float] = (0.0, 0.0)  # 0: no joints along this axis
    width: float = 0.02
    style: int = PLAIN


class Shapes(NamedTuple):
    """A table of shapes: geometry [n, 24] and look [n, 16]."""

    geometry: np.ndarray
    look: np.ndarray


def box(center, half, look: Look, *, yaw=0.0, pitch=0.0, taper=(0.0, 0.0, 0.0)) -> Shapes:
    """A box with half sizes `half`; `taper` draws in the top at +x, -x and both y sides (0.5: to a ridge)."""
    return _row(center, half, look, yaw, pitch, taper, 0.0, 0.0)


def ellipsoid(center, half, look: Look, *, yaw=0.0, pitch=0.0, bump=0.0) -> Shapes:
    shapes = _row(center, half, look, yaw, pitch, (0.0, 0.0, 0.0), 1.0, 1.0)
    shapes.geometry[:, BUMP] = bump
    return shapes


def cylinder(center, radius, half_length, look: Look, *, yaw=0.0, pitch=0.0) -> Shapes:
    """A cylinder along its local z; `pitch` leans it forward (pi/2: along x), then `yaw` turns it."""
    return _row(center, (radius, radius, half_length), look, yaw, pitch, (0.0, 0.0, 0.0), 1.0, 0.0)


def join(parts: list[Shapes]) -> Shapes:
    if not parts:
        return Shapes(np.zeros((0, GEOMETRY_COLUMNS), np.float32), np.zeros((0, LOOK_COLUMNS), np.float32))
    return Shapes(np.concatenate([p.geometry for p in parts]), np.concatenate([p.look for p in parts]))


def placed(shapes: Shapes, x: float, y: float, z: float, yaw: float) -> Shapes:
    """The same shapes turned by `yaw` about the vertical axis and moved."""
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1.0]])
    geometry = shapes.geometry.astype(np.float64)
    geometry[:, CENTER] = geometry[:, CENTER] @ turn.T + (x, y, z)
    geometry[:, AXES] = (geometry[:, AXES].reshape(-1, 3, 3) @ turn.T).reshape(-1, 9)
    return Shapes(geometry.astype(np.float32), shapes.look)


def tagged(shapes: Shapes, *, value: int | None = None, moving: bool = False, thing: int = 0, seed: int = 0) -> Shapes:
    """The same shapes with an instance value (kept where None), their thing's number and a seed for their texture."""
    look = shapes.look.copy()
    if value is not None:
        look[:, VALUE] = value
    look[:, MOVING], look[:, THING] = moving, thing
    look[:, SEED] = seed % 4096 + np.arange(len(look)) * 7
    return Shapes(shapes.geometry, look)


def corners(geometry: np.ndarray) -> np.ndarray:
    """The eight corners of each shape's bounding box: [n, 8, 3]."""
    half = geometry[:, HALF]
    edges = geometry[:, AXES].reshape(-1, 3, 3) * half[:, :, None] ** 2  # rows: axis i times half size i
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
    return geometry[:, None, CENTER] + np.einsum("ci,nij->ncj", signs, edges)


def _row(center, half, look: Look, yaw, pitch, taper, is_round, cap) -> Shapes:
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    turn = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]]) @ np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    half = np.asarray(half, np.float64)
    geometry = np.zeros((1, GEOMETRY_COLUMNS), np.float32)
    geometry[0, CENTER], geometry[0, HALF], geometry[0, TAPER] = center, half, taper
    geometry[0, AXES] = (turn.T / half[:, None]).ravel()
    geometry[0, ROUND], geometry[0, CAP] = is_round, cap
    row = np.zeros((1, LOOK_COLUMNS), np.float32)
    row[0, COLOR], row[0, SECOND], row[0, NOISE], row[0, SCALE] = look.color, look.second, look.noise, look.scale
    row[0, PERIOD], row[0, WIDTH], row[0, STYLE] = look.period, look.width, look.style
    return Shapes(geometry, row)
