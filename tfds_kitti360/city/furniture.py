"""Objects along a street: houses, fences, hedges, trees, poles and signs. x along the street, y left, z up."""

import numpy as np

from tfds_kitti360.city.shapes import LEAVES, PLAIN, WINDOWS, Look, Shapes, box, cylinder, ellipsoid, join

PLASTERS = (
    (0.72, 0.68, 0.58), (0.75, 0.73, 0.7), (0.62, 0.5, 0.32), (0.65, 0.6, 0.5),
    (0.55, 0.33, 0.22), (0.5, 0.56, 0.6), (0.7, 0.6, 0.36), (0.6, 0.42, 0.36),
)  # fmt: skip
PLAIN_PLASTERS = (  # as common: most houses are white
    *PLASTERS[:5], (0.75, 0.74, 0.7), (0.7, 0.69, 0.66), (0.72, 0.7, 0.62), (0.74, 0.74, 0.74), (0.6, 0.58, 0.5),
    (0.4, 0.24, 0.17), (0.45, 0.44, 0.42), (0.66, 0.6, 0.42),
)  # fmt: skip
_ROOFS = ((0.3, 0.1, 0.06), (0.24, 0.12, 0.08), (0.14, 0.13, 0.13), (0.35, 0.16, 0.09))
_GREENS = (
    (0.07, 0.15, 0.03), (0.1, 0.19, 0.04), (0.05, 0.11, 0.03),
    (0.13, 0.2, 0.05), (0.08, 0.13, 0.05), (0.11, 0.075, 0.045),
)  # fmt: skip
BARK = Look((0.13, 0.1, 0.07), (0.05, 0.04, 0.03), 0.9, 0.35)
STEEL = Look((0.3, 0.31, 0.31), noise=0.3, scale=0.4)
_STOREY = 2.8


def foliage(rng: np.random.Generator, *, scale: float = 0.5) -> Look:
    color = np.array(_GREENS[rng.integers(len(_GREENS))]) * rng.uniform(0.8, 1.25)
    return Look(tuple(color), tuple(color * 0.25), 1.0, scale, style=LEAVES)


def house(rng: np.random.Generator, width: float, depth: float, heights: tuple[int, ...], plasters) -> Shapes:
    """A house with one of `heights` storeys; its front, `width` along the street, is at y = 0, the rest behind."""
    plaster = np.array(plasters[rng.integers(len(plasters))]) * rng.uniform(0.8, 1.08)
    storeys = int(rng.choice(heights))
    height = storeys * _STOREY + 0.5
    bays = max(2, round(width / rng.uniform(2.4, 3.2)))
    wall = Look(tuple(plaster), (0.75, 0.74, 0.7), 0.22, 1.0, (width / bays, _STOREY), rng.uniform(0.36, 0.5), WINDOWS)
    tiles = Look(_ROOFS[rng.integers(len(_ROOFS))], (0.06, 0.03, 0.02), 0.4, 0.7, (0.3, 0.34), 0.035)
    half = (width / 2, depth / 2, height / 2)
    plinth = Look(tuple(plaster * 0.45), noise=0.4, scale=0.6)
    parts = [
        box((0.0, depth / 2, height / 2), half, wall),
        box((0.0, depth / 2, 0.25), (width / 2 + 0.04, depth / 2 + 0.04, 0.3), plinth),
    ]
    if rng.random() < 0.75:
        rise = rng.uniform(1.2, 1.9)
        parts.append(
            box(
                (0.0, depth / 2, height + rise - 0.05),
                (width / 2 + 0.35, depth / 2 + 0.45, rise),
                tiles,
                taper=(0.0, 0.0, 0.5),
            )
        )
        if rng.random() < 0.7:
            x = rng.uniform(-0.3, 0.3) * width
            parts.append(
                box(
                    (x, depth * 0.6, height + 2 * rise),
                    (0.35, 0.35, 0.9),
                    Look((0.3, 0.13, 0.09), (0.15, 0.12, 0.1), 0.3, 0.5, (0.25, 0.09), 0.015),
                )
            )
    else:
        parts.append(
            box(
                (0.0, depth / 2, height + 0.15),
                (width / 2 + 0.25, depth / 2 + 0.25, 0.2),
                Look((0.35, 0.34, 0.33), noise=0.3),
            )
        )
    door = rng.integers(bays)
    x = (door + 0.5) * width / bays - width / 2 + 0.32 * width / bays
    wood = Look(
        ((0.2, 0.09, 0.04), (0.06, 0.12, 0.08), (0.35, 0.35, 0.34))[rng.integers(3)],
        (0.03, 0.02, 0.02),
        0.3,
        0.5,
        (0.28, 0.9),
        0.02,
    )
    parts += [box((x, -0.02, 1.2), (0.5, 0.06, 1.05), wood), box((x, -0.5, 0.2), (0.8, 0.5, 0.2), plinth)]
    if rng.random() < 0.5:
        parts.append(box((x, -0.45, 2.45), (0.85, 0.5, 0.06), plinth))
    if storeys >= 2 and rng.random() < 0.5:
        across = (rng.integers(bays) + 0.5) * width / bays - width / 2
        rail = Look((0.5, 0.5, 0.48), (0.1, 0.1, 0.1), 0.25, 0.6, (0.14, 0.0), 0.05)
        parts += [box((across, -0.55, _STOREY + h), (1.3, 0.6, s), rail) for h, s in ((0.35, 0.09), (0.85, 0.45))]
    return join(parts)


def garage(rng: np.random.Generator) -> Shapes:
    wall = Look((0.6, 0.58, 0.53), noise=0.3)
    gate = Look(
        ((0.3, 0.31, 0.32), (0.32, 0.2, 0.12), (0.1, 0.2, 0.14))[rng.integers(3)],
        (0.06, 0.06, 0.06),
        0.25,
        0.5,
        (0.0, 0.42),
        0.03,
    )
    return join([
        box((0.0, 2.9, 1.25), (1.6, 2.9, 1.25), wall),
        box((0.0, 2.9, 2.58), (1.75, 3.05, 0.1), Look((0.2, 0.2, 0.2))),
        box((0.0, -0.02, 1.05), (1.25, 0.05, 1.05), gate),
    ])  # fmt: skip


def fence(rng: np.random.Generator, length: float) -> Shapes:
    color = ((0.28, 0.17, 0.09), (0.4, 0.36, 0.3), (0.55, 0.55, 0.52), (0.12, 0.2, 0.12))[rng.integers(4)]
    planks = Look(color, tuple(0.15 * c for c in color), 0.55, 0.8, (0.16, 0.0), 0.03)
    post = Look(tuple(0.7 * c for c in color), noise=0.5)
    height = rng.uniform(0.5, 0.8)
    return join([
        box((0.0, 0.0, height + 0.06), (length / 2, 0.03, height), planks),
        box((length / 2, 0.0, height + 0.1), (0.06, 0.06, height + 0.1), post),
    ])  # fmt: skip


def wall(rng: np.random.Generator, length: float) -> Shapes:
    height = rng.uniform(0.4, 0.75)
    bricks = Look((0.34, 0.15, 0.1), (0.45, 0.42, 0.38), 0.45, 0.7, (0.26, 0.09), 0.014)
    stones = Look((0.4, 0.37, 0.32), (0.16, 0.15, 0.13), 0.5, 0.8, (0.5, 0.28), 0.03)
    return join([
        box((0.0, 0.0, height), (length / 2 + 0.02, 0.13, height), bricks if rng.random() < 0.5 else stones),
        box((0.0, 0.0, 2 * height + 0.04), (length / 2 + 0.04, 0.17, 0.05), Look((0.45, 0.43, 0.4), noise=0.4)),
    ])  # fmt: skip


def gate() -> Shapes:
    bars = Look((0.06, 0.07, 0.07), (0.35, 0.36, 0.33), 0.3, 0.5, (0.13, 0.0), 0.05)
    return box((0.0, 0.0, 0.62), (0.62, 0.03, 0.58), bars)


def hedge(rng: np.random.Generator, length: float, look: Look, height: float) -> Shapes:
    parts = [box((0.0, 0.0, height / 2), (length / 2 + 0.05, 0.42, height / 2), look, taper=(0.0, 0.0, 0.06))]
    for _ in range(int(length * 1.4)):
        x, y = rng.uniform(-0.5, 0.5) * length, rng.uniform(-0.2, 0.2)
        parts.append(ellipsoid((x, y, height - 0.1), (rng.uniform(0.4, 0.7), 0.36, rng.uniform(0.16, 0.3)), look))
    return join(parts)


def bush(rng: np.random.Generator) -> Shapes:
    look, parts = foliage(rng, scale=0.35), []
    for _ in range(4):
        center = (rng.uniform(-0.4, 0.4), rng.uniform(-0.3, 0.3), 0.4)
        parts.append(ellipsoid(center, (rng.uniform(0.4, 0.7), rng.uniform(0.4, 0.6), 0.55), look))
    return join(parts)


def tree(rng: np.random.Generator, *, height: float) -> Shapes:
    """A broad-leaved tree, a poplar or a conifer."""
    kind = rng.random()
    look, trunk = foliage(rng), 0.13 + 0.012 * height
    if kind < 0.12:  # conifer: cones are tapered eight-sided stacks of boxes
        parts = [cylinder((0, 0, 0.6), trunk, 0.7, BARK)]
        for level in range(4):
            half, z = 0.19 * height * (1 - 0.2 * level), 1.0 + (0.8 + level) * height * 0.21
            for yaw in (0.0, np.pi / 4):
                parts.append(
                    box((0, 0, z), (half, half, 0.15 * height), look, yaw=yaw + level, taper=(0.44, 0.44, 0.44))
                )
        return join(parts)
    slim = 0.5 if kind < 0.25 else 1.0
    crown = 0.27 * height * slim
    base = 0.36 * height
    parts = [cylinder((0.0, 0.0, 0.33 * height), trunk, 0.34 * height, BARK)]
    for _ in range(2):
        lean, yaw = rng.uniform(0.35, 0.6), rng.uniform(0, 6.3)
        reach = 0.13 * height
        center = (np.sin(lean) * np.cos(yaw) * reach, np.sin(lean) * np.sin(yaw) * reach, base + reach)
        parts.append(cylinder(center, trunk * 0.5, reach, BARK, yaw=yaw, pitch=lean))
    for number in range(26):
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction) + 1e-6
        radius = crown * (rng.uniform(0.34, 0.5) if number < 8 else rng.uniform(0.16, 0.3))
        spread = np.array((crown * 0.85, crown * 0.85, 0.26 * height)) * (0.8 if number < 8 else 1.05)
        center = direction * spread * rng.uniform(0.8, 1.05) + (0, 0, 0.68 * height)
        shade = look._replace(color=tuple(np.array(look.color) * rng.uniform(0.75, 1.2)))
        parts.append(ellipsoid(center, radius * rng.uniform(0.8, 1.2, 3), shade, yaw=rng.uniform(0, 3)))
    parts.append(ellipsoid((0, 0, 0.66 * height), (crown * 0.75, crown * 0.75, 0.24 * height), look))
    return join(parts)


street_tree = tree


def lamp_post(reach: float) -> tuple[Shapes, Shapes]:
    """A street lamp whose arm reaches `reach` metres along y: the pole and the lamp."""
    pole = [cylinder((0, 0, 3.0), 0.075, 3.0, STEEL), box((0, reach / 2, 6.0), (0.05, abs(reach) / 2, 0.04), STEEL)]
    return join(pole), box((0, reach, 5.97), (0.13, 0.34, 0.07), Look((0.5, 0.5, 0.48), noise=0.2))


def sign(rng: np.random.Generator) -> tuple[Shapes, Shapes]:
    """A traffic sign on a small pole, facing -x: the pole and the plate."""
    pole = cylinder((0, 0, 1.25), 0.045, 1.25, STEEL)
    kind = int(rng.integers(4))
    red, blue, white, yellow = (0.55, 0.02, 0.03), (0.02, 0.1, 0.45), (0.75, 0.75, 0.75), (0.75, 0.5, 0.02)

    def disc(radius, depth, look):
        return cylinder((-0.06 - depth, 0, 2.3), radius, 0.012, look, pitch=np.pi / 2)

    flat = dict(noise=0.1, scale=0.3, style=PLAIN)
    if kind == 0:
        plate = [
            disc(0.33, 0.0, Look(red, **flat)),
            disc(0.24, 0.014, Look(white, **flat)),
            box((-0.09, 0, 2.3), (0.012, 0.13, 0.06), Look((0.02,) * 3)),
        ]
    elif kind == 1:
        plate = [
            box((-0.06, 0, 2.25), (0.012, 0.32, 0.32), Look(blue, **flat)),
            box((-0.075, 0, 2.25), (0.01, 0.07, 0.22), Look(white, **flat)),
        ]
    elif kind == 2:
        plate = [
            box((-0.06, 0, 2.3), (0.02, 0.36, 0.32), Look(red, **flat), taper=(0, 0, 0.5)),
            box((-0.075, 0, 2.25), (0.016, 0.22, 0.19), Look(white, **flat), taper=(0, 0, 0.5)),
        ]
    else:
        plate = [
            box((-0.06, 0, 2.25), (0.012, 0.33, 0.33), Look(white, **flat)),
            box((-0.075, 0, 2.25), (0.01, 0.24, 0.24), Look(yellow, **flat)),
        ]
    return pole, join(plate)


def traffic_light() -> tuple[Shapes, Shapes]:
    """A traffic light facing -x: the pole and the housing."""
    dark = Look((0.02, 0.025, 0.02), noise=0.3)
    lights = [box((-0.02, 0, 3.0), (0.13, 0.17, 0.5), dark), box((0.02, 0, 3.0), (0.02, 0.27, 0.62), dark)]
    for z, color in ((3.32, (0.7, 0.03, 0.02)), (3.0, (0.25, 0.15, 0.01)), (2.68, (0.01, 0.12, 0.05))):
        lights.append(cylinder((-0.16, 0, z), 0.11, 0.02, Look(color, noise=0.15, scale=0.1), pitch=np.pi / 2))
    return cylinder((0.06, 0, 1.7), 0.07, 1.7, STEEL), join(lights)


def trash_bin(rng: np.random.Generator) -> Shapes:
    color = ((0.04, 0.04, 0.04), (0.05, 0.16, 0.06), (0.04, 0.08, 0.25), (0.4, 0.32, 0.03))[rng.integers(4)]
    look = Look(color, noise=0.4, scale=0.4)
    return join(
        [
            box((0, 0, 0.5), (0.29, 0.27, 0.48), look, taper=(-0.05, -0.05, -0.05)),
            box((0, 0, 1.02), (0.33, 0.31, 0.05), look),
        ]
    )


def cabinet() -> Shapes:
    return box((0, 0, 0.55), (0.55, 0.22, 0.55), Look((0.42, 0.43, 0.4), (0.1, 0.1, 0.1), 0.35, 0.5, (0.55, 0.0), 0.02))
