"""Resizes predictions to the size of the truth."""

import numpy as np
from jaxtyping import Float, Integer, Num

from mtl_depth.errors import UserError

_FULL_CONFIDENCE = 65535  # of KITTI-360's 16-bit confidence images


def nearest(values: Num[np.ndarray, "h w"], size: tuple[int, int]) -> Num[np.ndarray, "H W"]:
    """The map resized to `size` = (height, width); every pixel takes the value that covers its centre."""
    rows, columns = (((np.arange(new) + 0.5) * old / new).astype(np.int64) for new, old in zip(size, values.shape))
    return values[rows[:, None], columns]


def bilinear(values: Float[np.ndarray, "h w *c"], size: tuple[int, int]) -> Float[np.ndarray, "H W *c"]:
    """The map resized to `size` = (height, width), interpolated between pixel centres (half-pixel centres)."""
    if values.shape[:2] == tuple(size):
        return values
    import cv2

    return cv2.resize(np.asarray(values, np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)


def pixel_weights(confidence: Num[np.ndarray, "h w"], labels: Integer[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
    """The weight of a pixel: its confidence in [0, 1].

    Integers are multiples of 1 / 65535. A confidence image that is zero everywhere means that there is none: every
    pixel has the weight 1.

    Raises:
        UserError: it has another size than the labels.
    """
    check_confidence(confidence, labels)
    if not confidence.any():
        return np.ones(confidence.shape)
    if np.issubdtype(confidence.dtype, np.integer):
        return confidence / _FULL_CONFIDENCE
    return confidence.astype(np.float64)


def check_confidence(confidence: Num[np.ndarray, "*b h w"], labels: Integer[np.ndarray, "*b H W"]) -> None:
    """Raises UserError if confidence images have another size than their label images."""
    if confidence.shape != labels.shape:
        theirs, ours = (" x ".join(map(str, image.shape[-2:])) for image in (confidence, labels))
        raise UserError(
            f"A confidence image is {theirs} where its label image is {ours} (height x width); "
            "build the data set again from undamaged files."
        )
