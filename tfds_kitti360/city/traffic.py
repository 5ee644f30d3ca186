"""What moves on a street: oncoming and leading cars, cyclists, walkers; and where it all is at a given time."""

import numpy as np

from tfds_kitti360.city import people, shapes, vehicles
from tfds_kitti360.city import street as streets
from tfds_kitti360.city.scene import Builder, City, Mover
from tfds_kitti360.city.shapes import Shapes

MAX_SHADOWS = 12  # nearest movers whose shadows are drawn


def add_traffic(b: Builder, frames: int, driven) -> None:
    """Adds movers for a drive of `frames` frames; `driven(time)` is the arc length of our car."""
    rng = b.rng
    for meeting in np.arange(rng.uniform(6, 14), frames + 60, b.district.oncoming):
        _oncoming(b, float(meeting) + rng.uniform(-5, 5), driven)
    if rng.random() < 0.35:  # a car ahead at our speed: real, but what self-supervision takes for infinitely far
        gap = rng.uniform(24.0, 36.0)
        _vehicle(b, vehicles.car(rng, b.paints), "car", lambda t: driven(t - 4.0) + gap, -1, 0.0)
    for start in np.arange(b.district.first_cyclist, float(driven(frames)) + 70.0, b.district.cyclists):
        _cyclist(b, start + rng.uniform(-6, 6), rng.uniform(0.32, 0.45), -1)
        _cyclist(b, start + 25.0 + rng.uniform(-6, 6), -rng.uniform(0.3, 0.45), 1)
    for start in np.arange(4.0, float(driven(frames)) + 80.0, b.district.walkers):
        side, speed = int(rng.choice([-1, 1])), rng.uniform(0.09, 0.16) * rng.choice([-1, 1])
        _walker(b, start + rng.uniform(-4, 4), side, speed, rng.uniform(0.35, 0.75))
    _crossings(b, frames, driven)


def at_time(city: City, time: float, near: float) -> tuple[Shapes, np.ndarray]:
    """Shapes of the movers at a time, with their velocities, and the shadow ellipsoids [MAX_SHADOWS, 12].

    Movers more than 160 m of street from arc length `near` are left out.
    """
    parts, shadows = [], []
    for mover in city.movers:
        s, _ = mover.path(time)
        if not (max(city.street.start + 3.0, near - 60.0) < s < min(city.street.end - 3.0, near + 160.0)):
            continue
        x, y, z, yaw = _pose(city.street, mover, time)
        before, after = _pose(city.street, mover, time - 0.5), _pose(city.street, mover, time + 0.5)
        part = shapes.placed(mover.shapes(time), x, y, z, yaw)
        part.geometry[:, shapes.VELOCITY] = (after[0] - before[0], after[1] - before[1], 0.0)
        parts.append(part)
        turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
        axes = turn.T / np.array(mover.half)[:, None]
        shadows.append((abs(s - near - 10.0), np.concatenate([[x, y, z + mover.half[2]], axes.ravel()])))
    shadows = sorted(shadows, key=lambda pair: pair[0])[:MAX_SHADOWS]
    table = np.zeros((MAX_SHADOWS, 12), np.float32)
    table[:, :3] = 1e6
    for row, (_, values) in enumerate(shadows):
        table[row] = values
    return shapes.join(parts), table


def _pose(street, mover: Mover, time: float) -> tuple[float, float, float, float]:
    s, lateral = mover.path(time)
    x, y, heading = streets.place(street, s, lateral)
    _, left, right, _, _ = streets.profile(s, street.widths)
    rise = np.clip((max(lateral - left, -lateral - right) + 0.15) / 0.3, 0.0, 1.0)
    return float(x), float(y), float(rise * streets.KERB_HEIGHT), float(heading + mover.facing)


def _lane(street, s: float, side: int) -> float:
    return float(side * 0.5 * streets.profile(s, street.widths)[0])


def _vehicle(b: Builder, body: Shapes, label: str, path, side: int, facing: float) -> None:
    body = b.tag(body, label, "moving vehicle", moving=True)
    half = np.abs(shapes.corners(body.geometry)).max((0, 1)) * (1.05, 1.12, 0.5)
    b.movers.append(
        Mover(lambda t: body, lambda t: (float(path(t)), _lane(b.street, path(t), side)), facing, tuple(half))
    )


def _oncoming(b: Builder, meeting: float, driven) -> None:
    rng = b.rng
    speed, chance = rng.uniform(0.7, 1.2), rng.random()
    make, label = (
        (vehicles.car, "car")
        if chance < 1.0 - sum(b.district.heavy)
        else (vehicles.bus, "bus")
        if chance < 1.0 - b.district.heavy[1]
        else (vehicles.truck, "truck")
    )
    start = float(driven(meeting)) + speed * meeting
    _vehicle(b, make(rng, b.paints) if label == "car" else make(rng), label, lambda t: start - speed * t, 1, np.pi)


def _cyclist(b: Builder, start: float, speed: float, side: int) -> None:
    rng = b.rng
    outfit, machine = people.Outfit(rng), vehicles.bicycle(rng)
    thing = b.thing("person")
    machine = b.tag(machine, "bicycle", moving=True, thing=b.thing("moving vehicle"))
    value, seed = b.value("rider"), 37 * thing

    def pose(time: float) -> Shapes:
        riding = people.rider(outfit, 3.0 * abs(speed) * time)
        return shapes.join([machine, shapes.tagged(riding, value=value, moving=True, thing=thing, seed=seed)])

    def path(time: float) -> tuple[float, float]:
        s = start + speed * time
        return s, side * (float(streets.profile(s, b.street.widths)[0]) - 0.55)

    b.movers.append(Mover(pose, path, 0.0 if speed > 0 else np.pi, (0.85, 0.3, 0.85)))


def _walker(b: Builder, start: float, side: int, speed: float, share: float) -> None:
    """Someone who walks on the sidewalk, at `share` of its width from the kerb."""

    def path(time: float) -> tuple[float, float]:
        s = start + speed * time
        _, kerb, walk = b.side(s, side)
        return s, side * (kerb + share * (walk - kerb))

    _person(b, path, 0.0 if speed > 0 else np.pi, abs(speed))


def _crossings(b: Builder, frames: int, driven) -> None:
    """Someone crosses the road ahead of us each time that we stand."""
    times = np.arange(0, frames)
    still = np.flatnonzero(driven(times + 0.5) - driven(times - 0.5) < 0.02)
    starts = [time for time in still if time - 1 not in still]
    for start in starts:
        place, side, middle = float(driven(start)) + 10.0, int(b.rng.choice([-1, 1])), float(start) + 2.0

        def path(time, place=place, side=side, middle=middle):
            return place, -1.7 + side * float(np.clip(0.16 * (time - middle), -5.5, 6.5))

        _person(b, path, side * np.pi / 2, 0.16)


def _person(b: Builder, path, facing: float, speed: float) -> None:
    rng = b.rng
    outfit, with_bag, phase = people.Outfit(rng), rng.random() < 0.4, rng.uniform(0, 6)
    thing = b.thing("person")
    value = b.value("person")

    def pose(time: float) -> Shapes:
        parts = [people.person(outfit, 0.5 * np.sin(4.3 * speed * time + phase))]
        if with_bag:
            parts.append(people.bag(outfit))
        return shapes.tagged(shapes.join(parts), value=value, moving=True, thing=thing, seed=37 * thing)

    b.movers.append(Mover(pose, path, facing, (0.28, 0.3, 0.9)))
