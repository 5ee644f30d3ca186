"""The motion of the recording car: speed, stops, and the pose of its GPS/IMU unit at any time."""

from typing import NamedTuple

import numpy as np

from tfds_kitti360.city import street as streets

IMU_HEIGHT = 0.90  # metres above the road; puts the camera at about 1.55 m
ROW_DISTANCE = 0.2  # metres: a frame closer than this to the last row of poses.txt has none
_TICKS = 20  # samples of the speed a frame


class Ego(NamedTuple):
    """Arc length driven at each tick (20 a frame), from 3 frames before the first."""

    distance: np.ndarray
    wobble: float
    street: streets.Street
    raised: float = 0.0  # metres that the unit sits higher
    tilt: float = 0.0  # radians that it looks further up


def driven(rng: np.random.Generator, frames: int, *, stops: bool = True) -> np.ndarray:
    """Arc length at each tick: 0.3 to 1.5 m a frame.

    Where it `stops`, it does so for five frames every 90 to 150, in a drive of 40 frames or more.
    """
    time = (np.arange((frames + 6) * _TICKS) / _TICKS) - 3.0
    speed = 0.95 + 0.35 * np.sin(time * 0.11 + rng.uniform(0, 6)) + 0.2 * np.sin(time * 0.031 + rng.uniform(0, 6))
    speed = np.clip(speed, 0.3, 1.5)
    stop = (
        frames if frames < 40 or not stops else frames * rng.uniform(0.45, 0.7) if frames < 100 else rng.uniform(40, 70)
    )
    while stop < frames:
        slow = np.clip(
            (np.abs(time - stop) - 2.5) / 9.0, 0.0, 1.0
        )  # still for five frames, nine to brake, nine to leave
        speed = speed * slow * slow * (3.0 - 2.0 * slow)
        stop += rng.uniform(90, 150)
    return np.concatenate([[0.0], np.cumsum(speed[:-1]) / _TICKS])


def imu_pose(ego: Ego, time) -> np.ndarray:
    """GPS/IMU to the drive's local coordinates at times in frames (may be fractional): [..., 4, 4] float64."""
    time = np.asarray(time, np.float64)
    s = np.interp((time + 3.0) * _TICKS, np.arange(len(ego.distance)), ego.distance)
    road = streets.profile(s, ego.street.widths)[0]
    wave = 0.07 * s + ego.wobble
    lateral = -0.5 * road + 0.18 * np.sin(wave)
    x, y, heading = streets.place(ego.street, s, lateral)
    yaw = heading + np.arctan(0.18 * 0.07 * np.cos(wave))
    pitch, roll = ego.tilt + 0.004 * np.sin(0.9 * s + ego.wobble), 0.005 * np.sin(0.57 * s)
    height = IMU_HEIGHT + ego.raised + 0.012 * np.sin(0.7 * s)
    forward = np.stack([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)], -1)
    level_right = np.stack([np.sin(yaw), -np.cos(yaw), np.zeros_like(yaw)], -1)
    level_down = np.cross(forward, level_right)
    right = np.cos(roll)[..., None] * level_right + np.sin(roll)[..., None] * level_down
    pose = np.zeros((*time.shape, 4, 4))
    pose[..., :3, 0], pose[..., :3, 1], pose[..., :3, 2] = forward, right, np.cross(forward, right)
    pose[..., :3, 3] = np.stack([x, y, height], -1)
    pose[..., 3, 3] = 1.0
    return pose


def rows_with_pose(positions: np.ndarray) -> list[int]:
    """Indices of the frames that get a row in poses.txt: those 0.2 m or more from the row before."""
    rows = [0]
    for index in range(1, len(positions)):
        if np.linalg.norm(positions[index] - positions[rows[-1]]) >= ROW_DISTANCE:
            rows.append(index)
    return rows
