"""Depth to points: hand values, the plane stays a plane, edges and far points go, PLY is read back."""

import numpy as np
import plyfile

from mtl_depth.media import point_cloud

INTRINSICS = np.array([[10.0, 0, 2], [0, 5, 1], [0, 0, 1]])
COLOURS = np.random.default_rng(0).integers(0, 256, (3, 5, 3), np.uint8)


def test_points_by_hand():
    depth = np.full((3, 5), 4.0)
    cloud = point_cloud.from_depth(depth, COLOURS, INTRINSICS)
    assert cloud.points.shape == (15, 3) and cloud.points.dtype == np.float32
    # pixel (x 4, y 0): (4 - 2) / 10 * 4 = 0.8 to the right, (0 - 1) / 5 * 4 = -0.8, above
    np.testing.assert_allclose(cloud.points[4], [0.8, -0.8, 4], rtol=1e-6)
    np.testing.assert_array_equal(cloud.colors[4], COLOURS[0, 4])


def test_what_is_unknown_far_or_on_an_edge_is_left_out():
    depth = np.full((3, 5), 4.0)
    depth[:, 3:] = 8.0
    kept = point_cloud.from_depth(depth, COLOURS, INTRINSICS)
    np.testing.assert_array_equal(np.unique(kept.points[:, 2]), [4, 8])
    assert len(kept.points) == 9  # the columns on both sides of the step are gone
    near = point_cloud.from_depth(depth, COLOURS, INTRINSICS, farthest=5.0)
    assert len(near.points) == 6
    depth[0, 0], depth[0, 1], depth[1, 0] = 0, 0, np.inf
    assert np.isfinite(point_cloud.from_depth(depth, COLOURS, INTRINSICS).points).all()


def test_a_slanted_plane_stays_one():
    v = np.arange(40)[:, None] + np.zeros((1, 60))
    intrinsics = np.array([[50.0, 0, 30], [0, 50, 10], [0, 0, 1]])
    depth = 1.5 / np.maximum((v - 10) / 50, 0.04)  # a road 1.5 m below the camera
    road = v > 14
    cloud = point_cloud.from_depth(np.where(road, depth, 0), np.zeros((40, 60, 3), np.uint8), intrinsics)
    assert len(cloud.points) > 300
    np.testing.assert_allclose(cloud.points[:, 1], 1.5, rtol=1e-5)


def test_no_more_points_than_asked_for():
    depth, image = np.full((100, 333), 5.0), np.zeros((100, 333, 3), np.uint8)
    for most in (10, 1000, 12345, 40000):
        count = len(point_cloud.from_depth(depth, image, INTRINSICS, most=most).points)
        assert most / 6 < count <= most


def test_ply_is_binary_and_read_back(tmp_path):
    cloud = point_cloud.from_depth(np.full((3, 5), 4.0), COLOURS, INTRINSICS)
    point_cloud.write_ply(tmp_path / "a.ply", cloud, comment="metres")
    read = plyfile.PlyData.read(tmp_path / "a.ply")
    assert not read.text and read.comments == ["metres"]
    vertices = read["vertex"]
    np.testing.assert_array_equal(np.stack([vertices[name] for name in "xyz"], axis=-1), cloud.points)
    colours = np.stack([vertices[name] for name in ("red", "green", "blue")], axis=-1)
    np.testing.assert_array_equal(colours, cloud.colors)
