"""Scans to depth images: against a four-line loop, hand geometry, and the photographs of the excerpt."""

import cv2
import numpy as np
import pytest
from kitti360_tree import AXES, CX, CY, FOCAL, SIZE, matrix, scan
from scipy.spatial.transform import Rotation

from tfds_kitti360.errors import DatasetError
from tfds_kitti360.layout import Calibration, Layout, cam0_to_world
from tfds_kitti360.velodyne import depth_image, read_scan, undo_motion

PROJECTION = np.array([[FOCAL, 0, CX, 0], [0, FOCAL, CY, 0], [0, 0, 1, 0]])
CAMERA_FROM_VELO = matrix(AXES.T, [0.1, -0.2, -0.3])


def depth(points, velo_from_previous=None, camera_from_velo=CAMERA_FROM_VELO, projection=PROJECTION, size=SIZE):
    return depth_image(
        np.asarray(points, np.float32),
        velo_from_previous=velo_from_previous,
        camera_from_velo=camera_from_velo,
        projection=projection,
        size=size,
    )


def loop(points, velo_from_previous, size=SIZE):
    """The recipe of tfds_kitti360/velodyne.py, a point at a time."""
    image = np.full(size, np.inf)
    for p in points[:, :3].astype(np.float64):
        if velo_from_previous is not None:
            s = np.arctan2(p[1], p[0]) / (2 * np.pi)
            v = Rotation.from_matrix(velo_from_previous[:3, :3]).as_rotvec()
            p = Rotation.from_rotvec(s * v).as_matrix() @ p + s * velo_from_previous[:3, 3]
        x, y, z = PROJECTION @ CAMERA_FROM_VELO @ np.append(p, 1)
        if z > 0:
            column, row = int(np.floor(x / z + 0.5)), int(np.floor(y / z + 0.5))
            if 0 <= row < size[0] and 0 <= column < size[1]:
                image[row, column] = min(image[row, column], z)
    return np.where(np.isinf(image), 0, image)


MOTIONS = {
    "none": None,
    "still": np.eye(4),
    "drive": matrix(np.eye(3), [-1.2, 0.05, 0.01]),
    "turn": matrix(Rotation.from_rotvec([0.01, -0.02, 0.1]).as_matrix(), [-1.2, 0.05, 0.01]),
    "wild": matrix(Rotation.from_rotvec([0.5, -1.0, 2.0]).as_matrix(), [-5, 8, 1]),
}


@pytest.mark.parametrize("motion", MOTIONS.values(), ids=MOTIONS.keys())
def test_equals_the_loop(motion):
    points = np.concatenate([scan(frame) for frame in range(5)])
    image = depth(points, motion)
    assert image.dtype == np.float32 and image.shape == SIZE and (image > 0).sum() > 50
    np.testing.assert_allclose(image, loop(points, motion), rtol=1e-6)


def test_the_nearest_return_wins_in_any_order():
    # identity camera: x right, y down, z forward; all three fall on the principal point
    points = [[0, 0, 7, 0], [0, 0, 3, 0], [0, 0, 5, 0], [0, 0, -1, 0]]
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
        image = depth([points[i] for i in order], camera_from_velo=np.eye(4))
        assert image[24, 58] == 3 and (image > 0).sum() == 1


@pytest.mark.parametrize(
    ("u", "v", "pixel"),
    [
        (10.49, 7.49, (7, 10)),
        (10.5, 7.5, (8, 11)),  # floor(u + 0.5): a half goes up, not to the even number
        (11.5, 6.5, (7, 12)),
        (-0.5, -0.5, (0, 0)),
        (-0.51, 5, None),
        (119.49, 39.49, (39, 119)),
        (119.5, 5, None),
        (5, 39.5, None),
    ],
)
def test_pixels_are_floor_of_u_plus_a_half(u, v, pixel):
    projection = np.array([[64, 0, 0, 0], [0, 64, 0, 0], [0, 0, 1, 0.0]])  # exact in binary
    image = depth([[u / 64 * 2, v / 64 * 2, 2, 0]], camera_from_velo=np.eye(4), projection=projection)
    assert [tuple(index) for index in np.argwhere(image)] == ([] if pixel is None else [pixel])


def test_points_that_are_not_finite_and_empty_scans_give_nothing():
    assert not depth(np.zeros((0, 4))).any()
    assert not depth([[np.nan, 1, 1, 0], [np.inf, 0, 0, 0], [-np.inf, 0, 0, 0]], MOTIONS["turn"]).any()
    assert not depth([[3e38, 3e38, 1e-40, 0], [-3e38, 0, 1e-40, 0]], camera_from_velo=np.eye(4)).any()


def test_motion_correction_by_hand():
    # Driving forward: the scanner's frame moved by +2 m in x, so points of the frame before lie 2 m further back.
    back = matrix(np.eye(3), [-2, 0, 0])
    # ahead a = 0: measured at the frame's time; left a = pi/2: a quarter period before; right: a quarter after
    points = np.array([[10.0, 0, 0], [0, 10, 0], [0, -10, 0]])
    np.testing.assert_allclose(undo_motion(points, back), [[10, 0, 0], [-0.5, 10, 0], [0.5, -10, 0]], atol=1e-12)
    # Turning left by 0.4 rad: what the frame before saw lies 0.4 rad further right; a quarter of it at a = pi/2.
    right = matrix(Rotation.from_rotvec([0, 0, -0.4]).as_matrix(), [0, 0, 0])
    expected = [[10, 0, 0], [10 * np.sin(0.1), 10 * np.cos(0.1), 0], [10 * np.sin(0.1), -10 * np.cos(0.1), 0]]
    np.testing.assert_allclose(undo_motion(points, right), expected, atol=1e-12)


def test_scans_are_read_as_written(tmp_path):
    (tmp_path / "1.bin").write_bytes(scan(1).tobytes())
    np.testing.assert_array_equal(read_scan(tmp_path / "1.bin"), scan(1))


@pytest.mark.parametrize("content", [None, b"", b"0" * 15, b"0" * 17, b"0" * 1601])
def test_a_damaged_scan_is_named(tmp_path, content):
    path = tmp_path / "0000000007.bin"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"0000000007\.bin.*--skip_damaged"):
        read_scan(path)


def test_scans_line_up_with_the_photographs_of_the_excerpt(excerpt):
    """Warping the neighbours at scan pixels: about 0.04 mean L1; correction helps, the wrong sign harms."""
    layout, calibration = Layout(excerpt), Calibration.load(excerpt)
    world, velo_from_camera = cam0_to_world(layout, 8, calibration), calibration.velo_from_camera
    intrinsics = calibration.projection[0, :, :3]

    def photograph(frame):
        return cv2.imread(str(layout.images(8) / f"{frame:010d}.png")).astype(np.float32) / 255

    errors = {"none": [], "right": [], "wrong": []}
    for frame in (3024, 3031, 3037):
        points = read_scan(layout.scans(8) / f"{frame:010d}.bin")
        motion = velo_from_camera @ np.linalg.inv(world[frame]) @ world[frame - 1] @ np.linalg.inv(velo_from_camera)
        target, sources = photograph(frame), {other: photograph(other) for other in (frame - 1, frame + 1)}
        for name, used in {"none": None, "right": motion, "wrong": np.linalg.inv(motion)}.items():
            camera_from_velo = np.linalg.inv(velo_from_camera)
            image = depth(points, used, camera_from_velo, calibration.projection[0], calibration.size)
            assert 25_500 < (image > 0).sum() < 27_500 and image[image > 0].min() > 2 and image.max() < 80
            rows, columns = np.nonzero(image)
            rays = np.linalg.inv(intrinsics) @ np.stack([columns, rows, np.ones_like(rows)])
            for other, source in sources.items():
                source_from_target = np.linalg.inv(world[other]) @ world[frame]
                moved = source_from_target[:3, :3] @ (rays * image[rows, columns]) + source_from_target[:3, 3:]
                x, y, z = intrinsics @ moved
                u, v = np.float32(x / z), np.float32(y / z)
                seen = (z > 0) & (u >= 0) & (u <= 1407) & (v >= 0) & (v <= 375)
                warped = cv2.remap(source, u[seen][None], v[seen][None], cv2.INTER_LINEAR)[0]
                errors[name].append(np.abs(warped - target[rows, columns][seen]).mean())
    mean = {name: np.mean(values) for name, values in errors.items()}
    assert 0.036 < mean["right"] < mean["none"] < mean["wrong"] < 0.044
