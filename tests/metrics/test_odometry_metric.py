"""Odometry errors by hand, and that they see what they should."""

import numpy as np
import pytest
import scipy.spatial.transform

from mtl_depth.metrics.odometry import drift, path, snippet_errors


def motion(*, forward=1.0, yaw=0.0, sideways=0.0):
    """second_from_first of a camera that turns by `yaw` degrees and goes ahead."""
    first_from_second = np.eye(4)
    first_from_second[:3, :3] = scipy.spatial.transform.Rotation.from_euler("y", yaw, degrees=True).as_matrix()
    first_from_second[:3, 3] = (sideways, 0, forward)
    return np.linalg.inv(first_from_second)


def drive(count, **options):
    return np.stack([motion(**options)] * count)


def test_path_by_hand():
    turn = path(np.stack([motion(forward=2, yaw=90), motion(forward=3)]))
    np.testing.assert_allclose(turn[:, :3, 3], [[0, 0, 0], [0, 0, 2], [3, 0, 2]], atol=1e-12)


def test_perfect_up_to_scale_is_perfect():
    true = drive(6, forward=1.2, yaw=3.0)
    errors = snippet_errors(drive(6, forward=0.03, yaw=3.0), true)
    assert errors.shape == (3,)  # seven frames hold three snippets of five
    np.testing.assert_allclose(errors, 0, atol=1e-12)


def test_snippet_error_by_hand():
    # Three frames: true positions 0, 1, 2 ahead; predicted 0, 1, 1 (it stops). s = (1 + 2) / 2 = 1.5:
    # 0.5 and -0.5 off, |.| = sqrt(0.5), over 3 frames.
    errors = snippet_errors(np.stack([motion(), motion(forward=0.0)]), drive(2), frames=3)
    np.testing.assert_allclose(errors, [np.sqrt(0.5) / 3])


def test_standing_still_is_finite():
    np.testing.assert_allclose(snippet_errors(drive(2, forward=0.0), drive(2), frames=3), [np.sqrt(5) / 3])


def test_too_few_frames_have_no_snippet():
    assert snippet_errors(drive(3), drive(3)).shape == (0,)


def test_drift_by_hand():
    pytest.importorskip("evo")
    true = drive(260)
    # 1 % sideways at every step: after 100 m 1 m beside the path, and the scale stays nearly as it is
    found = drift(drive(260, sideways=0.01), true, align_scale=False)
    assert found["lengths"] == [100, 200]
    np.testing.assert_allclose(found["t_rel"], 1.0, rtol=5e-3)
    np.testing.assert_allclose(found["r_rel"], 0.0, atol=1e-4)
    # 0.02 degrees a metre are 2 degrees a hundred metres
    found = drift(drive(260, yaw=0.02), true, align_scale=False)
    np.testing.assert_allclose(found["r_rel"], 2.0, rtol=5e-3)


def test_drift_without_a_scale():
    pytest.importorskip("evo")
    found = drift(drive(150, forward=0.01), drive(150))
    np.testing.assert_allclose(found["t_rel"], 0.0, atol=1e-6)
    assert drift(drive(150, forward=0.01), drive(150), align_scale=False)["t_rel"] > 90
    assert drift(drive(50), drive(50)) == {}
