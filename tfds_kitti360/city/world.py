"""Everything that varies between drives: light, camera, street and mounting, drawn from a seed."""

from typing import Any, NamedTuple

import numpy as np

from tfds_kitti360.city import calibration
from tfds_kitti360.city.calibration import Rig
from tfds_kitti360.city.district import SUBURB, District, draw_district
from tfds_kitti360.city.ground import Surfaces, draw_surfaces
from tfds_kitti360.city.lens import Response, draw_response
from tfds_kitti360.city.light import Light, draw_light
from tfds_kitti360.city.plan import Settings

_LOOKING_DOWN, _HEIGHT = np.radians(5.6), 1.55  # of the real camera


class World(NamedTuple):
    """The defaults are a city without variety."""

    natural: bool = False  # whether plants and paints are the natural ones
    sun: tuple[float, float] | None = None  # height and azimuth in radians; None leaves it to the drive
    light: Light = Light()
    response: Response | None = None  # None is the tone curve of a city without variety
    district: District = SUBURB
    surfaces: Surfaces = Surfaces()
    paved_parking: bool | None = None  # whether parking strips are paved apart from the road; None: every other street
    stops: bool = True
    raised: float = 0.0  # metres that the car carries its sensors higher
    tilt: float = 0.0  # radians that they look further up

    def as_json(self) -> dict[str, Any]:
        return {
            name: value._asdict() if isinstance(value, (Light, Response, District, Surfaces)) else value
            for name, value in self._asdict().items()
        }


PLAIN = World()


def make_rig(settings: Settings) -> Rig:
    """The camera of a city: the real one, with another focal length where the settings ask for it or vary it."""
    if not settings.variety:
        return calibration.make_rig(settings.size, focal=settings.focal)
    rng = np.random.default_rng((settings.seed, 5))
    focal = np.exp(rng.uniform(np.log(0.35), np.log(0.9)))
    return calibration.make_rig(
        settings.size,
        focal=float(settings.focal or focal),
        center=(rng.uniform(0.46, 0.54), rng.uniform(0.44, 0.65)),
        square=bool(rng.random() < 0.5),
    )


def draw_world(*seed: int, rig: Rig) -> World:
    """One of many worlds, for cameras of any focal length: the horizon stays well inside the picture."""
    rng = np.random.default_rng((*seed, 3))
    height = float(rng.uniform(0.36, 1.1))
    light, district = draw_light(rng, height), draw_district(rng)
    horizon = rng.uniform(0.36, 0.56) * rig.size[0]
    tilt = float(_LOOKING_DOWN - np.arctan((rig.intrinsics[1, 2] - horizon) / rig.intrinsics[1, 1]))
    return World(
        natural=True,
        sun=(height, float(rng.uniform(0.0, 2.0 * np.pi))),
        light=light,
        response=draw_response(rng, light, height),
        district=district,
        surfaces=draw_surfaces(rng, marked=0.2 if district.kind == "lane" else 0.7),
        paved_parking=bool(rng.random() < 0.4),
        stops=bool(rng.random() < 0.35),
        raised=float(rng.uniform(1.2, 2.0) - _HEIGHT - rig.imu_from_cam0[0, 3] * np.sin(tilt)),
        tilt=tilt,
    )
