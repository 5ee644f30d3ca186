"""Checks a video before training: measurements, and warnings about problems that prevent training."""

from typing import NamedTuple

import cv2
import numpy as np

from tfds_kitti360.video.intrinsics import Intrinsics, field_of_view
from tfds_kitti360.video.motion import Motion

_FEW = 300  # kept frames
_MOSTLY_STILL = 0.5  # share of all frames
_FAST = 0.4  # correlation of typical neighbours below which training fails: every fourth frame at 10 Hz gives 0.35
_CUTS = 0.05  # share of all frames


class Watched(NamedTuple):
    """Measurements of a video that was read.

    Attributes:
      name: of the file or folder.
      size: height, width.
      fps: frames per second that were taken; 0: unknown.
      promised: number of frames in the file's header.
      frames: number of frames that were read.
      still: number of these that were left out because nothing moved.
      cuts: number of cuts between shots.
      motions: between the kept frames of one shot.
    """

    name: str
    size: tuple[int, int]
    fps: float
    promised: int
    frames: int
    still: int
    cuts: int
    motions: list[Motion]

    @property
    def kept(self) -> int:
        return self.frames - self.still


def report(watched: list[Watched], intrinsics: Intrinsics, *, size: tuple[int, int]) -> list[str]:
    """The check, one sentence per line; lines that begin with "warning: " are about problems that prevent training.

    `size`: height, width of the stored pictures.
    """
    lines, warnings = [], list(intrinsics.warnings)
    for video in watched:
        height, width = video.size
        rate = f" at {video.fps:.3g} frames per second" if video.fps else ""
        lines.append(
            f"{video.name}: {video.frames} frames of {height}x{width} (height x width){rate}, stored as "
            f"--size={size[0]}x{size[1]}"
        )
        share = video.still / max(video.frames, 1)
        lines.append(f"  still frames left out: {video.still} ({share:.0%}); kept {video.kept}; cuts: {video.cuts}")
        if video.motions:
            moved, resemblance = np.median(np.array(video.motions), axis=0)
            lines.append(
                f"  motion between kept frames: a quarter of the picture moves by {moved * width:.0f} pixels or more, "
                f"{moved:.1%} of the width; once aligned, neighbours correlate by {resemblance:.2f}"
            )
        warnings += _warnings(video)
    height, width = watched[0].size
    matrix = intrinsics.matrix
    lines.append(
        f"intrinsics ({intrinsics.origin}): fx {matrix[0, 0]:.1f}, fy {matrix[1, 1]:.1f}, cx {matrix[0, 2]:.1f}, "
        f"cy {matrix[1, 2]:.1f} pixels, a field of view of {field_of_view(matrix[0, 0], width):.0f} degrees across and "
        f"{field_of_view(matrix[1, 1], height):.0f} down"
    )
    kept = sum(video.kept for video in watched)
    if kept < _FEW:
        warnings.append(
            f"{kept} frames are few: enough to try the commands, far too few to learn depth (use thousands)"
        )
    return lines + [f"warning: {warning}" for warning in warnings]


def _warnings(video: Watched) -> list[str]:
    name, (height, width), found = video.name, video.size, []
    if height > width:
        found.append(
            f"{name} is portrait ({height}x{width}, height x width); driving videos are landscape: is it rotated?"
        )
    if video.frames < 0.95 * video.promised:
        found.append(f"{name} promises {video.promised} frames, and {video.frames} could be decoded: is it cut off?")
    if video.still > _MOSTLY_STILL * video.frames:
        found.append(
            f"{name} moves too little: {video.still} of {video.frames} frames show no motion to learn from; does the "
            "camera move?"
        )
    if video.motions and np.median([motion.resemblance for motion in video.motions]) < _FAST:
        found.append(
            f"{name} moves too fast: neighbouring frames hardly match; use more frames per second (a larger --fps)"
        )
    if video.cuts > _CUTS * video.frames:
        found.append(
            f"{name} jumps {video.cuts} times in {video.frames} frames; depth is learned from continuous driving: use "
            "more frames per second, or a video that is not edited"
        )
    return found


def example_warp(first: np.ndarray, second: np.ndarray, intrinsics: np.ndarray) -> tuple[np.ndarray, str]:
    """Aligns a frame with its neighbour by the camera motion estimated with the intrinsics, and reports the quality.

    Corners are tracked from the first to the second, the essential matrix is estimated from them with the intrinsics,
    and the second frame is warped as if everything in it were at the median depth of the corners.

    Args:
      first: uint8 [h w 3].
      second: the next one.
      intrinsics: [3 3] of both.

    Returns:
      A picture uint8 [2h 2w 3]: above, the first and the aligned second; below, the differences to the first of the
      second as it is and of the aligned one. And a sentence.
    """
    homography, explained = _homography(first, second, intrinsics)
    size = first.shape[1::-1]
    aligned = cv2.warpPerspective(second, homography, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    before, after = (cv2.absdiff(first, other) for other in (second, aligned))
    inside = cv2.warpPerspective(np.ones_like(second), homography, size, flags=cv2.WARP_INVERSE_MAP) > 0
    picture = np.vstack([np.hstack([first, aligned]), np.hstack([before, after])])
    if explained is None:
        return picture, "no camera motion could be estimated between two neighbours: too little texture"
    return picture, (
        f"{explained:.0%} of the points tracked between two neighbours fit one camera motion with these intrinsics; "
        f"aligned by it as a plane, they differ by {after[inside].mean():.1f} grey levels instead of "
        f"{before[inside].mean():.1f}"
    )


def _homography(first: np.ndarray, second: np.ndarray, intrinsics: np.ndarray) -> tuple[np.ndarray, float | None]:
    """second_from_first in pixels [3 3], and the share of tracked points that fit; or the identity and None."""
    greys = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (first, second)]
    corners = cv2.goodFeaturesToTrack(greys[0], 1000, 0.01, 4)
    if corners is None or len(corners) < 20:
        return np.eye(3), None
    found, tracked, _ = cv2.calcOpticalFlowPyrLK(*greys, corners, None)
    back, tracked_back, _ = cv2.calcOpticalFlowPyrLK(*greys[::-1], found, None)
    returned = np.linalg.norm(back - corners, axis=-1).ravel() < 1  # pixels; else the corner was lost on the way
    good = returned & (tracked.ravel() == 1) & (tracked_back.ravel() == 1)
    pairs = [points[good].reshape(-1, 2).astype(np.float64) for points in (corners, found)]
    if len(pairs[0]) < 20:
        return np.eye(3), None
    rays = [cv2.undistortPoints(points[:, None], intrinsics, None)[:, 0] for points in pairs]
    cv2.setRNGSeed(0)  # the same video is always told the same
    essential, fits = cv2.findEssentialMat(
        *rays, np.eye(3), method=cv2.RANSAC, prob=0.999, threshold=1 / intrinsics[0, 0]
    )
    if essential is None or essential.shape != (3, 3):
        return np.eye(3), None
    _, rotation, translation, fits, points = cv2.recoverPose(essential, *rays, np.eye(3), distanceThresh=1e3, mask=fits)
    fits = fits.ravel() > 0
    if fits.sum() < 8:
        return np.eye(3), None
    depth = np.median(points[2, fits] / points[3, fits])
    plane = rotation + translation @ np.array([[0, 0, 1 / depth]])  # of points at z = depth before the first camera
    return intrinsics @ plane @ np.linalg.inv(intrinsics), float(fits.mean())
