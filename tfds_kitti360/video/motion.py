"""Measures the motion between two frames by dense optical flow of small grey copies."""

from typing import NamedTuple

import cv2
import numpy as np

LONG_SIDE = 256  # pixels of the small copies
STILL = (
    0.003  # of the width: less is a standing camera (2 pixels of 640; driving at 10 m/s and 10 Hz gives ten times that)
)
CUT = (
    0.2  # frames that resemble each other less belong to two shots (one drive: 0.3 to 1; unrelated streets: up to 0.15)
)
_SAME = 1.0  # grey levels: what compression changes in a frame that stands still
_NEIGHBOURHOOD = 15  # pixels; brightness that is uniform over it says nothing about alignment


class Motion(NamedTuple):
    """The motion between two frames.

    Attributes:
      share: a quarter of the picture moves by more than this share of the width.
      resemblance: correlation, -1 to 1, of the fine structure of the first and of the second once aligned to it.
    """

    share: float
    resemblance: float

    @property
    def still(self) -> bool:
        return self.share < STILL

    @property
    def cut(self) -> bool:
        return not self.still and self.resemblance < CUT


def small(image: np.ndarray) -> np.ndarray:
    """The grey copy [h' w'], uint8, that is measured, of uint8 [h w 3]."""
    ratio = LONG_SIDE / max(image.shape[:2])
    height, width = (max(round(side * ratio), 32) for side in image.shape[:2])
    return cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (width, height), interpolation=cv2.INTER_AREA)


def measure(first: np.ndarray, second: np.ndarray) -> Motion:
    """The motion between two small grey copies (1 ms)."""
    if cv2.absdiff(first, second).mean() < _SAME:
        return Motion(0.0, 1.0)
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(first, second, None)
    height, width = first.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    places = columns + flow[..., 0], rows + flow[..., 1]
    aligned = cv2.remap(second, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    a, b = _structure(first), _structure(aligned)
    resemblance = (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-6)
    return Motion(float(np.percentile(np.hypot(flow[..., 0], flow[..., 1]), 75)) / width, float(resemblance))


def _structure(grey: np.ndarray) -> np.ndarray:
    grey = grey.astype(np.float32)
    return grey - cv2.blur(grey, (_NEIGHBOURHOOD, _NEIGHBOURHOOD))
