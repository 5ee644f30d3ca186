"""The paths of KITTI-360's files, and parsers of its text files (calibration, poses, lists)."""

import dataclasses
import pathlib
import re
from typing import NamedTuple

import numpy as np

from tfds_kitti360.errors import DatasetError
from tfds_kitti360.files import present
from tfds_kitti360.text import RENEW_CALIBRATION, check_rigid, floats, lines, numbers, read_keyed, rigid, whole

TEST_DRIVES = (8, 18)  # the benchmark's; without labels
_LONGEST_BASELINE = 10.0  # metres: more than any car is wide
_FRAME = re.compile(r"[0-9]{1,10}")
_LISTED = re.compile(
    r"data_2d_(?:raw|test)/2013_05_28_drive_([0-9]{4})_sync/image_0[01]/data_rect/([0-9]{10})\.(?:png|jpg|jpeg)",
    re.ASCII | re.IGNORECASE,
)


def drive_name(drive: int) -> str:
    """The folder name of a drive, `2013_05_28_drive_0008_sync`."""
    return f"2013_05_28_drive_{drive:04d}_sync"


@dataclasses.dataclass(frozen=True)
class Layout:
    """Paths below the root of a KITTI-360 download; nothing is opened or checked."""

    root: pathlib.Path

    @property
    def perspective(self) -> pathlib.Path:
        return self.root / "calibration" / "perspective.txt"

    @property
    def cam_to_pose(self) -> pathlib.Path:
        return self.root / "calibration" / "calib_cam_to_pose.txt"

    @property
    def cam_to_velo(self) -> pathlib.Path:
        return self.root / "calibration" / "calib_cam_to_velo.txt"

    def images(self, drive: int, *, camera: int = 0) -> pathlib.Path:
        return self.root / "data_2d_raw" / drive_name(drive) / f"image_{camera:02d}" / "data_rect"

    def test_images(self, drive: int, *, camera: int = 0) -> pathlib.Path:
        return self.root / "data_2d_test" / drive_name(drive) / f"image_{camera:02d}" / "data_rect"

    def labels(self, drive: int, kind: str, *, camera: int = 0) -> pathlib.Path:
        """Folder of label images; `kind` is semantic, instance or confidence."""
        return self.root / "data_2d_semantics" / "train" / drive_name(drive) / f"image_{camera:02d}" / kind

    def scans(self, drive: int) -> pathlib.Path:
        return self.root / "data_3d_raw" / drive_name(drive) / "velodyne_points" / "data"

    def poses(self, drive: int) -> pathlib.Path:
        return self.root / "data_poses" / drive_name(drive) / "poses.txt"

    def cam0_to_world(self, drive: int) -> pathlib.Path:
        return self.root / "data_poses" / drive_name(drive) / "cam0_to_world.txt"

    def frame_list(self, split: str) -> pathlib.Path:
        """The official list of frames; `split` is train or val."""
        return self.root / "data_2d_semantics" / "train" / f"2013_05_28_drive_{split}_frames.txt"


class Calibration(NamedTuple):
    """The rig, float64; camera 0 is the left one, 1 the right one.

    `cam_to_pose` and `cam_to_velo` map points of camera 0, before rectification, to the GPS/IMU and to the scanner.
    """

    projection: np.ndarray  # [2 3 4] P_rect: rectified camera 0 to pixels of each camera
    rectification: np.ndarray  # [2 4 4] R_rect: camera to rectified camera
    size: tuple[int, int]  # height, width of the rectified images
    cam_to_pose: np.ndarray  # [4 4]
    cam_to_velo: np.ndarray  # [4 4]
    baseline: float  # metres from the left to the right camera

    @classmethod
    def load(cls, root: pathlib.Path | str) -> "Calibration":
        """Reads the three files of `calibration/` below `root`.

        Raises:
          DatasetError: a file or a line of it is missing or malformed.
        """
        layout = Layout(pathlib.Path(root))
        path = layout.perspective
        values = read_keyed(path)
        projection = np.stack([numbers(path, values, f"P_rect_{c}", 12).reshape(3, 4) for c in ("00", "01")])
        rotations = np.stack([numbers(path, values, f"R_rect_{c}", 9).reshape(3, 3) for c in ("00", "01")])
        sizes = np.stack([numbers(path, values, f"S_rect_{c}", 2) for c in ("00", "01")])
        for matrix in projection:
            if not (matrix[0, 0] > 0 and matrix[1, 1] > 0 and np.array_equal(matrix[2, :3], [0, 0, 1])):
                raise DatasetError(f"{path}: P_rect is not the projection of a pinhole camera; {RENEW_CALIBRATION}")
        if not (np.all(sizes[0] == sizes[1]) and np.all(sizes >= 1) and np.all(sizes <= 16384) and whole(sizes)):
            raise DatasetError(
                f"{path}: S_rect is not one whole width and height for both cameras; {RENEW_CALIBRATION}"
            )
        centers = projection[:, :2, 2] / sizes
        if np.any(centers <= 0) or np.any(centers >= 1) or projection[1, 0, 3] > 0:
            raise DatasetError(
                f"{path}: P_rect puts a principal point outside the {sizes[0, 1]:g}x{sizes[0, 0]:g} (height x width) "
                f"pictures, or the right camera to the left of the left one; {RENEW_CALIBRATION}"
            )
        rectification = np.tile(np.eye(4), (2, 1, 1))
        rectification[:, :3, :3] = rotations
        for matrix in rectification:
            check_rigid(matrix, f"{path}: R_rect", RENEW_CALIBRATION)
        pose_values = read_keyed(layout.cam_to_pose)
        for camera in pose_values.keys() - {"", "image_00"}:  # the others are not used, but tell of a file cut short
            numbers(layout.cam_to_pose, pose_values, camera, 12)
        cam_to_pose = rigid(numbers(layout.cam_to_pose, pose_values, "image_00", 12))
        check_rigid(cam_to_pose, f"{layout.cam_to_pose}: image_00", RENEW_CALIBRATION)
        rows = [line for line in lines(layout.cam_to_velo) if line.strip()]
        cam_to_velo = rigid(floats(rows[0].split() if len(rows) == 1 else [], 12, str(layout.cam_to_velo)))
        check_rigid(cam_to_velo, str(layout.cam_to_velo), RENEW_CALIBRATION)
        return cls(
            projection=projection,
            rectification=rectification,
            size=(int(sizes[0, 1]), int(sizes[0, 0])),
            cam_to_pose=cam_to_pose,
            cam_to_velo=cam_to_velo,
            baseline=float(-projection[1, 0, 3] / projection[1, 0, 0]),
        )

    def check_stereo(self, root: pathlib.Path) -> None:
        """Raises DatasetError unless the right camera is to the right of the left one and has the same intrinsics."""
        path = Layout(root).perspective
        if not 0 < self.baseline < _LONGEST_BASELINE:
            raise DatasetError(
                f"{path}: P_rect_01 puts the right camera {self.baseline + 0:g} m to the right of the left one, where "
                f"about 0.6 m belong; {RENEW_CALIBRATION}, or leave out --stereo"
            )
        left, right = self.projection[:, :, :3]
        if not np.allclose(left, right, rtol=1e-3):
            raise DatasetError(
                f"{path}: P_rect_00 and P_rect_01 have different focal lengths or principal points, and rectified "
                f"cameras share them; {RENEW_CALIBRATION}, or leave out --stereo"
            )

    @property
    def velo_from_camera(self) -> np.ndarray:
        """[4 4] rectified camera 0 to scanner."""
        return self.cam_to_velo @ np.linalg.inv(self.rectification[0])


_RENEW_POSES = "unpack the official poses archive again, or pass --skip_damaged to go without such rows"


def read_poses(path: pathlib.Path | str, *, damaged: dict[str, int | None] | None = None) -> dict[int, np.ndarray]:
    """Reads `poses.txt` (frame + 12 numbers) or `cam0_to_world.txt` (frame + 16 numbers).

    Args:
      path: the file.
      damaged: None raises for a malformed line; a dict collects instead "sentence" -> frame (None if unreadable).

    Returns:
      frame id -> 4x4 float64. Rows skip slow frames, so look up by frame id.

    Raises:
      DatasetError: the file cannot be read, a line lost its end, or has the wrong count, a word that is not a number,
        NaN or infinity, no rotation, or a frame that an earlier line places elsewhere.
    """
    path = pathlib.Path(path)
    poses: dict[int, np.ndarray] = {}
    endings: set[tuple[int, int]] = set()
    for number, line in enumerate(lines(path, keep_ends=True), 1):
        words = line.split()
        if not words:
            continue
        where = f"{path} line {number}"
        frame = int(words[0]) if _FRAME.fullmatch(words[0]) else None
        try:
            if not line.endswith("\n") and _lost_its_end(words, endings):
                raise DatasetError(f"{where} is cut short; {_RENEW_POSES}")
            if frame is None:
                raise DatasetError(f"{where} does not start with a frame number; {_RENEW_POSES}")
            if len(words) not in (13, 17):
                raise DatasetError(
                    f"{where} has {len(words) - 1} numbers after the frame instead of 12 or 16; {_RENEW_POSES}"
                )
            pose = rigid(floats(words[1:], len(words) - 1, where, _RENEW_POSES))
            check_rigid(pose, where, _RENEW_POSES)
            if frame in poses and not np.array_equal(poses[frame], pose):
                raise DatasetError(f"{where} gives frame {frame} a second pose; {_RENEW_POSES}")
        except DatasetError as error:
            if damaged is None:
                raise
            damaged[str(error)] = frame
        else:
            poses[frame] = pose
            endings.add(_ending(words))
    return poses


def _ending(words: list[str]) -> tuple[int, int]:
    """The number of words, and of digits after the decimal point of the last one."""
    return len(words), len(words[-1].partition(".")[2])


def _lost_its_end(words: list[str], endings: set[tuple[int, int]]) -> bool:
    """Whether the last line was cut off: it has no line break and another number of words than all lines before it or,
    if those have the same number of digits, fewer digits."""
    count, digits = _ending(words)
    before = {ending[1] for ending in endings if ending[0] == count}
    return bool(endings) and (not before or (len(before) == 1 and digits < min(before)))


def cam0_to_world(
    layout: Layout, drive: int, calibration: Calibration, *, damaged: dict[str, int | None] | None = None
) -> dict[int, np.ndarray]:
    """The poses of rectified camera 0 by frame, from the pose files that exist.

    cam0_to_world = pose @ cam_to_pose @ inv(R_rect_00); a frame that only cam0_to_world.txt has is taken from there.
    """
    found: dict[int, np.ndarray] = {}
    for path in (layout.poses(drive), layout.cam0_to_world(drive)):
        if present(path) and not any(line.strip() for line in lines(path)):
            raise DatasetError(f"{path} holds no pose; unpack its archive again, or remove it to build without poses")
    if present(layout.cam0_to_world(drive)):
        found.update(read_poses(layout.cam0_to_world(drive), damaged=damaged))
    if present(layout.poses(drive)):
        pose_from_camera = calibration.cam_to_pose @ np.linalg.inv(calibration.rectification[0])
        poses = read_poses(layout.poses(drive), damaged=damaged)
        found.update({frame: pose @ pose_from_camera for frame, pose in poses.items()})
    return found


def read_list(path: pathlib.Path | str) -> set[tuple[int, int]]:
    """Reads an official list of frames, lines "<image path> <semantic path>", as (drive, frame) pairs.

    Raises:
      DatasetError: the file cannot be read, or a line names anything but a rectified image of the data set.
    """
    listed = set()
    for number, line in enumerate(lines(pathlib.Path(path)), 1):
        words = line.split()
        if not words:
            continue
        match = _LISTED.fullmatch(words[0])
        ending = words[-1].lower().endswith((".png", ".jpg", ".jpeg"))
        if match is None or not ending:  # the second name is not used, but may be cut short
            raise DatasetError(
                f"{path} line {number} does not name an image of the data set "
                "(data_2d_raw/<drive>/image_00/data_rect/<frame>.png); unpack the official list again, or remove both "
                "lists to split every drive by time"
            )
        listed.add((int(match[1]), int(match[2])))
    return listed
