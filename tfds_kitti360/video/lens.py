"""Pictures of a lens that bends straight lines become those of a pinhole camera."""

from collections.abc import Callable

import cv2
import numpy as np

from tfds_kitti360.video.intrinsics import Intrinsics


def undistorter(
    intrinsics: Intrinsics, *, size: tuple[int, int]
) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """The pinhole camera [3 3] that sees the largest part of pictures of `size` (height, width) without black borders,
    and the function that turns a picture [h w c] into what it sees; both change nothing where there is no distortion.
    """
    if not intrinsics.distortion:
        return intrinsics.matrix, lambda image: image
    shape, coefficients = size[::-1], np.array(intrinsics.distortion)
    matrix, _ = cv2.getOptimalNewCameraMatrix(intrinsics.matrix, coefficients, shape, 0)
    maps = cv2.initUndistortRectifyMap(intrinsics.matrix, coefficients, None, matrix, shape, cv2.CV_32FC1)
    return matrix, lambda image: cv2.remap(image, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
