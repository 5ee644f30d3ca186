"""The kinds of streets: ranges and shares that `street`, `scene` and `traffic` draw from."""

from typing import NamedTuple

import numpy as np

Range = tuple[float, float]


class District(NamedTuple):
    """The defaults are the suburban street of a city without variety. Lengths in metres, along or across the street."""

    kind: str = "street"
    bend: Range = (0.5, 0.75)  # radians that the street swings to either side
    half_road: Range = (3.1, 3.7)
    walk: Range = (1.9, 2.6)
    parking: float = 2.2  # width of a parking strip
    both_sides: float = 0.6  # share of streets with parking on both sides; the others have it on one
    lot: Range = (12.0, 19.0)
    setback: Range = (2.4, 6.5)  # of houses behind the sidewalk
    margin: Range = (1.6, 4.6)  # of a lot that its house leaves free
    house: float = 0.85  # share of lots with a house; the others have trees
    garage: float = 0.8
    storeys: tuple[int, ...] = (1, 2, 2, 3, 3, 4)
    boundary: tuple[float, ...] = (0.32, 0.2, 0.36, 0.12)  # shares of fence, wall, hedge and nothing
    hedge: Range = (0.8, 1.9)  # height
    bushes: tuple[int, int] = (1, 4)  # a lot, the last excluded
    garden_trees: float = 0.6
    garden_height: Range = (4.5, 7.5)
    street_trees: float = 0.65  # share of sides with a row of trees
    tree_height: Range = (5.5, 9.0)
    pavement: tuple[float, ...] = (0.16, 0.08, 0.16, 0.2)  # shares of bins, cabinets, bicycles and people
    parked: tuple[float, ...] = (0.55, 0.07, 0.08)  # shares of places with a car, a truck and a motorcycle
    backdrop: Range = (24.0, 34.0)  # distance of the trees behind the houses
    backdrop_height: Range = (8.0, 14.0)
    backdrop_step: float = 11.0
    oncoming: float = 22.0  # frames between meetings
    heavy: tuple[float, float] = (0.15, 0.13)  # shares of buses and trucks among oncoming vehicles
    cyclists: float = 50.0  # metres from one to the next
    first_cyclist: float = 12.0
    walkers: float = 13.0


SUBURB = District()
KINDS = (
    SUBURB._replace(
        bend=(0.0, 0.6), hedge=(0.8, 2.2), garden_height=(4.5, 11.0), backdrop=(20.0, 34.0),
        backdrop_height=(8.0, 17.0), backdrop_step=8.0, pavement=(0.12, 0.06, 0.12, 0.12), oncoming=30.0,
        heavy=(0.05, 0.08), cyclists=90.0, walkers=20.0,
    ),
    District(
        kind="lane", bend=(0.0, 0.35), half_road=(2.5, 3.6), walk=(0.9, 2.0), both_sides=0.3, lot=(14.0, 26.0),
        setback=(3.5, 9.0), margin=(4.0, 9.0), house=0.85, storeys=(1, 2, 2, 2), boundary=(0.1, 0.14, 0.7, 0.06),
        hedge=(1.2, 2.8), bushes=(2, 6), garden_trees=0.95, garden_height=(4.5, 12.0), street_trees=0.3,
        tree_height=(5.0, 10.0), pavement=(0.1, 0.04, 0.06, 0.05), parked=(0.38, 0.03, 0.03), backdrop=(12.0, 28.0),
        backdrop_height=(8.0, 18.0), backdrop_step=5.5, oncoming=45.0, heavy=(0.02, 0.05), cyclists=120.0, walkers=36.0,
    ),
    District(
        kind="avenue", bend=(0.0, 0.3), half_road=(3.8, 5.5), walk=(2.2, 4.0), both_sides=0.8, setback=(2.0, 7.0),
        storeys=(2, 2, 3, 3, 4, 5), boundary=(0.25, 0.25, 0.3, 0.2), street_trees=0.95, tree_height=(8.0, 14.0),
        garden_trees=0.7, garden_height=(5.0, 11.0), pavement=(0.14, 0.08, 0.14, 0.16), oncoming=18.0,
        heavy=(0.1, 0.08), cyclists=80.0, walkers=16.0,
    ),
    District(
        kind="inner city", bend=(0.0, 0.4), half_road=(2.8, 4.2), walk=(1.6, 3.4), both_sides=0.7, lot=(10.0, 20.0),
        setback=(0.05, 0.4), margin=(0.0, 0.15), house=0.94, garage=0.0, storeys=(2, 3, 3, 4, 4, 5),
        boundary=(0.0, 0.0, 0.0, 1.0), bushes=(0, 1), garden_trees=0.0, street_trees=0.25, tree_height=(4.5, 8.0),
        pavement=(0.16, 0.08, 0.2, 0.24), parked=(0.68, 0.08, 0.08), oncoming=20.0, cyclists=70.0, walkers=9.0,
    ),
    District(
        kind="country", bend=(0.1, 0.7), half_road=(2.6, 3.6), walk=(0.02, 0.4), parking=0.0, lot=(20.0, 50.0),
        setback=(6.0, 18.0), margin=(8.0, 14.0), house=0.3, storeys=(1, 1, 2, 2), boundary=(0.25, 0.1, 0.25, 0.4),
        hedge=(0.8, 2.6), bushes=(0, 5), garden_trees=0.8, street_trees=0.4, tree_height=(6.0, 13.0),
        pavement=(0.02, 0.03, 0.05, 0.1), parked=(0.0, 0.0, 0.0), backdrop=(25.0, 70.0), backdrop_height=(8.0, 16.0),
        oncoming=16.0, heavy=(0.06, 0.14), cyclists=90.0, walkers=40.0,
    ),
)  # fmt: skip
_SHARES = (0.24, 0.34, 0.16, 0.14, 0.12)


def draw_district(rng: np.random.Generator) -> District:
    """One of the kinds, with its vegetation, its parked cars and its hedges more or less frequent."""
    district = KINDS[rng.choice(len(KINDS), p=_SHARES)]
    cars, trees, people = rng.uniform(0.2, 1.0), rng.uniform(0.7, 1.4), rng.uniform(0.4, 1.2)
    low = rng.uniform(district.hedge[0], district.hedge[1] - 0.4)
    return district._replace(
        parked=tuple(float(cars * share) for share in district.parked),
        cyclists=float(district.cyclists / people),
        first_cyclist=float(rng.uniform(6.0, district.cyclists)),
        walkers=float(district.walkers / people),
        garden_trees=float(min(1.0, trees * district.garden_trees)),
        hedge=(float(low), float(low + 0.5)),  # hedges of one street are of similar height
    )
