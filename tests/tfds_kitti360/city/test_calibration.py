"""The calibration files are the real ones, and scale by the rule of half-pixel centres."""

import numpy as np

from tfds_kitti360 import layout
from tfds_kitti360.city import calibration, writer


def _load(root, size):
    writer.write_calibration(root, calibration.make_rig(size))
    return layout.Calibration.load(root)


def test_files_read_back_as_the_rig(tmp_path):
    rig, read = calibration.make_rig((188, 704)), _load(tmp_path, (188, 704))
    assert read.size == (188, 704)
    np.testing.assert_allclose(read.projection[0][:, :3], rig.intrinsics, atol=1e-9)
    assert abs(read.baseline - rig.baseline) < 1e-9
    np.testing.assert_allclose(read.cam_to_pose @ np.linalg.inv(read.rectification[0]), rig.imu_from_cam0, atol=1e-9)
    np.testing.assert_allclose(read.rectification[0] @ np.linalg.inv(read.cam_to_velo), rig.cam0_from_velo, atol=1e-9)


def test_half_size_moves_the_centre_by_half_pixels():
    full, half = calibration.make_rig((376, 1408)).intrinsics, calibration.make_rig((188, 704)).intrinsics
    assert half[0, 2] == (full[0, 2] + 0.5) / 2 - 0.5 and half[0, 0] == full[0, 0] / 2


def test_full_size_equals_the_real_files(tmp_path, excerpt):
    ours, real = _load(tmp_path, calibration.FULL_SIZE), layout.Calibration.load(excerpt)
    for name in ("projection", "rectification", "cam_to_pose", "cam_to_velo"):
        np.testing.assert_allclose(getattr(ours, name), getattr(real, name), atol=1e-8, err_msg=name)
