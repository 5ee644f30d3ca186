"""Depth errors by hand, with the arithmetic beside them."""

import numpy as np
import pytest

from mtl_depth.metrics.depth import NAMES, depth_errors, frame_sums, mean_errors, summarise_ratios, trivial_depths


def test_by_hand_without_scaling():
    # errors 1 and -2 on depths 4 and 8: abs_rel (1/4 + 2/8)/2, sq_rel (1/4 + 4/8)/2, rmse sqrt((1 + 4)/2);
    # factors 5/4 (not below 1.25) and 8/6 = 1.333 (below 1.25^2 = 1.5625).
    gt, prediction = np.array([[4.0, 8.0]]), np.array([[5.0, 6.0]])
    errors = depth_errors(gt, prediction, median_scaling=False)
    assert tuple(errors) == NAMES
    expected = [0.25, 0.375, np.sqrt(2.5), np.sqrt((np.log(5 / 4) ** 2 + np.log(8 / 6) ** 2) / 2), 0, 1, 1]
    np.testing.assert_allclose([errors[name] for name in NAMES], expected)


def test_the_median_scales_the_whole_image_before_it_is_clipped():
    # medians 40 and 2: x 20 gives 20, 40, 200, and 200 is clipped to 80 afterwards. Only the last is wrong, by 10.
    gt, prediction = np.array([[20.0, 40.0, 70.0]]), np.array([[1.0, 2.0, 10.0]])
    errors = depth_errors(gt, prediction, median_scaling=True)
    np.testing.assert_allclose(errors["abs_rel"], 10 / 70 / 3)
    np.testing.assert_allclose(errors["rmse"], np.sqrt(100 / 3))
    unscaled = depth_errors(gt, prediction, median_scaling=False)
    np.testing.assert_allclose(unscaled["abs_rel"], (19 / 20 + 38 / 40 + 60 / 70) / 3)


def test_medians_and_errors_look_at_measured_pixels_only():
    gt = np.array([[0.0, 10.0, 80.0, 200.0, 20.0, np.nan]])
    prediction = np.array([[1e9, 1.0, 1e9, 1e9, 2.0, 1e9]])
    errors = depth_errors(gt, prediction, median_scaling=True)
    np.testing.assert_allclose([errors["abs_rel"], errors["delta_1"]], [0, 1], atol=1e-12)
    assert depth_errors(gt, prediction, median_scaling=True, nearest=30, farthest=60) is None


def test_scale_is_what_median_scaling_multiplies_with():
    gt, prediction = np.array([[0.0, 20.0, 40.0, 70.0, 90.0]]), np.array([[9.0, 1.0, 2.0, 10.0, 1.0]])
    scaled = depth_errors(gt, prediction * 20, median_scaling=False)  # medians 40 and 2
    assert scaled == depth_errors(gt, prediction, median_scaling=True)


def test_scale_over_frames_by_its_middle():
    # 0, 1, ... 100: the middle 68 % lie between 16 and 84
    assert summarise_ratios([float(n) for n in range(101)]) == {"median": 50, "spread": 34}
    assert summarise_ratios([]) == {}


def test_the_garg_crop_takes_integer_parts_and_excludes_ends():
    # 10x20: rows int(4.08) to int(9.92), columns int(0.72) to int(19.28): 4..8 and 0..18.
    for row, column, counted in ((4, 0, True), (8, 18, True), (3, 0, False), (9, 5, False), (5, 19, False)):
        gt = np.zeros((10, 20))
        gt[row, column] = 5
        assert (depth_errors(gt, np.ones((10, 20)), median_scaling=False, crop="garg") is not None) == counted


def test_a_perfect_and_a_badly_scaled_prediction():
    gt = np.random.default_rng(0).uniform(1, 70, (6, 8)).astype(np.float32)
    for errors in (
        depth_errors(gt, gt, median_scaling=False),
        depth_errors(gt, gt * np.float32(0.125), median_scaling=True),
    ):
        np.testing.assert_allclose([errors[name] for name in NAMES], [0, 0, 0, 0, 1, 1, 1], atol=1e-12)


def test_mistakes_are_refused():
    with pytest.raises(Exception, match=r"Type-check|resize the prediction"):
        depth_errors(np.ones((2, 3)), np.ones((1, 3)), median_scaling=True)
    with pytest.raises(ValueError, match="garg"):
        depth_errors(np.ones((2, 3)), np.ones((2, 3)), median_scaling=True, crop="eigen")


def test_frames_weigh_alike_and_empty_ones_nothing():
    one = depth_errors(np.full((1, 1), 10.0), np.full((1, 1), 12.0), median_scaling=False)  # abs_rel 0.2
    many = depth_errors(np.full((5, 5), 10.0), np.full((5, 5), 14.0), median_scaling=False)  # abs_rel 0.4
    sums = [frame_sums(errors) for errors in (one, many, None)]
    merged = {name: sum(entry[name] for entry in sums) for name in ("total", "count")}
    np.testing.assert_allclose(mean_errors(merged)["abs_rel"], 0.3)
    assert mean_errors(frame_sums(None)) == {}


def test_trivial_depths_by_hand():
    # The first pixel is seen as 2 and 4, the second as 9, the third never: nearest to the second.
    depths = [np.array([[2.0, 0.0, 0.0]]), np.array([[4.0, 9.0, 300.0]])]
    trivial = trivial_depths(iter(depths))
    np.testing.assert_allclose(trivial["mean_image"], [[3, 9, 9]])
    np.testing.assert_allclose(trivial["constant"], 5)  # (2 + 4 + 9) / 3
    assert trivial_depths([np.zeros((2, 2))]) == {"constant": None, "mean_image": None}


def test_holes_of_the_mean_image_take_the_nearest_pixel():
    generator = np.random.default_rng(1)
    depth = np.where(generator.random((12, 17)) < 0.05, generator.uniform(1, 70, (12, 17)), 0)
    filled = trivial_depths([depth])["mean_image"]
    seen = np.argwhere(depth > 0)
    for position in np.ndindex(depth.shape):
        distances = np.hypot(*(seen - position).T)
        candidates = depth[tuple(seen[distances < distances.min() + 0.3].T)]  # opencv's distances are near-exact
        assert np.isclose(filled[position], candidates).any()
