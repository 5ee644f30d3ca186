"""The cameras and the scanner of the real car: their numbers, scaled to any image size."""

from typing import NamedTuple

import numpy as np

FULL_SIZE = (376, 1408)  # height, width of the real rectified images

_FOCAL, _CENTER_X, _CENTER_Y, _BASELINE_X_FOCAL = 552.554261, 682.049453, 238.769549, 328.318735
_RECTIFICATION = {
    "00": (0.999974, -0.007141, -0.000089, 0.007141, 0.999969, -0.003247, 0.000112, 0.003247, 0.999995),
    "01": (0.999778, -0.012115, 0.017222, 0.012059, 0.999922, 0.003351, -0.017261, -0.003143, 0.999846),
}
_CAM_TO_POSE = {
    "image_00": """0.0371783278 -0.0986182135 0.9944306009 1.5752681039 0.9992675562 -0.0053553387 -0.0378902567
        0.0043914093 0.0090621821 0.9951109327 0.0983468786 -0.6500000000""",
    "image_01": """0.0194000864 -0.1051529641 0.9942668106 1.5977241400 0.9997374956 -0.0100836652 -0.0205732716
        0.5981494900 0.0121891942 0.9944049345 0.1049297370 -0.6488433108""",
    "image_02": """0.9995185086 0.0041276589 -0.0307524527 0.7264036936 -0.0307926666 0.0100608424 -0.9994751579
        -0.1499658517 -0.0038160970 0.9999408692 0.0101830998 -1.0686400091""",
    "image_03": """-0.9996821702 0.0005703407 -0.0252038325 0.7016842127 -0.0252033830 0.0007820814 0.9996820384
        0.7463650950 0.0005898709 0.9999995315 -0.0007674583 -1.0751978255""",
}
_CAM_TO_VELO = """0.04307104361 -0.08829286498 0.995162929 0.8043914418 -0.999004371 0.007784614041 0.04392796942
    0.2993489574 -0.01162548558 -0.9960641394 -0.08786966659 -0.1770225824"""


class Rig(NamedTuple):
    """The sensors for one image size. Transforms are float64 4x4, named `b_from_a`."""

    size: tuple[int, int]  # height, width
    intrinsics: np.ndarray  # 3x3, of both rectified cameras; pixels (x, y), centre of the first at (0, 0)
    baseline: float  # metres from rectified camera 0 to rectified camera 1, along x
    imu_from_cam0: np.ndarray  # rectified camera 0 to GPS/IMU (x forward, y right, z down)
    cam0_from_velo: np.ndarray  # scanner (x forward, y left, z up) to rectified camera 0


def make_rig(
    size: tuple[int, int],
    *,
    focal: float | None = None,
    center: tuple[float, float] | None = None,
    square: bool = False,
) -> Rig:
    """The real numbers, resized by x' = (x + 0.5) r - 0.5.

    Args:
      size: (height, width).
      focal: fx / width, if it is not the real one; fy keeps its ratio to fx.
      center: the principal point (x, y) as a share of width and height, if it is not the real one.
      square: whether pixels are square, fy = fx, also where the picture's ratio of sides is not the real one.
    """
    ratio_y, ratio_x = size[0] / FULL_SIZE[0], size[1] / FULL_SIZE[1]
    intrinsics = np.array(
        [
            [_FOCAL * ratio_x, 0.0, (_CENTER_X + 0.5) * ratio_x - 0.5],
            [0.0, _FOCAL * ratio_y, (_CENTER_Y + 0.5) * ratio_y - 0.5],
            [0.0, 0.0, 1.0],
        ]
    )
    if focal:
        intrinsics[[0, 1], [0, 1]] *= focal * size[1] / intrinsics[0, 0]
    if square:
        intrinsics[1, 1] = intrinsics[0, 0]
    if center:
        intrinsics[:2, 2] = center[0] * size[1] - 0.5, center[1] * size[0] - 0.5
    rectification = np.eye(4)
    rectification[:3, :3] = np.reshape(_RECTIFICATION["00"], (3, 3))
    return Rig(
        size=size,
        intrinsics=intrinsics,
        baseline=_BASELINE_X_FOCAL / _FOCAL,
        imu_from_cam0=_affine(_CAM_TO_POSE["image_00"]) @ np.linalg.inv(rectification),
        cam0_from_velo=rectification @ np.linalg.inv(_affine(_CAM_TO_VELO)),
    )


def calibration_files(rig: Rig, *, traps: bool = False) -> dict[str, str]:
    """Text of `perspective.txt`, `calib_cam_to_pose.txt` and `calib_cam_to_velo.txt`, by name.

    With `traps`, the former has the lines of the cameras before rectification whose last number is 0 instead of 1.
    """
    height, width = rig.size
    lines = ["calib_time: synthetic", "corner_dist: 0.100000"]
    for camera in ("00", "01"):
        projection = np.hstack([rig.intrinsics, np.zeros((3, 1))])
        if camera == "01":
            projection[0, 3] = -rig.baseline * rig.intrinsics[0, 0]
        if traps:
            before = rig.intrinsics * [[1.0], [1.0], [0.0]]
            lines.append(f"K_{camera}: {_numbers(before.ravel(), '.6f')}")
        lines += [
            f"S_rect_{camera}: {width:.6f} {height:.6f}",
            f"R_rect_{camera}: {_numbers(_RECTIFICATION[camera], '.6f')}",
            f"P_rect_{camera}: {_numbers(projection.ravel(), '.9f')}",
        ]
    cam_to_pose = [f"{name}: {' '.join(values.split())}" for name, values in _CAM_TO_POSE.items()]
    return {
        "perspective.txt": "\n".join(lines) + "\n",
        "calib_cam_to_pose.txt": "\n".join(cam_to_pose) + "\n",
        "calib_cam_to_velo.txt": " ".join(_CAM_TO_VELO.split()) + "\n",
    }


def _affine(numbers: str) -> np.ndarray:
    return np.vstack([np.reshape([float(word) for word in numbers.split()], (3, 4)), [0.0, 0.0, 0.0, 1.0]])


def _numbers(values, form: str) -> str:
    return " ".join(format(float(v), form) for v in values)
