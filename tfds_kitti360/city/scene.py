"""Populates a street with static objects and lists the moving ones."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tfds_kitti360.city import furniture, people, plants, shapes, vehicles
from tfds_kitti360.city import street as streets
from tfds_kitti360.city.district import SUBURB, District
from tfds_kitti360.city.shapes import Shapes
from tfds_kitti360.labels import BY_NAME

BEHIND, AHEAD = 45.0, 150.0  # metres of street before the first and beyond the last camera position


class Mover(NamedTuple):
    """Something that moves: its shapes at a time (frames) in its own coordinates, and its place on the street."""

    shapes: Callable[[float], Shapes]
    path: Callable[[float], tuple[float, float]]  # time -> arc length, lateral
    facing: float  # added to the street's heading
    half: tuple[float, float, float]  # of the ellipsoid that casts its shadow


class City(NamedTuple):
    street: streets.Street
    standing: Shapes
    movers: list[Mover]
    things: list[str]  # kind of thing number i; number 0 is none


class Builder:
    """Collects shapes, counting instances by class and things by kind."""

    def __init__(
        self, street: streets.Street, rng: np.random.Generator, district: District = SUBURB, *, natural: bool = False
    ):
        self.street, self.rng, self.district = street, rng, district
        self.garden = plants if natural else furniture
        self.plasters = furniture.PLAIN_PLASTERS if natural else furniture.PLASTERS
        self.paints = vehicles.COMMON_PAINTS if natural else vehicles.PAINTS
        self.parts: list[Shapes] = []
        self.movers: list[Mover] = []
        self.things: list[str] = ["none"]
        self._numbers: dict[str, int] = {}

    def value(self, label: str) -> int:
        """The next instance value of a class: label id * 1000 + number, number 0 for classes without instances."""
        entry = BY_NAME[label]
        self._numbers[label] = self._numbers.get(label, 0) + 1
        return entry.id * 1000 + (self._numbers[label] % 1000 if entry.has_instances else 0)

    def thing(self, kind: str) -> int:
        self.things.append(kind)
        return len(self.things) - 1

    def tag(
        self, part: Shapes, label: str, kind: str = "other", *, moving: bool = False, thing: int | None = None
    ) -> Shapes:
        thing = self.thing(kind) if thing is None else thing
        return shapes.tagged(part, value=self.value(label), moving=moving, thing=thing, seed=37 * thing)

    def stand(
        self,
        part: Shapes,
        label: str,
        s: float,
        lateral: float,
        *,
        kind: str = "other",
        facing: float = 0.0,
        z: float | None = None,
        thing: int | None = None,
    ):
        """Puts something at arc length s, `lateral` metres to the left, on the pavement where there is one."""
        x, y, heading = streets.place(self.street, s, lateral)
        if z is None:
            _, left, right, _, _ = streets.profile(s, self.street.widths)
            z = streets.KERB_HEIGHT if lateral > left or lateral < -right else 0.0
        self.parts.append(
            shapes.placed(
                self.tag(part, label, kind, thing=thing), float(x), float(y), z - 0.01, float(heading) + facing
            )
        )

    def side(self, s: float, side: int) -> tuple[float, float, float]:
        """Distances from the centre at one side (+1 left, -1 right): end of the road, kerb, end of the sidewalk."""
        road, left, right, left_walk, right_walk = streets.profile(s, self.street.widths)
        return (
            (float(road), float(left), float(left_walk)) if side > 0 else (float(road), float(right), float(right_walk))
        )


def populate(
    street: streets.Street, rng: np.random.Generator, district: District = SUBURB, *, natural: bool = False
) -> Builder:
    """All that stands along a street; with natural plants and paints where `natural`."""
    builder = Builder(street, rng, district, natural=natural)
    for side in (1, -1):
        s = street.start + 4.0
        while s < street.end - 24.0:
            s += _lot(builder, s, side)
        _strip(builder, side)
        _parked(builder, side)
        for s in np.arange(street.start + 6.0, street.end, district.backdrop_step):
            distance = rng.uniform(*district.backdrop)
            _tree(builder, s + rng.uniform(-3, 3), side * distance, rng.uniform(*district.backdrop_height))
    for lateral in np.arange(-22.0, 23.0, 4.5):
        _tree(builder, street.end - 12.0 + rng.uniform(-3, 3), lateral, rng.uniform(7.0, 12.0))
    return builder


def _lot(b: Builder, s: float, side: int) -> float:
    """One plot with what stands on it; returns its length along the street."""
    rng, district, facing = b.rng, b.district, 0.0 if side > 0 else np.pi
    length = rng.uniform(*district.lot)
    middle = s + length / 2
    _, _, walk = b.side(middle, side)
    setback = rng.uniform(*district.setback)
    if rng.random() < district.house:
        width, depth = length - rng.uniform(*district.margin), rng.uniform(8.0, 11.0)
        with_garage = width < length - 3.6 and rng.random() < district.garage
        shift = -1.2 if with_garage else 0.0
        b.stand(
            furniture.house(rng, width, depth, district.storeys, b.plasters),
            "building",
            middle + shift,
            side * (walk + setback),
            kind="facade",
            facing=facing,
        )
        if with_garage:
            b.stand(
                furniture.garage(rng),
                "garage",
                s + length - 1.2,
                side * (walk + setback + rng.uniform(0.5, 3.0)),
                facing=facing,
            )
    else:
        for _ in range(3):
            _tree(b, s + rng.uniform(2, length - 2), side * (walk + rng.uniform(4.0, 10.0)), rng.uniform(6.0, 11.0))
    _boundary(b, s, length, side)
    for _ in range(rng.integers(*district.bushes)):
        b.stand(
            b.garden.bush(rng),
            "vegetation",
            s + rng.uniform(1, length - 1),
            side * (walk + rng.uniform(1.3, setback - 0.6)),
            kind="bush",
        )
    if setback > 4.2 and rng.random() < district.garden_trees:
        _tree(b, s + rng.uniform(2, length - 2), side * (walk + setback * 0.5), rng.uniform(*district.garden_height))
    return length


def _boundary(b: Builder, s: float, length: float, side: int) -> None:
    """Fence, wall or hedge in front of a plot, with a gate."""
    rng = b.rng
    kind = rng.choice(["fence", "wall", "hedge", "none"], p=b.district.boundary)
    if kind == "none":
        return
    count = int(length // 2.4)
    step = length / count
    opening = rng.integers(1, count - 1)
    look, height = b.garden.foliage(rng, scale=0.35), rng.uniform(*b.district.hedge)
    seed = int(rng.integers(1 << 30))
    for i in range(count):
        middle = s + (i + 0.5) * step
        lateral = side * (b.side(middle, side)[2] + (0.55 if kind == "hedge" else 0.3))
        if i == opening:
            if rng.random() < 0.6:
                b.stand(furniture.gate(), "gate", middle, lateral)
            continue
        same = np.random.default_rng(seed)  # one plot has one kind of fence
        if kind == "hedge":
            b.stand(b.garden.hedge(rng, step, look, height), "vegetation", middle, lateral, kind="hedge")
        else:
            b.stand(getattr(furniture, kind)(same, step), kind, middle, lateral)


def _strip(b: Builder, side: int) -> None:
    """Street trees, lamps, signs and people between kerb and sidewalk's end."""
    rng, s, facing = b.rng, b.street.start + 3.0, 0.0 if side < 0 else np.pi
    trees = rng.random() < b.district.street_trees
    bins, cabinets, bicycles, standing = np.cumsum(b.district.pavement)
    count = 0
    while s < b.street.end - 8.0:
        _, kerb, walk = b.side(s, side)
        lateral, count = side * (kerb + 0.45), count + 1
        if count % 6 == 2:
            thing = b.thing("pole")
            pole, lamp = furniture.lamp_post(-side * 1.5)
            b.stand(pole, "pole", s, lateral, thing=thing)
            b.stand(lamp, "lamp", s, lateral, thing=thing)
        elif count % 6 == 4:
            thing = b.thing("pole")
            pole, plate = furniture.sign(rng)
            b.stand(pole, "smallpole", s, lateral, facing=facing, thing=thing)
            b.stand(plate, "traffic sign", s, lateral, facing=facing, thing=thing)
        elif count % 12 == 9:
            thing = b.thing("pole")
            pole, lights = furniture.traffic_light()
            b.stand(pole, "pole", s, lateral, facing=facing, thing=thing)
            b.stand(lights, "traffic light", s, lateral, facing=facing, thing=thing)
        elif trees and count % 2 == 1:
            tree = b.garden.street_tree(rng, height=rng.uniform(*b.district.tree_height))
            b.stand(tree, "vegetation", s, side * (kerb + 0.75), kind="tree", facing=rng.uniform(0, 6))
        far = side * (walk - 0.4)
        chance = rng.random()
        if chance < bins:
            b.stand(furniture.trash_bin(rng), "trash bin", s + 1.5, far, facing=rng.uniform(-0.2, 0.2))
        elif chance < cabinets:
            b.stand(furniture.cabinet(), "box", s + 1.5, far, facing=0.0)
        elif chance < bicycles:
            b.stand(
                vehicles.bicycle(rng),
                "bicycle",
                s + 2.0,
                far + side * 0.1,
                kind="vehicle",
                facing=rng.uniform(-0.2, 0.2),
            )
        elif chance < standing:
            b.stand(
                people.person(people.Outfit(rng), 0.08),
                "person",
                s + 2.0,
                side * (kerb + rng.uniform(0.9, 1.5)),
                kind="person",
                facing=rng.uniform(0, 6),
            )
        s += rng.uniform(3.6, 5.4)


def _parked(b: Builder, side: int) -> None:
    """Vehicles on the parking strip of one side."""
    road, kerb, _ = b.side(0.0, side)
    if kerb - road < 1.0:
        return
    rng, s, facing = b.rng, b.street.start + 6.0, 0.0 if side < 0 else np.pi
    cars, trucks, motorcycles = np.cumsum(b.district.parked)
    while s < b.street.end - 10.0:
        road, kerb, _ = b.side(s, side)
        lateral, turn, chance = side * (road + kerb) / 2, facing + rng.uniform(-0.03, 0.03), rng.random()
        if chance < cars:
            b.stand(vehicles.car(rng, b.paints), "car", s, lateral, kind="vehicle", facing=turn)
        elif chance < trucks:
            b.stand(vehicles.truck(rng), "truck", s + 0.8, lateral, kind="vehicle", facing=turn)
            s += 2.2
        elif chance < motorcycles:
            b.stand(vehicles.motorcycle(rng), "motorcycle", s, lateral, kind="vehicle", facing=turn + side * 0.9)
        s += rng.uniform(5.2, 6.8)


def _tree(b: Builder, s: float, lateral: float, height: float) -> None:
    b.stand(b.garden.tree(b.rng, height=height), "vegetation", s, lateral, kind="tree", facing=b.rng.uniform(0, 6))
