"""The filter keeps what is consistent over time, follows the motion, and lets go of what has changed."""

import fake_run
import numpy as np

from mtl_depth.experiments import flicker
from mtl_depth.prediction import temporal_filter
from mtl_depth.prediction.temporal_filter import LIMIT, WEIGHT, TemporalFilter, blend

STILL = np.eye(4, dtype=np.float32)
MATRIX = np.array([[50, 0, 23.5], [0, 50, 15.5], [0, 0, 1]], np.float32)


def test_agreeing_depth_is_drawn_towards_the_last_frame():
    last, now = np.full((32, 48), 11.0, np.float32), np.full((32, 48), 10.0, np.float32)
    ratio = np.log(1.1)
    expected = 10 * np.exp(WEIGHT * (1 - ratio / LIMIT) * ratio)
    np.testing.assert_allclose(blend(last, now, STILL, MATRIX), expected, rtol=1e-5)


def test_what_has_changed_is_left_alone():
    now = np.full((32, 48), 10.0, np.float32)
    np.testing.assert_array_equal(blend(now * np.float32(np.exp(1.01 * LIMIT)), now, STILL, MATRIX), now)


def test_the_motion_is_followed():
    """A wall that comes nearer by a metre a frame: right depths stay, unless the camera is taken to stand still."""
    forward = STILL.copy()
    forward[2, 3] = 1  # last_from_now: what is now at 19 m was at 20 m
    last, now = np.full((32, 48), 20.0, np.float32), np.full((32, 48), 19.0, np.float32)
    np.testing.assert_allclose(blend(last, now, forward, MATRIX), now, rtol=1e-6)
    assert np.all(np.asarray(blend(last, now, STILL, MATRIX)) > 19.5)


def test_points_behind_the_last_camera_are_left_alone():
    backward = STILL.copy()
    backward[2, 3] = -30
    now = np.full((32, 48), 10.0, np.float32)
    np.testing.assert_array_equal(blend(now, now, backward, MATRIX), now)


def test_the_predicted_motion_is_used_where_there_is_one(monkeypatch):
    used = []

    def blend(last, now, motion, matrix):
        used.append((motion, matrix))
        return now

    monkeypatch.setattr(temporal_filter, "blend", blend)
    perceiver = fake_run.perceiver("depth")
    steady = TemporalFilter(perceiver)
    assert steady.follows and "predicted motion" in steady.described
    generator = np.random.default_rng(0)
    first, second = (generator.integers(0, 256, (128, 192, 3), np.uint8) for _ in range(2))
    depth = np.ones(fake_run.SIZE, np.float32)
    for picture in (first, second):
        np.testing.assert_array_equal(steady(picture, depth, np.diag([100.0, 100.0, 1.0])), depth)
    ((motion, matrix),) = used
    np.testing.assert_allclose(motion, perceiver.motion(second, first)[0], rtol=1e-5)
    assert matrix[0, 0] == 50  # of pictures twice as wide


def test_flicker_and_abs_rel_of_a_wall():
    """True depth twice and 3/2 of it in turn: errors of 100 % and 50 %, and a change of log(4/3) in every frame."""
    depths = np.full((3, 32, 48), 10.0, np.float32)
    street = flicker.Street(np.zeros((3, 32, 48, 3), np.uint8), depths, np.stack([STILL, STILL]), MATRIX)
    predicted = depths * np.array([2, 1.5, 2], np.float32)[:, None, None]
    np.testing.assert_allclose(flicker.flicker(predicted, street), np.log(4 / 3), rtol=1e-4)
    np.testing.assert_allclose(flicker.abs_rel(predicted, depths), ((1 + 0.5 + 1) / 3, 0), atol=1e-6)
    street.depths[1, :, 24:] = 14.0  # another thing stands there, which does not count
    np.testing.assert_allclose(flicker.flicker(predicted, street), np.log(4 / 3), rtol=1e-4)
