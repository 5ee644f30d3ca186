"""Depth errors on the device: the reference's numbers, whatever the shapes, gaps and crops."""

import jax.numpy as jnp
import metric_references
import numpy as np
import pytest

from mtl_depth.image import resize_bilinear
from mtl_depth.metrics.depth import NAMES, crop_mask, depth_errors, point_errors
from mtl_depth.metrics.points import bilinear_at, measured_points, scale_ratios


def _depths(seed, frames, size, share=0.1):
    generator = np.random.default_rng(seed)
    depth = np.exp(generator.uniform(-1, 5, (frames, *size))).astype(np.float32)  # 0.4 to 148 m: some too far
    return np.where(generator.random(depth.shape) < share, depth, 0).astype(np.float32)


@pytest.mark.parametrize("crop", [None, "garg"])
@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_equal_to_the_reference(crop, scaled, seed):
    truth = _depths(seed, 5, (37, 90), share=0.01 * 4**seed)
    truth[2] = 0  # nothing measured
    truth[3, 20, 10:12] = 5, 7
    truth[3].ravel()[: 10 * 90] = 0
    guess = np.exp(np.random.default_rng(seed + 9).normal(1, 1, truth.shape)).astype(np.float32)
    points = measured_points(truth, frames=7, crop=crop)  # two frames fill up the batch
    assert points.place.shape[0] == 7 and points.place.shape[1] in (1024, 2048, 4096)
    values = jnp.asarray(
        np.stack([*(g.ravel()[p] for g, p in zip(guess, points.place)), *[np.ones(points.place.shape[1])] * 2])
    )
    depth, values = jnp.asarray(points.depth), values.astype(jnp.float32)
    ratios = scale_ratios(depth, values)
    errors, known = point_errors(depth, values * ratios[:, None] if scaled else values)
    for index in range(7):
        expected = depth_errors(truth[index], guess[index], median_scaling=scaled, crop=crop) if index < 5 else None
        assert bool(known[index]) == (expected is not None)
        if expected is not None:
            valid = (truth[index] > 1e-3) & (truth[index] < 80) & crop_mask(truth[index].shape, crop)
            ratio = np.median(truth[index][valid]) / np.median(guess[index][valid])
            assert float(ratios[index]) == pytest.approx(ratio, rel=1e-5)
            clipped = np.clip(guess[index][valid].astype(float) * (ratio if scaled else 1), 1e-3, 80)
            assert expected == pytest.approx(metric_references.depth_errors(truth[index][valid], clipped), rel=1e-6)
        found = dict(zip(NAMES, np.asarray(errors[index]).tolist()))
        assert found == pytest.approx(expected or dict.fromkeys(NAMES, 0.0), rel=2e-5, abs=1e-6)


@pytest.mark.parametrize("numbers", [[3.0], [3.0, 4.0], [5.0, 1.0, 2.0], [2.0, 2.0, 2.0, 9.0]])
def test_the_median_of_few_and_of_equal_values(numbers):
    truth = jnp.asarray([numbers + [0.0] * 3], jnp.float32)
    ones = jnp.ones_like(truth)
    errors, _ = point_errors(truth, ones * scale_ratios(truth, ones)[:, None])
    expected = depth_errors(np.array([numbers]), np.ones((1, len(numbers))), median_scaling=True)
    np.testing.assert_allclose(errors[0], [expected[name] for name in NAMES], rtol=1e-5)


@pytest.mark.parametrize("old", [(6, 10), (5, 7), (1, 9), (8, 1)])
@pytest.mark.parametrize("new", [(6, 10), (13, 31), (3, 4)])
def test_interpolation_is_that_of_the_whole_map(old, new):
    values = jnp.asarray(np.random.default_rng(0).random((3, *old)), jnp.float32)
    place = jnp.asarray(np.tile(np.random.default_rng(1).permutation(new[0] * new[1]), (3, 1)), jnp.int32)
    whole = resize_bilinear(values, size=new).reshape(3, -1)
    np.testing.assert_allclose(
        bilinear_at(values, place, size=new), np.take_along_axis(np.asarray(whole), np.asarray(place), 1), rtol=1e-5
    )


def test_few_shapes_are_compiled():
    sizes = {measured_points(_depths(0, 2, (64, 128), share=share), frames=2).place.shape for share in (0, 0.05, 0.9)}
    assert sizes == {(2, 1024), (2, 8192)}
