"""Cars, vans, trucks, buses and two-wheelers as tables of shapes: x forward, y left, z up, origin on the ground."""

import numpy as np

from tfds_kitti360.city.shapes import WHEEL, Look, Shapes, box, cylinder, ellipsoid, join

PAINTS = (
    (0.55, 0.56, 0.58), (0.75, 0.75, 0.73), (0.03, 0.03, 0.035), (0.16, 0.17, 0.18),
    (0.42, 0.03, 0.03), (0.04, 0.09, 0.28), (0.05, 0.16, 0.09), (0.32, 0.30, 0.25),
    (0.10, 0.22, 0.34), (0.50, 0.33, 0.04), (0.25, 0.03, 0.06), (0.30, 0.42, 0.20),
)  # fmt: skip
COMMON_PAINTS = (
    *PAINTS[:6],
    (0.6, 0.6, 0.6),
    (0.35, 0.36, 0.37),
    (0.03, 0.03, 0.035),
    (0.02, 0.03, 0.06),
    (0.1, 0.1, 0.11),
    PAINTS[6],
)
GLASS = Look((0.035, 0.045, 0.055), (0.25, 0.3, 0.34), 0.4, 0.6)
RUBBER = Look((0.02, 0.02, 0.02), (0.34, 0.34, 0.35), 0.35, 0.3, style=WHEEL)
PLASTIC = Look((0.03, 0.03, 0.032), noise=0.4, scale=0.4)
HEADLIGHT = Look((0.8, 0.8, 0.75), noise=0.3, scale=0.15)
TAILLIGHT = Look((0.45, 0.02, 0.02), noise=0.4, scale=0.15)
PLATE = Look((0.75, 0.75, 0.72), (0.05, 0.05, 0.05), 0.15, 0.1, (0.075, 0.0), 0.03)
CHROME = Look((0.5, 0.5, 0.52), noise=0.3, scale=0.3)


def _paint(rng: np.random.Generator, paints=PAINTS) -> Look:
    color = np.clip(np.array(paints[rng.integers(len(paints))]) * rng.uniform(0.85, 1.15), 0.0, 1.0)
    return Look(tuple(color), tuple(color * 0.3), 0.16, 0.7, (1.05, 0.0), 0.012)


def _wheels(xs, half_track: float, radius: float, width: float = 0.11) -> list[Shapes]:
    sides = [(x, side) for x in xs for side in (-1, 1)]
    return [
        cylinder((x, side * half_track, radius), radius, width, RUBBER, yaw=np.pi / 2, pitch=np.pi / 2)
        for x, side in sides
    ]


def car(rng: np.random.Generator, paints=PAINTS) -> Shapes:
    """A hatchback, an estate or a saloon, 3.9 to 4.7 m long."""
    paint, length, half_width = _paint(rng, paints), rng.uniform(3.9, 4.7), rng.uniform(0.84, 0.92)
    kind, h = rng.integers(3), length / 2
    cabin_front = h - rng.uniform(0.75, 0.95)
    cabin_back = {0: -h + 0.12, 1: -h + 0.08, 2: -h + 0.55}[int(kind)]
    rear_rake = {0: 0.24, 1: 0.12, 2: 0.42}[int(kind)]
    middle, half_cabin, roof = (cabin_front + cabin_back) / 2, (cabin_front - cabin_back) / 2, rng.uniform(1.42, 1.56)
    waist = 0.92
    top = (roof - waist) / 2
    front_taper = 0.86 / half_cabin / 2
    rear_taper = rear_rake * 0.9 / half_cabin
    cabin = (front_taper, rear_taper, 0.11)
    roof_front, roof_back = cabin_front - 0.84, cabin_back + 2 * rear_taper * half_cabin
    parts = [
        box((0.0, 0.0, 0.53), (h, half_width, 0.23), paint, taper=(0.02, 0.015, 0.0)),
        box((0.0, 0.0, 0.83), (h - 0.03, half_width, 0.11), paint, taper=(0.16, 0.03, 0.06)),
        box((0.0, 0.0, 0.25), (h - 0.1, half_width - 0.05, 0.07), PLASTIC),
        box((middle, 0.0, waist + top), (half_cabin, half_width - 0.06, top), GLASS, taper=cabin),
        box(((roof_front + roof_back) / 2, 0, roof), ((roof_front - roof_back) / 2, half_width - 0.19, 0.035), paint,
            taper=(0.1, 0.1, 0.1)),
    ]  # fmt: skip
    for x in (middle - 0.05, roof_back + 0.1):  # pillars: slices of the cabin, a centimetre wider
        parts.append(box((x, 0.0, waist + top), (0.045, half_width - 0.05, top), paint, taper=(0.0, 0.0, 0.11)))
    for side in (-1, 1):
        parts += [
            box((h - 0.06, side * (half_width - 0.24), 0.68), (0.07, 0.17, 0.075), HEADLIGHT),
            box((-h + 0.05, side * (half_width - 0.16), 0.76), (0.06, 0.13, 0.11), TAILLIGHT),
            box((cabin_front - 0.45, side * (half_width + 0.08), 1.0), (0.06, 0.1, 0.07), paint),
        ]
        for x in (h - 0.82, -h + 0.78):
            parts.append(
                cylinder((x, side * (half_width - 0.1), 0.34), 0.39, 0.105, PLASTIC, yaw=np.pi / 2, pitch=np.pi / 2)
            )
    parts += [
        box((h - 0.01, 0.0, 0.42), (0.02, 0.42, 0.09), PLASTIC),
        box((h + 0.012, 0.0, 0.48), (0.012, 0.26, 0.055), PLATE),
        box((-h - 0.005, 0.0, 0.62), (0.012, 0.26, 0.055), PLATE),
    ]
    return join(parts + _wheels((h - 0.82, -h + 0.78), half_width - 0.08, 0.31))


def truck(rng: np.random.Generator) -> Shapes:
    """A delivery truck of about 6.5 m."""
    paint = _paint(rng)
    cargo = Look((0.6, 0.6, 0.58) if rng.random() < 0.6 else paint.color, (0.2, 0.2, 0.2), 0.25, 1.2, (1.1, 0.0), 0.03)
    parts = [
        box((-1.0, 0.0, 1.85), (2.2, 1.08, 1.1), cargo),
        box((2.15, 0.0, 0.95), (0.85, 1.0, 0.45), paint),
        box((2.1, 0.0, 1.8), (0.78, 0.98, 0.42), GLASS, taper=(0.2, 0.0, 0.06)),
        box((1.95, 0.0, 2.26), (0.6, 0.95, 0.06), paint),
        box((-0.3, 0.0, 0.6), (2.9, 0.75, 0.14), PLASTIC),
        box((3.0, 0.0, 0.55), (0.05, 0.95, 0.13), PLASTIC),
        box((-3.22, 0.0, 0.6), (0.04, 0.9, 0.1), TAILLIGHT),
        box((3.05, 0.0, 0.62), (0.012, 0.26, 0.055), PLATE),
    ]
    parts += [box((3.0, side * 0.75, 0.85), (0.03, 0.16, 0.1), HEADLIGHT) for side in (-1, 1)]
    return join(parts + _wheels((2.0, -2.0), 0.95, 0.45, 0.14))


def bus(rng: np.random.Generator) -> Shapes:
    """A city bus of 11 m with a row of windows."""
    body = Look(
        ((0.62, 0.55, 0.1), (0.5, 0.06, 0.05), (0.1, 0.25, 0.45))[rng.integers(3)],
        (0.1, 0.1, 0.1),
        0.15,
        0.9,
        (1.4, 0.0),
        0.02,
    )
    glass = GLASS._replace(second=(0.3, 0.3, 0.3), period=(1.4, 0.0), width=0.08)
    parts = [
        box((0.0, 0.0, 0.85), (5.5, 1.25, 0.55), body),
        box((0.0, 0.0, 1.95), (5.47, 1.23, 0.55), glass, taper=(0.01, 0.0, 0.02)),
        box((0.0, 0.0, 2.75), (5.5, 1.24, 0.25), body, taper=(0.01, 0.01, 0.06)),
        box((0.4, 0.0, 3.05), (1.6, 0.8, 0.12), Look((0.5, 0.5, 0.5))),
        box((5.5, 0.0, 2.75), (0.04, 0.8, 0.14), PLATE._replace(color=(0.02, 0.02, 0.02), second=(0.7, 0.4, 0.0))),
    ]
    parts += [box((5.5, side * 0.9, 0.7), (0.04, 0.18, 0.1), HEADLIGHT) for side in (-1, 1)]
    parts += [box((-5.5, side * 1.0, 1.0), (0.04, 0.1, 0.25), TAILLIGHT) for side in (-1, 1)]
    return join(parts + _wheels((3.4, -2.8), 1.16, 0.48, 0.13))


def bicycle(rng: np.random.Generator) -> Shapes:
    color = PAINTS[rng.integers(4, len(PAINTS))]
    frame = Look(color, noise=0.3, scale=0.3)
    spokes = RUBBER._replace(color=(0.03, 0.03, 0.03), second=(0.2, 0.21, 0.22))
    parts = [cylinder((x, 0.0, 0.34), 0.34, 0.022, spokes, yaw=np.pi / 2, pitch=np.pi / 2) for x in (-0.52, 0.52)]
    parts += [
        box((0.0, 0.0, 0.78), (0.34, 0.02, 0.022), frame),
        box((0.12, 0.0, 0.55), (0.36, 0.02, 0.022), frame, pitch=-0.75),
        box((-0.2, 0.0, 0.62), (0.02, 0.02, 0.32), frame, pitch=-0.25),
        box((0.45, 0.0, 0.7), (0.02, 0.02, 0.36), frame, pitch=-0.2),
        box((0.38, 0.0, 1.04), (0.03, 0.26, 0.02), PLASTIC),
        box((-0.28, 0.0, 0.95), (0.13, 0.07, 0.03), PLASTIC),
    ]
    return join(parts)


def motorcycle(rng: np.random.Generator) -> Shapes:
    paint = _paint(rng)
    tyre = RUBBER._replace(second=(0.15, 0.15, 0.16))
    parts = [cylinder((x, 0.0, 0.31), 0.31, 0.07, tyre, yaw=np.pi / 2, pitch=np.pi / 2) for x in (-0.68, 0.7)]
    parts += [
        ellipsoid((0.15, 0.0, 0.82), (0.36, 0.17, 0.17), paint),
        box((-0.42, 0.0, 0.82), (0.38, 0.14, 0.07), PLASTIC, taper=(0.1, 0.2, 0.1)),
        box((0.0, 0.0, 0.48), (0.32, 0.16, 0.2), CHROME._replace(color=(0.2, 0.2, 0.2), noise=0.6)),
        box((0.62, 0.0, 0.68), (0.04, 0.1, 0.4), CHROME, pitch=-0.4),
        box((0.45, 0.0, 1.08), (0.03, 0.36, 0.025), PLASTIC),
        ellipsoid((0.6, 0.0, 0.95), (0.09, 0.1, 0.1), HEADLIGHT),
    ]
    return join(parts)
