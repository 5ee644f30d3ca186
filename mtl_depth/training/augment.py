"""Augmentation of one clip on the device: flip, zoom, colours and exposure, as pure functions of a key.

The caller vmaps over the samples of a batch. Images are [... h w 3], RGB in [0, 1].
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Shaped

from mtl_depth.geometry.camera import flip_intrinsics, resize_intrinsics
from mtl_depth.geometry.rigid import Array

_LUMA = (0.2989, 0.587, 0.114)  # ITU-R 601, the weights of torchvision's grayscale
_SPREAD, _HUE_SPREAD = 0.2, 0.1
_SHAPE_SPREAD = 1.15  # of a random window's two zooms


class Augmented(NamedTuple):
    """A clip after augmentation: `clean` is for the photometric loss, `jittered` for the networks."""

    clean: Array
    jittered: Array
    intrinsics: Array
    source_from_target: Array | None
    labels: dict[str, Array]


def augment(
    key: Array,
    clip: Float[Array, "t h w 3"],
    intrinsics: Float[Array, "3 3"],
    source_from_target: Float[Array, "s 4 4"] | None,
    labels: Mapping[str, Shaped[Array, "h w *_"]],
    *,
    flip_probability: float | int = 0.5,
    jitter_probability: float | int = 0.5,
    zoom: float | int = 1.0,
    exposure: float | int = 0.0,
) -> Augmented:
    """Mirrors a clip with its labels and motion, and changes the colours of all frames alike, each at random.

    With `zoom` above 1 every clip is cropped to a random window and enlarged by up to that factor, with its intrinsics
    adjusted. With `exposure` above 0 the networks' input is up to that many stops brighter or darker, with another
    contrast.
    """
    flip_key, jitter_key, colour_key = jax.random.split(key, 3)
    flip = jax.random.bernoulli(flip_key, float(flip_probability))
    jitter = jax.random.bernoulli(jitter_key, float(jitter_probability))
    clean = jnp.where(flip, clip[:, :, ::-1], clip)
    if source_from_target is not None:
        source_from_target = jnp.where(flip, mirror_motion(source_from_target), source_from_target)
    intrinsics = jnp.where(flip, flip_intrinsics(intrinsics, width=clip.shape[2]), intrinsics)
    labels = {name: jnp.where(flip, values[:, ::-1], values) for name, values in labels.items()}
    if zoom > 1:
        window = random_window(jax.random.fold_in(key, 1), zoom=zoom)
        clean, intrinsics = crop_images(clean, window), crop_intrinsics(intrinsics, window, size=clip.shape[1:3])
        labels = {name: crop_labels(values, window) for name, values in labels.items()}
    jittered = jnp.where(jitter, jitter_colours(colour_key, clean), clean)
    if exposure > 0:
        jittered = change_exposure(jax.random.fold_in(key, 2), jittered, stops=exposure)
    return Augmented(clean, jittered, intrinsics, source_from_target, labels)


class Window(NamedTuple):
    """A part of a picture that is enlarged to the size of the picture; pairs are (vertical, horizontal).

    Attributes:
        zoom: factor of the enlargement, 1 or more.
        start: first row and column, as shares of the height and the width.
    """

    zoom: Array
    start: Array


def random_window(key: Array, *, zoom: float | int) -> Window:
    """A random window, enlarged by 1 to `zoom`, with factors of the two sides that differ by up to 15 %."""
    zoom_key, place_key, shape_key = jax.random.split(key, 3)
    both = jnp.exp(jax.random.uniform(zoom_key, (), maxval=math.log(zoom)))
    ratio = jnp.exp(jax.random.uniform(shape_key, (), minval=-1, maxval=1) * math.log(_SHAPE_SPREAD) / 2)
    factors = jnp.maximum(both * jnp.stack([ratio, 1 / ratio]), 1)
    return Window(factors, jax.random.uniform(place_key, (2,)) * (1 - 1 / factors))


def crop_images(images: Float[Array, "t h w c"], window: Window) -> Float[Array, "t h w c"]:
    """The content of the window at the size of the images, interpolated bilinearly between pixel centres."""
    size = jnp.array(images.shape[1:3])
    return jax.image.scale_and_translate(
        images, images.shape, (1, 2), window.zoom, -window.start * size * window.zoom, method="linear", antialias=False
    )


def crop_intrinsics(intrinsics: Float[Array, "3 3"], window: Window, *, size: tuple[int, int]) -> Float[Array, "3 3"]:
    """The principal point moves by the window's first column and row, then the window is enlarged."""
    start = (window.start * jnp.array(size))[::-1]
    return resize_intrinsics(intrinsics.at[:2, 2].add(-start), ratio=tuple(window.zoom[::-1]))


def crop_labels(labels: Shaped[Array, "h w *c"], window: Window) -> Shaped[Array, "h w *c"]:
    """The content of the window at the size of the map; every pixel takes the value at its centre."""
    rows, columns = (
        jnp.floor(start * side + (jnp.arange(side) + 0.5) / zoom).astype(jnp.int32)
        for side, start, zoom in zip(labels.shape[:2], window.start, window.zoom)
    )
    return labels[jnp.minimum(rows, labels.shape[0] - 1)][:, jnp.minimum(columns, labels.shape[1] - 1)]


def change_exposure(key: Array, images: Float[Array, "*b h w 3"], *, stops: float | int) -> Float[Array, "*b h w 3"]:
    """clip(2^a x)^(2^b) with a up to +-`stops` and b up to +-`stops` / 2, the same for all images."""
    gain, gamma = jnp.exp2(jax.random.uniform(key, (2,), minval=-1, maxval=1) * jnp.array([stops, stops / 2]))
    images = jnp.clip(gain * images, 0, 1)
    return jnp.where(images > 0, jnp.where(images > 0, images, 1) ** gamma, 0)


def mirror_motion(b_from_a: Float[Array, "*b 4 4"]) -> Float[Array, "*b 4 4"]:
    """Returns M T M with M = diag(-1, 1, 1, 1), the motion of mirrored pictures."""
    sign = jnp.array([-1, 1, 1, 1], b_from_a.dtype)
    return sign[:, None] * b_from_a * sign


def jitter_colours(key: Array, images: Float[Array, "*b h w 3"]) -> Float[Array, "*b h w 3"]:
    """Changes brightness, contrast, saturation (factors 0.8 to 1.2) and hue (+-0.1 turns), in this order."""
    limits = jnp.array([_SPREAD, _SPREAD, _SPREAD, _HUE_SPREAD])
    brightness, contrast, saturation, hue = jax.random.uniform(key, (4,), minval=-1, maxval=1) * limits
    images = adjust_brightness(images, 1 + brightness)
    images = adjust_contrast(images, 1 + contrast)
    images = adjust_saturation(images, 1 + saturation)
    return adjust_hue(images, hue)


def adjust_brightness(
    images: Float[Array, "*b h w 3"], factor: Float[Array, ""] | float | int
) -> Float[Array, "*b h w 3"]:
    """Returns factor * image, clipped to [0, 1]."""
    return jnp.clip(factor * images, 0, 1)


def adjust_contrast(
    images: Float[Array, "*b h w 3"], factor: Float[Array, ""] | float | int
) -> Float[Array, "*b h w 3"]:
    """Blends every image with the mean of its grey version: factor 0 is flat, 1 the image itself."""
    return _blend(images, jnp.mean(_grey(images), axis=(-3, -2), keepdims=True), factor)


def adjust_saturation(
    images: Float[Array, "*b h w 3"], factor: Float[Array, ""] | float | int
) -> Float[Array, "*b h w 3"]:
    """Blends every image with its grey version: factor 0 is grey, 1 the image itself."""
    return _blend(images, _grey(images), factor)


def adjust_hue(images: Float[Array, "*b h w 3"], turn: Float[Array, ""] | float | int) -> Float[Array, "*b h w 3"]:
    """Turns the hue by `turn`, a fraction of the full circle; value and saturation stay.

    Hue h in sixths of a turn is where a colour stands between its channels, and back again
    channel(n) = v - c max(0, min(k, 4 - k, 1)) with k = (n + h) mod 6 and n = 5, 3, 1 for red, green, blue,
    where v is the largest channel and c = v - the smallest.
    """
    red, green, blue = images[..., 0], images[..., 1], images[..., 2]
    value = jnp.maximum(jnp.maximum(red, green), blue)
    chroma = value - jnp.minimum(jnp.minimum(red, green), blue)
    divisor = jnp.where(chroma == 0, 1, chroma)
    sixths = jnp.where(
        value == red,
        (green - blue) / divisor,
        jnp.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    sixths = sixths + 6 * turn
    channels = []
    for offset in (5, 3, 1):
        k = jnp.mod(offset + sixths, 6)
        channels.append(value - chroma * jnp.clip(jnp.minimum(k, 4 - k), 0, 1))
    return jnp.clip(jnp.stack(channels, axis=-1), 0, 1)


def _grey(images: Float[Array, "*b h w 3"]) -> Float[Array, "*b h w 1"]:
    red, green, blue = (weight * images[..., i : i + 1] for i, weight in enumerate(_LUMA))
    return red + green + blue


def _blend(images: Array, other: Array, factor: Float[Array, ""] | float | int) -> Array:
    return jnp.clip(factor * images + (1 - factor) * other, 0, 1)
