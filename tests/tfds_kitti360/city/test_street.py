"""Streets are smooth, and their raster inverts `place`."""

import numpy as np

from tfds_kitti360.city import ego, street


def _street(seed=0):
    return street.make_street(np.random.default_rng(seed), start=-40.0, end=200.0)


def test_placed_points_have_their_street_coordinates_in_the_raster():
    road = _street()
    s, lateral = np.meshgrid(np.linspace(0.0, 80.0, 40), np.linspace(-8.0, 8.0, 9))
    x, y, heading = street.place(road, s, lateral)
    corner = np.round(np.array(street.place(road, 50.0, 0.0)[:2]) - 128.0)
    grid = street.raster(road, corner, 256)
    u, v = (x - corner[0]) / street.RASTER_STEP, (y - corner[1]) / street.RASTER_STEP
    iu, iv = np.floor(u).astype(int), np.floor(v).astype(int)
    fu, fv = (u - iu)[..., None], (v - iv)[..., None]
    rows = (grid[iv, iu] * (1 - fu) + grid[iv, iu + 1] * fu) * (1 - fv)
    rows = rows + (grid[iv + 1, iu] * (1 - fu) + grid[iv + 1, iu + 1] * fu) * fv
    np.testing.assert_allclose(rows[..., 0], s, atol=0.05)
    np.testing.assert_allclose(rows[..., 1], lateral, atol=0.02)
    np.testing.assert_allclose(rows[..., 2], np.cos(heading), atol=0.02)


def test_bends_are_gentle_enough_to_drive_and_there_are_some():
    for seed in range(5):
        curvature = np.abs(np.gradient(_street(seed).heading, 0.05))
        assert 1 / 60 < curvature.max() < 1 / 20


def test_speed_has_the_announced_range_and_a_stop():
    for seed in range(5):
        distance = ego.driven(np.random.default_rng(seed), 60)
        frames = distance[60:-60:20]
        steps = np.diff(frames)
        assert steps.max() <= 1.5 and np.all(steps >= 0)
        assert 3 <= (steps < 1e-3).sum() <= 6
        assert 15.0 < frames[-1] - frames[0] < 80.0


def test_frames_that_hardly_move_have_no_row():
    positions = np.cumsum([0.0, 1.0, 0.1, 0.05, 0.0, 0.1, 0.5])[:, None] * np.ones(3) / np.sqrt(3)
    assert ego.rows_with_pose(positions) == [0, 1, 5, 6]  # 1.25 - 1.0 is the first step of 0.2 m or more


def test_the_pose_is_rigid_and_the_camera_hangs_where_the_real_one_does():
    from tfds_kitti360.city.calibration import make_rig

    rng = np.random.default_rng(0)
    car = ego.Ego(ego.driven(rng, 60), 1.0, _street())
    poses = ego.imu_pose(car, np.linspace(0.0, 59.0, 200))
    np.testing.assert_allclose(
        np.einsum("nij,nkj->nik", poses[:, :3, :3], poses[:, :3, :3]), np.tile(np.eye(3), (200, 1, 1)), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(poses[:, :3, :3]), 1.0)
    camera = poses @ make_rig((376, 1408)).imu_from_cam0
    assert np.all(np.abs(camera[:, 2, 3] - 1.55) < 0.04)
    pitch = np.degrees(np.arcsin(camera[:, 2, 2]))
    assert np.all(np.abs(pitch + 5.6) < 1.0)  # the real camera looks 5.6 degrees down
