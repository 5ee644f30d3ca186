"""The pinhole camera: hand values, and the properties that hold for every camera."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from mtl_depth.geometry.camera import backproject, depth_from_disparity, flip_intrinsics, project, resize_intrinsics

KITTI_360 = np.array([[552.554, 0, 682.049], [0, 552.554, 238.769], [0, 0, 1]])
SKEWED = np.array([[20.0, 1.5, 7.0], [0, 25.0, 3.0], [0, 0, 1]])


def test_disparity_0_is_the_farthest_and_1_the_nearest():
    # s = 0.5: 1 / (1/100 + (1/0.1 - 1/100) / 2) = 1 / 5.005
    depth = depth_from_disparity(jnp.array([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(depth, [100, 1 / 5.005, 0.1], rtol=1e-6)
    np.testing.assert_allclose(
        depth_from_disparity(jnp.array([0.0, 1.0]), nearest=1, farthest=200), [200, 1], rtol=1e-6
    )


def test_ten_metres_lie_near_the_bottom_of_the_metric_range():
    # s = (1/10 - 1/200) / (1/1 - 1/200) = 0.095 / 0.995
    np.testing.assert_allclose(depth_from_disparity(jnp.array(0.095 / 0.995), nearest=1, farthest=200), 10, rtol=1e-6)


def test_saturated_disparity_has_a_finite_gradient():
    gradient = jax.grad(lambda s: depth_from_disparity(s).sum())(jnp.array([0.0, 1.0]))
    np.testing.assert_allclose(gradient, [-9.99 * 100**2, -9.99 * 0.1**2], rtol=1e-5)  # -(1/n - 1/f) depth^2


def test_a_pixel_right_of_the_centre_lies_to_the_right():
    # depth 4, pixel (3, 1), f = 2, c = (1, 1): x = 4 (3 - 1) / 2 = 4, y = 0, z = 4
    intrinsics = jnp.array([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]])
    points = backproject(jnp.full((2, 4), 4.0), intrinsics)
    np.testing.assert_allclose(points[1, 3], [4, 0, 4])
    pixels, z = project(points, intrinsics)
    np.testing.assert_allclose(pixels[1, 3], [3, 1], atol=1e-6)
    np.testing.assert_array_equal(z, 4)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.5, 2.0), st.floats(-50, 50), st.floats(-50, 50), st.floats(-5, 5), st.integers(0, 2**31))
def test_projecting_what_was_backprojected_gives_the_pixel_grid(zoom, cx, cy, skew, seed):
    intrinsics = KITTI_360 * [[zoom], [zoom], [1]] + np.array([[0, skew, cx], [0, 0, cy], [0, 0, 0]])
    depth = np.random.default_rng(seed).uniform(1, 80, (2, 3, 5))
    with jax.enable_x64(True):
        matrices = jnp.broadcast_to(jnp.asarray(intrinsics), (2, 3, 3))
        pixels, z = jax.jit(lambda d, k: project(backproject(d, k), k))(jnp.asarray(depth), matrices)
    np.testing.assert_array_equal(z, depth)
    # The constant 1e-7 beside a depth of 1 moves a pixel 1000 from the origin by at most 1e-4.
    np.testing.assert_allclose(pixels[..., 0], np.broadcast_to(np.arange(5), (2, 3, 5)), atol=1e-3)
    np.testing.assert_allclose(pixels[..., 1], np.broadcast_to(np.arange(3)[:, None], (2, 3, 5)), atol=1e-3)


def test_backprojection_is_the_inverse_of_any_intrinsics():
    depth = np.random.default_rng(0).uniform(1, 9, (4, 6))
    grid = np.stack([*np.meshgrid(np.arange(6), np.arange(4)), np.ones((4, 6))], axis=-1)
    expected = depth[..., None] * (grid @ np.linalg.inv(SKEWED).T)
    with jax.enable_x64(True):
        np.testing.assert_allclose(backproject(jnp.asarray(depth), jnp.asarray(SKEWED)), expected, rtol=1e-13)
        pixels, _ = project(jnp.asarray(expected), jnp.asarray(SKEWED))
        homogeneous = expected @ SKEWED.T
        np.testing.assert_allclose(pixels, homogeneous[..., :2] / (homogeneous[..., 2:] + 1e-7), atol=1e-12)


@pytest.mark.parametrize("z", [-1.0, -1e-7, -np.float32(1e-7), 0.0, 1e-30])
def test_points_beside_or_behind_the_camera_stay_finite(z):
    points = jnp.array([[[0.3, -0.2, z]]], jnp.float32)
    pixels, depth = project(points, jnp.asarray(SKEWED, jnp.float32))
    assert np.isfinite(pixels).all()
    np.testing.assert_array_equal(depth, points[..., 2])
    gradient = jax.jit(jax.grad(lambda p: project(p, jnp.asarray(SKEWED, jnp.float32))[0].sum()))(points)
    assert np.isfinite(gradient).all()


def test_resizing_keeps_pixel_corners_in_place():
    # x' = (x + 0.5) r - 0.5: from 8x4 to 4x1, cx = 3 -> 3.5 * 0.5 - 0.5 = 1.25, cy = 2 -> 2.5 * 0.25 - 0.5 = 0.125
    intrinsics = jnp.array([[10.0, 0, 3], [0, 10, 2], [0, 0, 1]])
    resized = resize_intrinsics(intrinsics, ratio=(0.5, 0.25))
    np.testing.assert_allclose(resized, [[5, 0, 1.25], [0, 2.5, 0.125], [0, 0, 1]], atol=1e-6)
    np.testing.assert_allclose(resize_intrinsics(resized, ratio=(2, 4)), intrinsics, atol=1e-6)


def test_resizing_maps_projected_pixels():
    points = np.random.default_rng(0).uniform(1, 5, (2, 3, 3))
    with jax.enable_x64(True):
        pixels, _ = project(jnp.asarray(points), jnp.asarray(SKEWED))
        smaller, _ = project(jnp.asarray(points), resize_intrinsics(jnp.asarray(SKEWED), ratio=(0.3, 0.7)))
    # The constant 1e-7 under the division weighs a little differently after the shift by half a pixel.
    np.testing.assert_allclose(smaller, (np.asarray(pixels) + 0.5) * np.array([0.3, 0.7]) - 0.5, atol=1e-6)


def test_a_mirrored_camera_sees_mirrored_pixels():
    points = np.random.default_rng(1).uniform(1, 5, (2, 3, 3))
    with jax.enable_x64(True):
        pixels, _ = project(jnp.asarray(points), jnp.asarray(SKEWED))
        mirrored, _ = project(jnp.asarray(points * [-1, 1, 1]), flip_intrinsics(jnp.asarray(SKEWED), width=40))
        twice = flip_intrinsics(flip_intrinsics(jnp.asarray(SKEWED), width=40), width=40)
    np.testing.assert_allclose(mirrored[..., 0], 39 - np.asarray(pixels)[..., 0], atol=1e-5)
    np.testing.assert_array_equal(mirrored[..., 1], pixels[..., 1])
    np.testing.assert_array_equal(twice, SKEWED)


def test_finite_differences_agree():
    generator = np.random.default_rng(3)
    with jax.enable_x64(True):
        depth, points = jnp.asarray(generator.uniform(1, 3, (2, 2))), jnp.asarray(generator.uniform(1, 3, (2, 2, 3)))
        check_grads(jax.jit(backproject), (depth, jnp.asarray(SKEWED)), order=1)
        check_grads(jax.jit(lambda p, k: project(p, k)[0]), (points, jnp.asarray(SKEWED)), order=1)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_nothing_is_computed_in_half_precision(dtype):
    intrinsics = jnp.asarray([[20.0, 0, 7], [0, 24, 3], [0, 0, 1]], dtype)
    points = backproject(jnp.ones((2, 3), dtype), intrinsics)
    pixels, z = project(points.astype(dtype), intrinsics)
    resized = resize_intrinsics(intrinsics, ratio=(0.5, 0.5))
    for value in (points, pixels, z, resized, flip_intrinsics(intrinsics, width=9), depth_from_disparity(points)):
        assert value.dtype == jnp.float32


def test_any_batch_is_welcome():
    generator = np.random.default_rng(4)
    depth = jnp.asarray(generator.uniform(1, 9, (2, 3, 4, 5)), jnp.float32)
    intrinsics = jnp.asarray(SKEWED + generator.uniform(0, 1, (2, 3, 1, 1)) * np.eye(3), jnp.float32)
    points = backproject(depth, intrinsics)
    np.testing.assert_allclose(points[1, 2], backproject(depth[1, 2], intrinsics[1, 2]), rtol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.vmap(backproject))(depth, intrinsics), points, rtol=1e-6)
    np.testing.assert_allclose(
        resize_intrinsics(intrinsics, ratio=(2, 3))[0, 1], resize_intrinsics(intrinsics[0, 1], ratio=(2, 3))
    )


def test_wrong_shapes_raise():
    with pytest.raises(Exception, match="Type-check"):
        backproject(jnp.ones((2, 4, 5)), jnp.eye(3))
    with pytest.raises(Exception, match="Type-check"):
        project(jnp.ones((4, 5, 2)), jnp.eye(3))
    with pytest.raises(Exception, match="Type-check"):
        flip_intrinsics(jnp.eye(4), width=3)
