"""From linear light to the eight bits of a camera: softness, glare, vignette, exposure, noise and the tone curve."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from tfds_kitti360.city.compiled import jit
from tfds_kitti360.city.light import Color, Light


class Response(NamedTuple):
    """The response of one camera, from light to pixel values."""

    exposure: float  # factor of linear light; 1 is white
    automatic: float  # 0: the exposure is fixed; 1: it makes all pictures equally bright, within bounds
    cast: Color  # factor of each channel
    gamma: float
    shoulder: float  # 0: highlights are cut off at white; 1: they approach it
    black: float  # the darkest value, 0..1
    saturation: float
    vignette: float  # light lost in the corners
    glare: float  # share of the mean light that the lens spreads over the picture
    noise: tuple[float, float]  # standard deviation: constant, and at white (grows with the root of the light)
    softness: float  # weight of the neighbours of each pixel; below 0 the picture is sharpened


def draw_response(rng: np.random.Generator, light: Light, height: float) -> Response:
    """A camera exposed for a street under `light`, more or less well; `height` is the sun's, in radians."""
    lit = 0.2 * (np.mean(light.sun) * np.sin(height) + np.mean(light.ambient))  # of a surface of albedo 0.2
    return Response(
        exposure=float(np.exp(rng.uniform(np.log(0.18), np.log(0.65))) / lit),
        automatic=float(rng.uniform(0.3, 0.8)),
        cast=tuple(float(v) for v in np.exp(rng.uniform(-0.1, 0.1, 3))),
        gamma=float(1.0 + 1.2 * rng.uniform() ** 1.8),
        shoulder=float(rng.choice([0.0, rng.uniform(0.0, 1.0)])),
        black=float(rng.uniform(0.0, 0.035)),
        saturation=float(rng.uniform(0.8, 1.6)),
        vignette=float(rng.uniform(0.0, 0.5)),
        glare=float(rng.choice([0.0, rng.uniform(0.0, 0.04)])),
        noise=(float(rng.uniform(0.0, 0.008)), float(rng.uniform(0.0, 0.025))),
        softness=float(rng.uniform(-0.13, 0.15)),
    )


def develop(color, response: Response, rng: np.random.Generator) -> np.ndarray:
    """uint8 picture [h, w, 3] of linear light [h, w, 3]; `rng` draws the noise."""
    noise = rng.standard_normal(color.shape, dtype=np.float32)
    return np.asarray(_develop(color, Response(*(np.float32(v) for v in response)), noise))


@jit
def _develop(color, response: Response, noise):
    height, width, _ = color.shape
    for axis in (0, 1):
        around = jnp.pad(color, [(1, 1) if a == axis else (0, 0) for a in range(3)], mode="edge")
        before, after = (jnp.take(around, jnp.arange(color.shape[axis]) + i, axis) for i in (0, 2))
        color = (color + response.softness * (before + after)) / (1.0 + 2.0 * response.softness)
    color = color + response.glare * jnp.minimum(color, 8.0).mean((0, 1))
    y, x = jnp.linspace(-1.0, 1.0, height)[:, None, None], jnp.linspace(-1.0, 1.0, width)[None, :, None]
    falloff = 1.0 - response.vignette * (x * x + y * y) / 2.0
    level = jnp.minimum(response.exposure * color, 1.5).mean()
    exposure = response.exposure * jnp.clip(0.35 / level, 0.3, 4.0) ** response.automatic
    light = exposure * response.cast * falloff * jnp.maximum(color, 0.0)
    constant, at_white = response.noise
    light = light + noise * jnp.sqrt(constant**2 + at_white**2 * jnp.minimum(light, 1.0))
    light = jnp.maximum(light, 0.0)
    shown = jnp.minimum(light, 1.0)
    shown = shown + response.shoulder * (1.0 - jnp.exp(-1.25 * light) - shown)
    shown = shown ** (1.0 / response.gamma)
    grey = shown @ jnp.array((0.299, 0.587, 0.114))
    shown = grey[..., None] + response.saturation * (shown - grey[..., None])
    shown = response.black + (1.0 - response.black) * jnp.clip(shown, 0.0, 1.0)
    return (255.0 * shown + 0.5).astype(jnp.uint8)
