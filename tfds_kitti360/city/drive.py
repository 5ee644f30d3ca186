"""One drive: its street, its traffic, our car, and the frames in order."""

import collections
import concurrent.futures
import functools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tfds_kitti360.city import calibration, camera, ego, lens, scanner, scene, shading, shadows, shapes, traffic
from tfds_kitti360.city import ground as grounds
from tfds_kitti360.city import street as streets
from tfds_kitti360.city.calibration import Rig
from tfds_kitti360.city.world import PLAIN, World

_STRETCH = 25.0  # metres driven with one shadow map
_MAP_CELLS, _RASTER_CELLS = 1536, 256
_SIGHT = 175.0  # metres
_AT_ONCE = 2  # frames drawn at the same time, for machines of few cores whose steps are too short to share
_CAPACITY = 8192  # the shape table's length is a multiple of this, so that few shapes are compiled


class Frame(NamedTuple):
    """The data of one frame."""

    number: int  # position in the drive, from 0
    left: camera.Picture
    right: camera.Picture | None
    scan: np.ndarray | None
    moving: np.ndarray  # [h, w] bool
    things: np.ndarray  # numbers of the things in view with 20 pixels or more


class Drive:
    """A street and a drive along it, determined by the arguments; `rig` is that of KITTI-360 by default."""

    def __init__(
        self,
        *,
        seed: int,
        which: int,
        frames: int,
        size: tuple[int, int],
        rig: Rig | None = None,
        world: World = PLAIN,
    ):
        rng = np.random.default_rng((seed, which))
        self.frames, self.rig, self._seed = frames, rig or calibration.make_rig(size), (seed, which)
        self.world = world
        distance = ego.driven(rng, frames, stops=world.stops)
        street = streets.make_street(
            rng, start=-scene.BEHIND, end=float(distance[-1]) + scene.AHEAD, district=world.district
        )
        self.ego = ego.Ego(distance, float(rng.uniform(0, 6)), street, world.raised, world.tilt)
        builder = scene.populate(street, rng, world.district, natural=world.natural)
        traffic.add_traffic(builder, frames, self.driven)
        self.city = scene.City(street, shapes.join(builder.parts), builder.movers, builder.things)
        height, azimuth = rng.uniform(0.65, 0.9), rng.uniform(0, 2 * np.pi)
        height, azimuth = world.sun or (height, azimuth)
        self.sun = np.array([np.cos(height) * np.cos(azimuth), np.cos(height) * np.sin(azimuth), np.sin(height)])
        yaw = rng.uniform(0, 2 * np.pi)
        self._around = None
        self.world_from_local = np.eye(4)
        self.world_from_local[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
        self.world_from_local[:3, 3] = (rng.uniform(-2000, 2000), rng.uniform(2000, 4000), rng.uniform(110, 120))

    def driven(self, time):
        """Arc length of our car at times in frames."""
        return np.interp((np.asarray(time) + 3.0) * 20.0, np.arange(len(self.ego.distance)), self.ego.distance)

    def local_from_cam0(self, time) -> np.ndarray:
        return ego.imu_pose(self.ego, time) @ self.rig.imu_from_cam0

    def local_from_velo(self, time) -> np.ndarray:
        return self.local_from_cam0(time) @ self.rig.cam0_from_velo

    def world_from_imu(self, time) -> np.ndarray:
        return self.world_from_local @ ego.imu_pose(self.ego, time)

    def world_from_cam0(self, time) -> np.ndarray:
        return self.world_from_local @ self.local_from_cam0(time)

    def rows_with_pose(self) -> list[int]:
        return ego.rows_with_pose(self.world_from_imu(np.arange(self.frames))[:, :3, 3])

    def draw(self, *, stereo: bool, scans: bool = True) -> Iterator[Frame]:
        """All frames in order; some are drawn at the same time."""
        waiting: collections.deque[concurrent.futures.Future[Frame]] = collections.deque()
        with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
            for number in range(self.frames):
                waiting.append(pool.submit(self._frame, number, *self.scene_at(number), stereo, scans))
                if len(waiting) > _AT_ONCE:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def scene_at(self, number: int) -> tuple[shading.Scene, shapes.Shapes]:
        """The scene at a frame's time: for the ray caster, and the used rows of its tables on the host."""
        along = float(self.driven(number))
        wanted = int((along + 1000.0) // _STRETCH)
        if self._around is None or self._around[0] != wanted:
            self._around = wanted, self._stretch(wanted * _STRETCH - 1000.0)
        standing, ground, shadow = self._around[1]
        moving, movers = traffic.at_time(self.city, float(number), along)
        table = shapes.join([standing, moving])
        light = jax.tree.map(np.float32, self.world.light)
        drawn = shading.Scene(*map(jnp.asarray, _padded(table)), ground, shadows.Shadows(*shadow, movers), light)
        return drawn, table

    def picture(self, number: int, drawn: shading.Scene, table: shapes.Shapes, *, aside: float = 0.0) -> camera.Picture:
        """The picture of rectified camera 0, or of a camera `aside` metres to its right."""
        shift = np.eye(4)
        shift[0, 3] = aside
        pose = self.local_from_cam0(float(number)) @ shift
        develop = None
        if response := self.world.response:
            noise = np.random.default_rng((*self._seed, number, 4, int(aside > 0)))
            develop = functools.partial(lens.develop, response=response, rng=noise)
        return camera.draw(drawn, table.geometry, pose, self.rig.intrinsics, self.rig.size, develop)

    def moving_in(self, picture: camera.Picture, table: shapes.Shapes) -> np.ndarray:
        """[h, w] bool: pixels that show moving objects."""
        moves = np.append(table.look[:, shapes.MOVING] > 0.5, False)  # the last answers for shape -1
        return moves[picture.shape]

    def things_in(self, picture: camera.Picture, table: shapes.Shapes) -> np.ndarray:
        """Numbers of the things that cover 20 pixels or more."""
        counts = np.bincount(picture.shape[picture.shape >= 0], minlength=len(table.look))
        by_thing = np.bincount(table.look[:, shapes.THING].astype(int), counts, minlength=len(self.city.things))
        return np.flatnonzero(by_thing >= 20)

    def _stretch(self, start: float):
        """Standing shapes in sight and the ground around one stretch of the drive."""
        street, paved = self.city.street, self.world.paved_parking
        x, y, _ = streets.place(street, np.array([start, start + _STRETCH, start + 110.0]), 0.0)
        middle, center = np.array([x[:2].mean(), y[:2].mean()]), np.array([x[[0, 2]].mean(), y[[0, 2]].mean()])
        standing = self.city.standing
        near = np.hypot(*(standing.geometry[:, :2] - middle).T) < _SIGHT
        standing = shapes.Shapes(standing.geometry[near], standing.look[near])
        corner = np.round(center - 0.5 * _MAP_CELLS * shadows.CELL)
        height = shadows.shadow_map(_padded(standing).geometry, len(standing.look), corner, _MAP_CELLS, self.sun)
        raster_corner = np.round(center - 0.5 * _RASTER_CELLS * streets.RASTER_STEP)
        ground = grounds.Ground(
            raster=jnp.asarray(streets.raster(street, raster_corner, _RASTER_CELLS)),
            corner=np.float32(raster_corner),
            widths=street.widths,
            parking=np.float32(self._seed[1] % 2 == 0 if paved is None else paved),
            seed=np.uint32((1000 * self._seed[0] + 17 * self._seed[1]) % (1 << 32)),
            surfaces=jax.tree.map(np.float32, self.world.surfaces),
        )
        return standing, ground, (height, np.float32(corner), np.float32(self.sun))

    def _frame(self, number: int, drawn: shading.Scene, table: shapes.Shapes, stereo: bool, scans: bool) -> Frame:
        left = self.picture(number, drawn, table)
        right = self.picture(number, drawn, table, aside=self.rig.baseline) if stereo else None
        points = None
        if scans:
            rng = np.random.default_rng((*self._seed, number, 1))
            points = scanner.scan(drawn, table.geometry, self.local_from_velo, float(number), rng)
        return Frame(number, left, right, points, self.moving_in(left, table), self.things_in(left, table))


def _padded(part: shapes.Shapes) -> shapes.Shapes:
    """Filled with shapes far away to a multiple of the capacity; the last one is always such."""
    count = part.geometry.shape[0]
    total = _CAPACITY * (count // _CAPACITY + 1)
    geometry = np.zeros((total, shapes.GEOMETRY_COLUMNS), np.float32)
    look = np.zeros((total, shapes.LOOK_COLUMNS), np.float32)
    geometry[:, shapes.CENTER], geometry[:, shapes.HALF] = 1e6, 1.0
    geometry[:, shapes.AXES] = np.eye(3).ravel()
    geometry[:count], look[:count] = part.geometry, part.look
    return shapes.Shapes(geometry, look)
