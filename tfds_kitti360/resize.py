"""Reduces images, their intrinsics, and their label maps."""

import cv2
import numpy as np


def reduce_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The image [h w c] reduced to `size` (height, width): each pixel is the mean of the area that it covers."""
    if image.shape[:2] == tuple(size):
        return image
    return cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA)


def reduce_map(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The map [h w] reduced to `size` (height, width): the value at the centre of each new pixel."""
    (height, width), (new_height, new_width) = labels.shape, size
    rows = (2 * np.arange(new_height) + 1) * height // (2 * new_height)
    columns = (2 * np.arange(new_width) + 1) * width // (2 * new_width)
    return labels[rows[:, None], columns]


def resize_intrinsics(intrinsics: np.ndarray, *, old: tuple[int, int], new: tuple[int, int]) -> np.ndarray:
    """Camera matrix [3 3] of an image resized from `old` to `new` (height, width).

    Pixel (0, 0) is the centre of the top left pixel: x' = (x + 0.5) r - 0.5, so cx' = (cx + 0.5) r - 0.5 and f' = f r.
    """
    ratio = np.array([new[1] / old[1], new[0] / old[0]])
    resized = np.array(intrinsics, np.float64)
    resized[:2, :2] *= ratio[:, None]
    resized[:2, 2] = (resized[:2, 2] + 0.5) * ratio - 0.5
    return resized
