"""The tiled ray caster equals hand values for single shapes and an untiled search for many."""

import numpy as np
import pytest

from tfds_kitti360.city import raycast, shapes, tiles
from tfds_kitti360.city.shapes import Look

GREY = Look((0.5, 0.5, 0.5))


def _distance(shape, origin, direction, time=0.0):
    geometry = shape.geometry
    return float(
        raycast.intersect(
            [np.float32([x]) for x in origin],
            [np.float32([x]) for x in direction],
            np.float32(time),
            lambda column: geometry[:, column],
        )[0]
    )


@pytest.mark.parametrize(
    "shape, origin, direction, expected",
    [
        (shapes.box((10, 0, 0), (1, 2, 3), GREY), (0, 0, 0), (1, 0, 0), 9.0),  # front face at 10 - 1
        (shapes.box((10, 0, 0), (1, 2, 3), GREY), (0, 0, 0), (2, 0, 0), 4.5),  # in multiples of the direction
        (shapes.box((10, 0, 0), (1, 2, 3), GREY, yaw=np.pi / 2), (0, 0, 0), (1, 0, 0), 8.0),  # turned: 10 - 2
        (shapes.box((10, 0, 0), (1, 2, 3), GREY), (0, 2.1, 0), (1, 0, 0), np.inf),
        (shapes.box((10, 0, 0), (2, 2, 1), GREY, taper=(0, 0.25, 0)), (0, 0, 0), (1, 0, 0), 8.5),  # 8 + 0.25 * 2
        (shapes.ellipsoid((10, 0, 0), (2, 1, 1), GREY), (0, 0, 0), (1, 0, 0), 8.0),
        (shapes.ellipsoid((10, 0, 0), (2, 1, 1), GREY), (10, 0, 5), (0, 0, -1), 4.0),
        (shapes.cylinder((10, 0, 0), 1.0, 3.0, GREY), (0, 0, 2.9), (1, 0, 0), 9.0),
        (shapes.cylinder((10, 0, 0), 1.0, 3.0, GREY), (0, 0, 3.1), (1, 0, 0), np.inf),
        (shapes.cylinder((10, 0, 0), 1.0, 3.0, GREY, pitch=np.pi / 2), (0, 0, 0), (1, 0, 0), 7.0),  # lies along x
    ],
)  # fmt: skip
def test_single_shapes(shape, origin, direction, expected):
    assert _distance(shape, origin, direction) == pytest.approx(expected, rel=1e-5)


def test_a_shape_moves_with_its_velocity():
    shape = shapes.box((10, 0, 0), (1, 1, 1), GREY)
    shape.geometry[:, shapes.VELOCITY] = (2.0, 0, 0)
    assert _distance(shape, (0, 0, 0), (1, 0, 0), time=-0.5) == pytest.approx(8.0)  # 9 - 0.5 * 2


def test_dents_lie_inside_the_ellipsoid_and_differ_from_place_to_place():
    y, z = (a.ravel().astype(np.float32) for a in np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-1, 1, 41)))
    rays = [np.float32(0), y, z], [np.float32(1), np.float32(0), np.float32(0)], np.float32(0)

    def radius(bump):
        geometry = shapes.ellipsoid((10, 0, 0), (2, 1, 1), GREY, bump=bump).geometry
        distance = np.asarray(raycast.intersect(*rays, lambda column: geometry[:, column]))
        return np.sqrt(((distance - 10) / 2) ** 2 + y**2 + z**2)[np.isfinite(distance)]

    np.testing.assert_allclose(radius(0.0), 1.0, atol=1e-5)
    dented = radius(0.5)
    assert 0.5**0.5 - 1e-5 < dented.min() < 0.85 and 0.97 < dented.max() < 1 + 1e-5
    assert len(dented) < len(radius(0.0))  # the outline is dented too


def _many(rng, count):
    make = (shapes.box, shapes.ellipsoid)
    parts = [
        make[i % 2](rng.uniform((3, -8, -4), (30, 8, 4)), rng.uniform(0.2, 1.5, 3), GREY, yaw=rng.uniform(0, 6))
        for i in range(count)
    ]
    far = shapes.box((1e6, 0, 0), (1, 1, 1), GREY)
    return shapes.join([*parts, far]).geometry


def test_tiles_find_what_a_search_of_all_shapes_finds():
    geometry = _many(np.random.default_rng(0), 60)
    size, tile = (48, 96), (8, 8)
    grid = (size[0] // tile[0], size[1] // tile[1])
    intrinsics = np.array([[60.0, 0, 47.5], [0, 60.0, 23.5], [0, 0, 1]])
    camera_from_local = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    low, high = tiles.screen_rectangles(geometry[:-1], camera_from_local, intrinsics, tile)
    lists = tiles.make_lists(low, high, grid)

    found, expected = [], []
    for batch in tiles.batches(lists, grid[1], tile):
        across, down = (batch.column - 47.5) / 60.0, (batch.row - 23.5) / 60.0
        direction = tuple(np.float32(a) for a in (np.ones(raycast.SHAPE), -across, -down))
        zero = np.zeros(raycast.SHAPE, np.float32)
        rays = (zero, zero, zero), direction
        found.append(raycast.nearest(geometry, batch.entries, batch.first, batch.count, *rays, zero))
        one_by_one = raycast.intersect(
            [np.float32(0)] * 3, [d[..., None] for d in direction], np.float32(0), lambda column: geometry[:, column]
        )
        expected.append((one_by_one.min(-1), one_by_one.argmin(-1)))
    (distance, index), (nearest, which) = (
        (tiles.image(np.stack(part), lists.place, grid, tile) for part in zip(*parts)) for parts in (found, expected)
    )
    np.testing.assert_allclose(distance, nearest, rtol=1e-4)
    hit = np.isfinite(distance)
    assert 0.2 < hit.mean() < 0.95
    assert (index[hit] == which[hit]).mean() > 0.999
    assert np.all(index[~hit] == raycast.NOTHING)


def test_the_scanner_s_tiles_hold_every_shape_that_a_beam_meets():
    from tfds_kitti360.city import scanner

    rng = np.random.default_rng(1)
    geometry = np.concatenate([_many(rng, 30)[:-1], shapes.box((-6, 0, 0), (1, 3, 2), GREY).geometry])
    low, high = tiles.sphere_rectangles(geometry, np.eye(4), scanner.ELEVATION, (8, 32), scanner.COLUMNS, 0.0)
    beams = scanner._beams().astype(np.float32)[:, ::16]
    distance = raycast.intersect(
        [np.float32(0)] * 3, [beams[..., i, None] for i in range(3)], np.float32(0), lambda column: geometry[:, column]
    )
    beam, column, shape = np.nonzero(np.isfinite(np.asarray(distance)))
    tile_row, tile_column = beam // 8, column * 16 // 32
    width = scanner.COLUMNS // 32
    assert len(beam) > 500
    assert np.all((low[shape, 0] <= tile_row) & (tile_row <= high[shape, 0]))
    around = (tile_column - low[shape, 1]) % width
    assert np.all(around <= high[shape, 1] - low[shape, 1])
