"""The light of a drive: sun, sky and haze."""

from typing import NamedTuple

import numpy as np

Color = tuple[float, float, float]  # linear (r, g, b)


class Light(NamedTuple):
    """Radiances are relative to each other; the defaults are those of a city without variety."""

    sun: Color = (2.6, 2.4, 2.05)
    ambient: Color = (0.45, 0.52, 0.63)
    horizon: Color = (0.9, 1.05, 1.2)
    zenith: Color = (0.18, 0.46, 1.1)
    haze: float = 700.0  # metres after which the horizon's colour has covered 63 %
    clouds: float = 0.0  # share of the sky
    glow: float = 0.0  # radiance of the sky next to the sun


def draw_light(rng: np.random.Generator, height: float) -> Light:
    """Clear to overcast, hazy or not; `height` is the sun's, in radians: a low sun is dimmer and warmer."""
    overcast = rng.uniform(0.55, 1.0) if rng.random() < 0.18 else rng.uniform(0.0, 0.2)
    low = np.clip((0.7 - height) / 0.5, 0.0, 1.0)
    sun = np.array(Light().sun) * (1.0 - 0.25 * low * np.array((0.2, 0.6, 1.3))) * rng.uniform(0.85, 1.25)
    sky = rng.uniform(0.15, 0.75)  # deep shadows to bright ones
    grey = np.array((1.0, 1.02, 1.06))
    horizon = np.array(Light().horizon) * (1.0 - 0.15 * low * np.array((-0.6, 0.3, 1.4)))
    zenith = np.array(Light().zenith) * rng.uniform(0.7, 1.3) * (1.0, rng.uniform(0.9, 1.15), 1.0)
    pale = rng.uniform(0.0, 0.6)
    zenith = zenith + pale * (horizon - zenith)
    cover = grey * rng.uniform(0.9, 1.4)
    ambient = np.array(Light().ambient) * sky + overcast * grey * rng.uniform(0.5, 0.9)
    return Light(
        sun=_color(sun * (1.0 - overcast) ** 2),
        ambient=_color(ambient),
        horizon=_color(horizon + overcast * (cover - horizon)),
        zenith=_color(zenith + overcast * (0.8 * cover - zenith)),
        haze=float(np.exp(rng.uniform(np.log(400.0), np.log(6000.0)))),
        clouds=float(rng.choice([0.0, rng.uniform(0.2, 0.7)])),
        glow=float(rng.uniform(0.5, 4.0) * (1.0 - overcast)),
    )


def _color(values: np.ndarray) -> Color:
    return tuple(float(v) for v in values)
