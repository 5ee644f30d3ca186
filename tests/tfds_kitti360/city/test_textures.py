"""Patterns are filtered: stripes keep their mean over any footprint, noise fades before it can alias."""

import jax.numpy as jnp
import numpy as np

from tfds_kitti360.city import textures


def test_a_stripe_is_the_exact_mean_over_the_footprint():
    x = np.linspace(-3.0, 3.0, 101)
    for footprint in (0.01, 0.3, 1.7):
        fine = x[:, None] + footprint * (np.arange(4000) / 4000 + 1 / 8000 - 0.5)
        expected = (np.mod(fine - 0.2, 0.9) < 0.25).mean(1)
        found = textures.pulse(jnp.float32(x), jnp.float32(footprint), 0.9, 0.2, 0.25)
        np.testing.assert_allclose(found, expected, atol=2e-3)


def test_noise_is_smooth_bounded_and_the_same_everywhere_it_is_asked():
    u = jnp.linspace(-40.0, 40.0, 5001)
    seed = jnp.uint32(3)
    values = np.asarray(textures.value_noise(u, 0.3 * u, seed))
    assert np.abs(values).max() <= 1.0 and values.std() > 0.2
    assert np.abs(np.diff(values)).max() < 0.1  # cells of 1, steps of 0.016
    np.testing.assert_array_equal(values[100:200], np.asarray(textures.value_noise(u[100:200], 0.3 * u[100:200], seed)))


def test_noise_is_gone_once_the_footprint_is_as_large_as_the_largest_cell():
    u = jnp.linspace(0.0, 50.0, 200)
    far = textures.fractal(u, u, jnp.full(200, 3.0), jnp.full(200, 3.0), 1.0, jnp.uint32(1))
    near = textures.fractal(u, u, jnp.full(200, 0.005), jnp.full(200, 0.005), 1.0, jnp.uint32(1))
    assert np.all(np.asarray(far) == 0.0) and np.std(near) > 0.15
