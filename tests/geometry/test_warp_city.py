"""The crown test: two frames of the city with true depth, pose and intrinsics explain each other, and only so."""

from typing import NamedTuple

import cv2
import jax
import numpy as np
import pytest

from mtl_depth.geometry.camera import backproject, flip_intrinsics, project
from mtl_depth.geometry.rigid import invert
from mtl_depth.geometry.warp import inverse_warp
from tfds_kitti360.layout import Calibration, Layout, drive_name, read_poses

DRIVE, TARGET, SOURCE = 0, 3, 4


class Pair(NamedTuple):
    """Two frames of one drive and what is known of them; `seen` marks standing points visible in both."""

    target: np.ndarray
    source: np.ndarray
    depth: np.ndarray
    source_from_target: np.ndarray
    intrinsics: np.ndarray
    seen: np.ndarray


@pytest.fixture(scope="module")
def pair(city) -> Pair:
    truth = city / "data_truth" / drive_name(DRIVE)
    poses = read_poses(truth / "cam0_to_world.txt")

    def image(frame):
        path = Layout(city).images(DRIVE) / f"{frame:010d}.png"
        return cv2.imread(str(path))[..., ::-1].astype(np.float32) / 255

    depths = [np.load(truth / "depth" / f"{frame:010d}.npy") for frame in (TARGET, SOURCE)]
    moving = [
        cv2.imread(str(truth / "moving" / f"{frame:010d}.png"), cv2.IMREAD_UNCHANGED) > 0 for frame in (TARGET, SOURCE)
    ]
    motion = (np.linalg.inv(poses[SOURCE]) @ poses[TARGET]).astype(np.float32)
    intrinsics = Calibration.load(city).projection[0, :, :3].astype(np.float32)
    depth = np.where(depths[0] > 0, depths[0], 1e3).astype(np.float32)  # the sky: far away
    # A point is visible in the source if the source's own depth there is the point's depth.
    points = np.asarray(backproject(depth, intrinsics)) @ motion[:3, :3].T + motion[:3, 3]
    _, z = project(points, intrinsics)
    found, inside = inverse_warp(
        np.stack([depths[1], *2 * [moving[1].astype(np.float32)]], axis=-1).astype(np.float32),
        depth,
        motion,
        intrinsics,
    )
    seen = np.asarray(inside) & (depths[0] > 0) & ~moving[0] & (np.asarray(found[..., 1]) == 0)
    seen &= np.abs(np.asarray(found[..., 0]) - np.asarray(z)) < 0.02 * np.asarray(z)
    return Pair(image(TARGET), image(SOURCE), depth, motion, intrinsics, seen)


def error(pair: Pair, **changes) -> float:
    """Mean absolute difference of the warped source and the target where both see the same standing point."""
    changed = pair._replace(**changes)
    warped, _ = jax.jit(inverse_warp)(changed.source, changed.depth, changed.source_from_target, changed.intrinsics)
    return float(np.abs(np.asarray(warped) - changed.target)[changed.seen].mean())


def test_true_geometry_explains_the_other_frame(pair):
    assert pair.seen.mean() > 0.4 and pair.source_from_target[2, 3] < -0.2  # it does drive forward
    assert error(pair) < 0.02


def test_inverted_pose_does_not(pair):
    assert error(pair, source_from_target=np.asarray(invert(pair.source_from_target))) > 3 * error(pair)


def test_standing_still_does_not(pair):
    assert error(pair, source_from_target=np.eye(4, dtype=np.float32)) > 2.5 * error(pair)


@pytest.mark.parametrize("shift", [(0.5, 0), (0, 0.5), (-0.5, 0), (0, -0.5)])
def test_image_shifted_by_half_a_pixel_does_not(pair, shift):
    height, width = pair.depth.shape
    matrix = np.float32([[1, 0, shift[0]], [0, 1, shift[1]]])
    moved = cv2.warpAffine(pair.source, matrix, (width, height), flags=cv2.INTER_LANCZOS4)  # sharp: no blur to blame
    assert error(pair, source=moved) > 1.4 * error(pair)


def mirrored(pair: Pair) -> dict[str, np.ndarray]:
    sign = np.array([-1, 1, 1, 1], np.float32)
    flipped = {
        name: np.ascontiguousarray(getattr(pair, name)[:, ::-1]) for name in ("target", "source", "depth", "seen")
    }
    return flipped | {"source_from_target": sign[:, None] * pair.source_from_target * sign}


def test_flip_with_its_intrinsics_is_the_same(pair):
    intrinsics = np.asarray(flip_intrinsics(pair.intrinsics, width=pair.depth.shape[1]))
    np.testing.assert_allclose(error(pair, **mirrored(pair), intrinsics=intrinsics), error(pair), rtol=1e-3)


def test_flip_without_its_intrinsics_does_not(pair):
    assert error(pair, **mirrored(pair)) > 1.5 * error(pair)
