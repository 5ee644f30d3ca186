"""The ground under the street: where a ray meets it, and its colour."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tfds_kitti360.city import street as streets
from tfds_kitti360.city import textures
from tfds_kitti360.city.compiled import jit

LOW, HIGH, KERB = 1, 2, 3  # road or parking; sidewalk or grass, 12 cm above; the face between them
_FARTHEST = 220.0
_KERB_STONE = 0.16  # metres across


class Surfaces(NamedTuple):
    """The materials of road and gardens; the defaults are those of a city without variety."""

    asphalt: float = 0.15  # albedo
    markings: float = 1.0  # how fresh the paint is
    verge: float = 0.0  # metres of grass between kerb and sidewalk
    grass: tuple[float, float, float] = (0.13, 0.2, 0.055)
    slabs: float = 0.33  # albedo of the sidewalk
    grain: float = 0.5  # contrast of the fine texture of asphalt
    streaks: float = 0.22  # contrast of the traces of wheels
    cracks: float = 0.0  # how dark cracks and seams of tar are
    lawn: float = 0.75  # contrast of grass


def draw_surfaces(rng: np.random.Generator, *, marked: float) -> Surfaces:
    """`marked` is the share of streets with lines on the road."""
    green = np.array(((0.07, 0.11, 0.022), (0.09, 0.12, 0.03), (0.13, 0.12, 0.05))[rng.choice(3, p=(0.5, 0.35, 0.15))])
    return Surfaces(
        asphalt=float(rng.uniform(0.09, 0.26)),
        markings=float(rng.uniform(0.3, 1.0) * (rng.random() < marked)),
        verge=float(rng.choice([0.0, rng.uniform(0.4, 1.6)], p=(0.6, 0.4))),
        grass=tuple(float(v) for v in green * rng.uniform(0.7, 1.4)),
        slabs=float(rng.uniform(0.16, 0.4)),
        grain=float(rng.uniform(0.2, 0.9)),
        streaks=float(rng.uniform(0.03, 0.2)),
        cracks=float(rng.choice([0.0, rng.uniform(0.2, 0.7)])),
        lawn=float(rng.uniform(0.9, 1.7)),
    )


class Ground(NamedTuple):
    """The street around the camera: `raster` [n, n, 4] of street.raster, its corner (x, y), the widths, marks."""

    raster: jax.Array
    corner: jax.Array
    widths: streets.Widths
    parking: jax.Array  # 1 where the parking strips are paved apart from the road, else 0
    seed: jax.Array
    surfaces: Surfaces


class GroundHit(NamedTuple):
    distance: jax.Array  # multiple of the ray direction, infinite without ground
    part: jax.Array  # LOW, HIGH or KERB
    s: jax.Array
    lateral: jax.Array
    cos: jax.Array  # of the street's heading
    sin: jax.Array


def lookup(ground: Ground, x, y):
    """(s, lateral, cos, sin) of ground points, bilinear in the raster."""
    cells = ground.raster.shape[0]
    u = jnp.clip((x - ground.corner[0]) / streets.RASTER_STEP, 0.0, cells - 1.001)
    v = jnp.clip((y - ground.corner[1]) / streets.RASTER_STEP, 0.0, cells - 1.001)
    iu, iv = u.astype(jnp.int32), v.astype(jnp.int32)
    fu, fv = (u - iu)[..., None], (v - iv)[..., None]
    flat = ground.raster.reshape(cells * cells, 4)
    first = iv * cells + iu
    top = flat[first] * (1.0 - fu) + flat[first + 1] * fu
    bottom = flat[first + cells] * (1.0 - fu) + flat[first + cells + 1] * fu
    rows = top * (1.0 - fv) + bottom * fv
    return rows[..., 0], rows[..., 1], rows[..., 2], rows[..., 3]


def _beyond_kerb(ground: Ground, s, lateral):
    _, left, right, _, _ = streets.profile(s, ground.widths, jnp)
    return jnp.maximum(lateral - left, -lateral - right)


@jit
def hit(ground: Ground, origin, direction) -> GroundHit:
    """First ground point of rays; origin and direction are tuples (x, y, z) of arrays."""
    (ox, oy, oz), (dx, dy, dz) = origin, direction
    down = dz < -1e-4
    slope = jnp.where(down, dz, -1.0)
    low, high = -oz / slope, (streets.KERB_HEIGHT - oz) / slope
    upper = lookup(ground, ox + high * dx, oy + high * dy)
    lower = lookup(ground, ox + low * dx, oy + low * dy)
    upper_beyond = _beyond_kerb(ground, upper[0], upper[1])
    lower_beyond = _beyond_kerb(ground, lower[0], lower[1])
    part = jnp.where(upper_beyond > 0, HIGH, jnp.where(lower_beyond <= 0, LOW, KERB))
    share = jnp.clip(upper_beyond / jnp.minimum(upper_beyond - lower_beyond, -1e-6), 0.0, 1.0)
    share = jnp.where(part == HIGH, 0.0, jnp.where(part == LOW, 1.0, share))
    distance = high + (low - high) * share
    s, lateral, cos, sin = (a + (b - a) * share for a, b in zip(upper, lower))
    distance = jnp.where(down & (distance < _FARTHEST), distance, jnp.inf)
    return GroundHit(distance, part, s, lateral, cos, sin)


def label(ground: Ground, found: GroundHit):
    """Label ids: road 7, sidewalk 8 (kerb included), parking 9, terrain 22."""
    road, left, right, left_walk, right_walk = streets.profile(found.s, ground.widths, jnp)
    walk, kerb = jnp.where(found.lateral > 0, left_walk, right_walk), jnp.where(found.lateral > 0, left, right)
    side = jnp.abs(found.lateral)
    paved = (side < walk) & ((side > kerb + _KERB_STONE + ground.surfaces.verge) | (side < kerb + _KERB_STONE))
    high = jnp.where(paved, 8, 22)
    low = jnp.where(side < road + (1.0 - ground.parking) * 10.0, 7, 9)
    return jnp.where(found.part == LOW, low, jnp.where(found.part == KERB, 8, high))


@jit
def color(ground: Ground, found: GroundHit, footprint_s, footprint_d, noise):
    """Linear colour (r, g, b) of ground points; `noise` is the fractal of (s, lateral)."""
    s, d = found.s, found.lateral
    road, left, right, left_walk, right_walk = streets.profile(s, ground.widths, jnp)
    side = jnp.abs(d)
    kerb, walk = jnp.where(d > 0, left, right), jnp.where(d > 0, left_walk, right_walk)
    seed, surfaces = ground.seed, ground.surfaces
    streaks = 0.5 * textures.value_noise(s / 7.0, d / 0.45, seed + jnp.uint32(5)) * textures.fade(0.45, footprint_d)
    streaks = streaks + 0.5 * textures.value_noise(s / 2.5, d / 0.16, seed + jnp.uint32(6)) * textures.fade(
        0.16, footprint_d
    ) * textures.fade(2.5, footprint_s)
    patches = textures.value_noise(s / 5.0, d / 2.2, seed + jnp.uint32(7)) * textures.fade(5.0, footprint_s)
    repaired = textures.step(patches - 0.35, 0.1)
    asphalt = surfaces.asphalt * (1.0 + surfaces.grain * noise + surfaces.streaks * streaks - 0.3 * repaired)
    asphalt = asphalt * (1.0 - surfaces.cracks * _cracks(s, d, footprint_d, seed))
    cobbles = 0.2 * (1.0 + 0.5 * noise) * (1.0 - 0.45 * _joints(s, d, footprint_s, footprint_d, 0.24, 0.24, 0.03))
    slabs = (
        surfaces.slabs
        * (1.0 + 0.35 * noise + 0.12 * streaks)
        * (1.0 - 0.5 * _joints(s, side - walk, footprint_s, footprint_d, 0.5, 0.5, 0.022))
    )
    dashes = textures.pulse(s, footprint_s, 9.0, 0.0, 3.0) * textures.pulse(d, footprint_d, 1e4, -0.07, 0.14)
    edge = textures.pulse(side - road, footprint_d, 1e4, -0.12, 0.12) * ground.parking
    bays = textures.pulse(s, footprint_s, 6.2, 0.0, 0.1) * textures.step(side - road, footprint_d)
    paint = (
        jnp.clip(dashes + 0.8 * edge + 0.7 * bays * ground.parking, 0.0, 1.0) * (0.85 + 0.3 * noise) * surfaces.markings
    )
    gutter = textures.pulse(side - kerb, footprint_d, 1e4, -0.3, 0.3)
    low = asphalt + (cobbles - asphalt) * textures.step(side - road, footprint_d) * ground.parking
    low = low * (1.0 - 0.35 * gutter * (0.6 + 0.5 * noise))
    low = low + (0.62 - low) * jnp.clip(paint, 0.0, 1.0)
    stone = 0.4 * (1.0 + 0.35 * noise) * (1.0 - 0.5 * textures.pulse(s, footprint_s, 1.0, 0.0, 0.02))
    on_stone = textures.step(kerb + _KERB_STONE - side, footprint_d)
    high = slabs + (stone - slabs) * on_stone
    on_grass = textures.step(side - walk, footprint_d)
    verge = textures.step(kerb + _KERB_STONE + surfaces.verge - side, footprint_d) * (1.0 - on_stone)
    on_grass = jnp.maximum(on_grass, jnp.where(surfaces.verge > 0, verge, 0.0))
    grass_light = jnp.clip(0.55 + surfaces.lawn * noise + 0.3 * patches, 0.1, 1.5)
    grass = tuple(c * grass_light for c in surfaces.grass)
    part_low, part_kerb = found.part == LOW, found.part == KERB
    base = jnp.where(part_low, low, jnp.where(part_kerb, 0.75 * stone, high))
    grey = (base, base * 0.985, base * 0.95)
    return textures.mix(grey, grass, jnp.where(found.part == HIGH, on_grass, 0.0))


def _cracks(s, d, footprint, seed):
    """Share of cracks and of tar in them: where a winding noise changes its sign, 3 cm wide."""
    width = jnp.maximum(0.03, footprint)
    winding = textures.value_noise(s / 3.1, d / 1.7, seed + jnp.uint32(8)) + 0.4 * textures.value_noise(
        s / 0.6, d / 0.5, seed + jnp.uint32(9)
    )
    return jnp.clip(1.0 - jnp.abs(winding) / width, 0.0, 1.0) * 0.03 / width


def _joints(u, v, footprint_u, footprint_v, period_u, period_v, width):
    across = textures.pulse(u, footprint_u, period_u, 0.0, width)
    along = textures.pulse(v, footprint_v, period_v, 0.0, width)
    return across + along - across * along
