"""Procedural patterns filtered by the footprint of the pixel, so that nothing shimmers: noise, joints, windows."""

import jax.numpy as jnp

from tfds_kitti360.city.compiled import jit

CELLS = (2.3, 0.8, 0.28, 0.1, 0.035)  # metres: cell sizes of the noise octaves
_STRENGTHS = (0.5, 0.55, 0.5, 0.45, 0.4)


def fade(cell, footprint):
    """1 where the footprint is far below the cell, 0 from 0.7 cells on: an octave goes before it can alias."""
    ratio = jnp.clip((cell / footprint - 1.4) / 2.0, 0.0, 1.0)
    return ratio * ratio * (3.0 - 2.0 * ratio)


def value_noise(u, v, seed):
    """Smooth noise in -1..1 with one random value a unit cell."""
    iu, iv = jnp.floor(u), jnp.floor(v)
    fu, fv = u - iu, v - iv
    fu, fv = fu * fu * (3.0 - 2.0 * fu), fv * fv * (3.0 - 2.0 * fv)
    column = iu.astype(jnp.int32).astype(jnp.uint32) * jnp.uint32(0x9E3779B1)
    row = iv.astype(jnp.int32).astype(jnp.uint32) * jnp.uint32(0x85EBCA77) + seed
    next_column, next_row = column + jnp.uint32(0x9E3779B1), row + jnp.uint32(0x85EBCA77)
    low = _mixed(column, row) * (1.0 - fu) + _mixed(next_column, row) * fu
    high = _mixed(column, next_row) * (1.0 - fu) + _mixed(next_column, next_row) * fu
    return low * (1.0 - fv) + high * fv


@jit
def fractal(u, v, footprint_u, footprint_v, scale, seed):
    """Sum of the octaves that the footprints leave, in about -1..1. Lengths in metres, `scale` stretches the cells."""
    total = 0.0
    for octave, (cell, strength) in enumerate(zip(CELLS, _STRENGTHS)):
        size = cell * scale
        weight = strength * fade(size, footprint_u) * fade(size, footprint_v)
        total = total + weight * value_noise(u / size, v / size, seed + jnp.uint32(octave * 977))
    return total


def pulse(x, footprint, period, start, width):
    """Share of the footprint around x in [start, start + width] of each period: an exactly filtered stripe."""
    footprint = jnp.maximum(footprint, 1e-4)

    def integral(y):
        whole = jnp.floor(y / period)
        return whole * width + jnp.clip(y - whole * period, 0.0, width)

    low = x - start - 0.5 * footprint
    return jnp.clip((integral(low + footprint) - integral(low)) / footprint, 0.0, 1.0)


def step(x, footprint):
    """Filtered step: share of the footprint around x that is positive."""
    return jnp.clip(x / jnp.maximum(footprint, 1e-4) + 0.5, 0.0, 1.0)


def mix(a, b, share):
    return tuple(p + (q - p) * share for p, q in zip(a, b))


def _mixed(a, b):
    h = a ^ b
    h = (h ^ (h >> 15)) * jnp.uint32(0x2C1B3C6D)
    h = (h ^ (h >> 12)) * jnp.uint32(0x297A2D39)
    return (h >> 8).astype(jnp.int32).astype(jnp.float32) * (2.0 / (1 << 24)) - 1.0
