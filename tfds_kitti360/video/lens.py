"""Undistorts pictures to those of a pinhole camera."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np


def undistorter(
    matrix: np.ndarray, distortion: Sequence[float], *, size: tuple[int, int]
) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """The pinhole camera with the largest field of view of a lens without black borders.

    Args:
      matrix: [3 3] of the camera with the lens.
      distortion: coefficients of OpenCV's lens model (k1, k2, p1, p2, k3, ...); none changes nothing.
      size: height, width of the pictures.

    Returns:
      Its camera matrix [3 3], and the function that undistorts a picture [h w c].
    """
    if not distortion:
        return matrix, lambda image: image
    shape, coefficients = size[::-1], np.array(distortion)
    pinhole, _ = cv2.getOptimalNewCameraMatrix(matrix, coefficients, shape, 0)
    maps = cv2.initUndistortRectifyMap(matrix, coefficients, None, pinhole, shape, cv2.CV_32FC1)
    return pinhole, lambda image: cv2.remap(image, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
