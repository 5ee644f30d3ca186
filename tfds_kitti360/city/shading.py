"""Colour of ray hits: surface, pattern, sun, shadow, sky and haze, in linear light."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tfds_kitti360.city import ground as grounds
from tfds_kitti360.city import shadows as shade
from tfds_kitti360.city import shapes as table
from tfds_kitti360.city import textures
from tfds_kitti360.city.compiled import jit
from tfds_kitti360.city.light import Light

SKY_CODE, GROUND_CODE = -1, -2  # codes of what a ray meets; shapes: 8 * index + face


class Scene(NamedTuple):
    """The data that a frame is drawn from, in the drive's local coordinates. The last shape, far away, is padding."""

    geometry: jax.Array
    look: jax.Array
    ground: grounds.Ground
    shadows: shade.Shadows
    light: Light


class Surface(NamedTuple):
    """Where a ray meets a shape: normal, texture axes and coordinates; tuples (x, y, z) of arrays."""

    normal: tuple
    u_axis: tuple
    v_axis: tuple
    u: jax.Array
    v: jax.Array
    face: jax.Array  # 0..5
    cap_radius: jax.Array  # distance from the z axis, 1 at the rim


def shade_hits(scene: Scene, origin, direction, distance, index, found: grounds.GroundHit, pixel):
    """Colour (r, g, b), distance, code and share of sunlight of rays.

    Not one jitted function but a chain of them: fused as a whole, XLA recomputes shared values in each of their
    uses, which is thirty times slower on CPU.

    Args:
      origin, direction: tuples (x, y, z) of arrays; directions have length 1 along the optical axis.
      distance, index: of the nearest shape, from `raycast`.
      found: the ground under the same rays.
      pixel: size of a pixel at distance 1.
    """
    seen = _see(scene, origin, direction, distance, index, found)
    surface = _surface(seen.rows, seen.point)
    grain = _grain(scene.ground, seen, surface, found, direction, pixel)
    noise = textures.fractal(grain.u, grain.v, grain.footprint_u, grain.footprint_v, grain.scale, grain.seed)
    painted = _paint(seen.looks, surface, grain.footprint_u, grain.footprint_v, noise, grain.seed)
    ground_color = grounds.color(scene.ground, found, grain.footprint_u, grain.footprint_v, noise)
    sunlight = _sunlight(scene.shadows, seen, grain.normal)
    color = _compose(
        scene.shadows.sun, scene.light, seen, grain.normal, painted, ground_color, sunlight, direction, noise
    )
    code = jnp.where(seen.sky, SKY_CODE, jnp.where(seen.on_ground, GROUND_CODE - found.part, 8 * index + surface.face))
    return color, seen.distance, code, jnp.where(seen.sky, 1.0, sunlight)


class Seen(NamedTuple):
    """What rays meet first, with the rows of the shape tables (any row where it is no shape)."""

    distance: jax.Array
    point: tuple
    on_ground: jax.Array
    sky: jax.Array
    rows: jax.Array
    looks: jax.Array


class Grain(NamedTuple):
    """Texture coordinates in metres and how far a pixel extends along them."""

    normal: tuple
    u: jax.Array
    v: jax.Array
    footprint_u: jax.Array
    footprint_v: jax.Array
    seed: jax.Array
    scale: jax.Array


@jit
def _see(scene: Scene, origin, direction, distance, index, found) -> Seen:
    on_ground = found.distance < distance
    distance = jnp.minimum(found.distance, distance)
    sky = ~jnp.isfinite(distance)
    reach = jnp.where(sky, 1.0, distance)
    point = tuple(o + reach * d for o, d in zip(origin, direction))
    index = jnp.where(sky | on_ground, 0, index)  # the shape far away would give infinities
    return Seen(distance, point, on_ground, sky, scene.geometry[index], scene.look[index])


@jit
def _grain(ground, seen: Seen, surface: Surface, found, direction, pixel) -> Grain:
    flat = _ground_surface(found)
    above = jnp.maximum(direction[2], 0.0) + 0.1  # clouds are a plane, so high that only the direction counts

    def either(a, b):
        return jnp.where(seen.on_ground, a, b)

    normal, u_axis, v_axis = (
        tuple(either(a, b) for a, b in zip(getattr(flat, name), getattr(surface, name)))
        for name in ("normal", "u_axis", "v_axis")
    )
    reach = jnp.where(seen.sky, 1.0, seen.distance)
    footprints = _footprints(direction, normal, u_axis, v_axis, pixel * reach)
    footprints = (jnp.where(seen.sky, pixel * 4.0, f) for f in footprints)
    u, v = (
        jnp.where(seen.sky, 2.0 * direction[i] / above, either(a, b))
        for i, (a, b) in enumerate(((flat.u, surface.u), (flat.v, surface.v)))
    )
    seed = either(ground.seed, seen.looks[..., table.SEED].astype(jnp.uint32) * jnp.uint32(7919))
    scale = either(0.45, seen.looks[..., table.SCALE])
    return Grain(normal, u, v, *footprints, seed, scale)


@jit
def _sunlight(shadows: shade.Shadows, seen: Seen, normal):
    lifted = tuple(p + 0.12 * n for p, n in zip(seen.point, normal))
    return shade.lit(shadows, *lifted, seen.on_ground | (seen.looks[..., table.MOVING] < 0.5))


@jit
def _compose(sun, light: Light, seen: Seen, normal, painted, ground_color, sunlight, direction, noise):
    """Lambert's law under sun and sky, then haze."""
    albedo = textures.mix(painted, ground_color, seen.on_ground.astype(jnp.float32))
    style = seen.looks[..., table.STYLE]
    leaves = ((style == table.LEAVES) | (style == table.FOLIAGE)) & ~seen.on_ground
    facing = normal[0] * sun[0] + normal[1] * sun[1] + normal[2] * sun[2]
    direct = jnp.maximum(jnp.where(leaves, 0.3 + 0.7 * facing + 0.6 * noise, facing), 0.0) * sunlight
    low = jnp.where(seen.on_ground, 1.0, 0.6 + 0.4 * jnp.clip(seen.point[2] / 0.9, 0.0, 1.0))
    around = (0.62 + 0.38 * normal[2]) * low
    haze = 1.0 - jnp.exp(-jnp.where(seen.sky, 0.0, seen.distance) / light.haze)
    above, color = _sky(light, sun, direction, noise), []
    for value, from_sun, from_sky, far, beyond in zip(albedo, light.sun, light.ambient, light.horizon, above):
        near = value * (from_sun * direct + from_sky * around)
        color.append(jnp.where(seen.sky, beyond, near + (far - near) * haze))
    return tuple(color)


@jit
def _surface(rows, point) -> Surface:
    offset = [point[i] - rows[..., table.CENTER.start + i] for i in range(3)]
    axes = [[rows[..., table.AXES.start + 3 * i + j] for j in range(3)] for i in range(3)]
    half = [rows[..., table.HALF.start + i] for i in range(3)]
    q = [row[0] * offset[0] + row[1] * offset[1] + row[2] * offset[2] for row in axes]
    front, back, side = (rows[..., table.TAPER.start + i] for i in range(3))
    is_round, cap = rows[..., table.ROUND] > 0.5, rows[..., table.CAP]

    rise = q[2] + 1.0
    gaps = [  # metres inside each face
        (1.0 - q[0] - front * rise) * half[0],
        (1.0 + q[0] - back * rise) * half[0],
        (1.0 - q[1] - side * rise) * half[1],
        (1.0 + q[1] - side * rise) * half[1],
        (1.0 - q[2]) * half[2],
        (1.0 + q[2]) * half[2],
    ]
    face, nearest = jnp.zeros(q[0].shape, jnp.int32), gaps[0]
    for number, gap in enumerate(gaps[1:], 1):
        face = jnp.where(gap < nearest, number, face)
        nearest = jnp.minimum(gap, nearest)
    size = [abs(x) for x in q]
    on_cap = jnp.where(cap > 0.5, size[2] > jnp.maximum(size[0], size[1]), size[2] > 0.999)
    round_face = jnp.where(on_cap, 4, jnp.where(size[0] > size[1], 0, 2)) + (q[2] < 0) * on_cap
    face = jnp.where(is_round, round_face, face)

    tapers = (front, back, side, side)
    n = [
        jnp.where(face == 0, 1.0, jnp.where(face == 1, -1.0, 0.0)),
        jnp.where(face == 2, 1.0, jnp.where(face == 3, -1.0, 0.0)),
        jnp.where(face == 4, 1.0, jnp.where(face == 5, -1.0, 0.0)),
    ]
    n[2] = n[2] + sum(jnp.where(face == k, taper, 0.0) for k, taper in enumerate(tapers))
    flat_cap = on_cap & (cap < 0.5)
    n = [jnp.where(is_round & ~flat_cap, r, a) for r, a in zip((q[0], q[1], cap * q[2]), n)]
    normal = [n[0] * axes[0][j] + n[1] * axes[1][j] + n[2] * axes[2][j] for j in range(3)]
    inverse = 1.0 / jnp.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2 + 1e-12)
    normal = tuple(x * inverse for x in normal)

    along_x, on_top = face < 2, face >= 4
    unit = [[axes[i][j] * half[i] for j in range(3)] for i in range(3)]
    metric = [(q[i] + 1.0) * half[i] for i in range(3)]
    u_axis = tuple(jnp.where(along_x, unit[1][j], unit[0][j]) for j in range(3))
    v_axis = tuple(jnp.where(on_top, unit[1][j], unit[2][j]) for j in range(3))
    u, v = jnp.where(along_x, metric[1], metric[0]), jnp.where(on_top, metric[1], metric[2])
    return Surface(normal, u_axis, v_axis, u, v, face, jnp.sqrt(q[0] ** 2 + q[1] ** 2))


def _ground_surface(found: grounds.GroundHit) -> Surface:
    kerb = found.part == grounds.KERB
    zero, one = jnp.zeros_like(found.s), jnp.ones_like(found.s)
    inward = -jnp.sign(found.lateral)
    across = (-found.sin, found.cos)
    normal = (
        jnp.where(kerb, inward * across[0], 0.0),
        jnp.where(kerb, inward * across[1], 0.0),
        jnp.where(kerb, 0.0, one),
    )
    return Surface(normal, (found.cos, found.sin, zero), (*across, zero), found.s, found.lateral, found.part, zero)


def _footprints(direction, normal, u_axis, v_axis, width):
    """Extent of a pixel along the texture axes: width * sqrt(1 + (axis . d / normal . d)^2), a round beam's trace."""
    length = jnp.sqrt(direction[0] ** 2 + direction[1] ** 2 + direction[2] ** 2)

    def dot(axis):
        return (axis[0] * direction[0] + axis[1] * direction[1] + axis[2] * direction[2]) / length

    slant = jnp.maximum(jnp.abs(dot(normal)), 0.02)
    return tuple(width * jnp.sqrt(1.0 + jnp.clip(dot(axis) / slant, -40.0, 40.0) ** 2) for axis in (u_axis, v_axis))


@jit
def _paint(looks, surface: Surface, footprint_u, footprint_v, noise, seed):
    """Linear colour of shapes from their look."""
    color = tuple(looks[..., i] for i in range(3))
    second = tuple(looks[..., i] for i in range(3, 6))
    style, strength, width = looks[..., table.STYLE], looks[..., table.NOISE], looks[..., table.WIDTH]
    period_u, period_v = looks[..., table.PERIOD.start], looks[..., table.PERIOD.start + 1]
    windows = (style == table.WINDOWS) & (surface.face < 4)
    joint_u, joint_v = jnp.where(period_u > 0, period_u, 1e4), jnp.where(period_v > 0, period_v, 1e4)
    across = textures.pulse(surface.u, footprint_u, joint_u, 0.0, width)
    along = textures.pulse(surface.v, footprint_v, joint_v, 0.0, width)
    across, along = jnp.where(period_u > 0, across, 0.0), jnp.where(period_v > 0, along, 0.0)
    joints = jnp.where(style == table.WINDOWS, 0.0, across + along - across * along)

    wide, tall = width * joint_u, 0.5 * joint_v
    left, base = 0.5 * (joint_u - wide), 0.3 * joint_v + 0.4
    frame = textures.pulse(surface.u, footprint_u, joint_u, left, wide) * textures.pulse(
        surface.v, footprint_v, joint_v, base, tall
    )
    half = textures.pulse(surface.u - left, footprint_u, joint_u, 0.08, wide - 0.16) * (
        1.0 - textures.pulse(surface.u - left, footprint_u, joint_u, 0.5 * wide - 0.04, 0.08)
    )
    glass = half * textures.pulse(surface.v, footprint_v, joint_v, base + 0.08, tall - 0.16)
    cell_u, cell_v = jnp.floor(surface.u / joint_u), jnp.floor((surface.v - 0.4) / joint_v)
    inside = textures.value_noise(cell_u * 3.0 + 0.01, cell_v * 3.0 + 0.01, seed + jnp.uint32(99))
    height = jnp.clip((surface.v - 0.4) / joint_v - cell_v, 0.0, 1.0)
    curtain = jnp.clip(inside * 1.2, 0.0, 0.8) * textures.fade(joint_u, footprint_u)
    behind = 0.03 + 0.1 * height + 0.35 * curtain
    behind = behind * (1.0 + 0.5 * noise)

    hub = (surface.face >= 4) & (style == table.WHEEL)
    second_share = jnp.where(hub, jnp.clip((0.62 - surface.cap_radius) * 12.0, 0.0, 1.0), joints)
    texture = 1.0 + strength * noise
    leafy = jnp.clip(0.42 + 1.05 * noise, 0.0, 1.6)
    leaves, foliage = style == table.LEAVES, style == table.FOLIAGE
    single = _leaf(surface, footprint_u, footprint_v, seed)
    lush, gaps = jnp.clip(0.5 + noise + 0.5 * single, 0.0, 1.0), jnp.exp(strength * (0.8 * noise + single))
    result = []
    for first, other in zip(color, second):
        plain = (first + (other - first) * second_share) * texture
        walled = first * texture + (other * (0.9 + 0.2 * noise) - first * texture) * frame
        walled = walled + (behind - walled) * glass
        green = other + (1.5 * first - other) * leafy
        natural = (other + (first - other) * lush) * jnp.minimum(gaps, 4.0)
        result.append(jnp.where(windows, walled, jnp.where(leaves, green, jnp.where(foliage, natural, plain))))
    return tuple(result)


def _leaf(surface: Surface, footprint_u, footprint_v, seed):
    """-1..1: leaves of 8 cm with sharp outlines, oblique to the axes of the texture."""
    u, v = surface.u + 0.6 * surface.v, surface.v - 0.6 * surface.u
    noise = textures.value_noise(u / 0.08, v / 0.08, seed + jnp.uint32(55))
    sharp = jnp.clip(2.5 * noise, -1.0, 1.0)
    return (
        sharp
        * textures.fade(0.1, jnp.minimum(footprint_u, footprint_v))
        * textures.fade(0.4, jnp.maximum(footprint_u, footprint_v))
    )


def _sky(light: Light, sun, direction, noise):
    length = jnp.sqrt(direction[0] ** 2 + direction[1] ** 2 + direction[2] ** 2)
    rise = jnp.sqrt(jnp.clip(direction[2] / length, 0.0, 1.0))
    to_sun = (direction[0] * sun[0] + direction[1] * sun[1] + direction[2] * sun[2]) / length
    glow = light.glow * jnp.maximum(to_sun, 0.0) ** 6
    cloud = jnp.clip((noise + 2.0 * light.clouds - 0.9) * 1.5, 0.0, 0.9) * jnp.clip(light.clouds * 10.0, 0.0, 1.0)
    blue = (h + (z - h) * rise for h, z in zip(light.horizon, light.zenith))
    return tuple(b + (1.3 * light.horizon[1] - b) * cloud + glow for b in blue)
