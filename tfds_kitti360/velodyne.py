"""Converts a laser scan to a sparse depth image: motion correction, projection, nearest return."""

import pathlib

import numpy as np
from scipy.spatial.transform import Rotation

from tfds_kitti360.errors import DatasetError
from tfds_kitti360.files import read_bytes

_POINT_BYTES = 16  # x, y, z, reflectance as float32
_FARTHEST, _NEAREST = 1000.0, 1e-6  # metres; the scanner sees 120
_MOST_ABSURD = 0.1  # share of the points; float64 read as float32 has half
_MOST_BYTES = 1 << 26  # four million points; the scanner gives some 120,000


def read_scan(path: pathlib.Path) -> np.ndarray:
    """Reads `<frame>.bin`: float32 [n 4] of x forward, y left, z up in metres, and reflectance.

    Raises:
      DatasetError: the file is unreadable, empty, full of zeros, or not a whole number of points.
    """
    remedy = "unpack its archive again, or pass --skip_damaged to leave the frame out"
    try:
        data = read_bytes(path, most=_MOST_BYTES + 1)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); {remedy}") from None
    if not data or len(data) % _POINT_BYTES or len(data) > _MOST_BYTES:
        what = "more than any scan" if len(data) > _MOST_BYTES else "not a whole number of 16-byte points"
        raise DatasetError(f"{path} has {len(data)} bytes, {what}; {remedy}")
    points = np.frombuffer(data, "<f4").reshape(-1, 4)
    if not points.any():
        raise DatasetError(f"{path} holds nothing but zeros, as an interrupted copy leaves it; {remedy}")
    if strange := _strange(points):
        raise DatasetError(f"{path} {strange}, and KITTI-360's scans are x, y, z, reflectance in metres; {remedy}")
    return points


def _strange(points: np.ndarray) -> str:
    """Why these points cannot be a scan of KITTI-360, or ""."""
    flat = points.ravel()
    if flat.size >= 500 and flat.size % 5 == 0 and flat[4::5].any() and np.isin(flat[4::5], np.arange(128)).all():
        return "holds five numbers for each point, the last one the number of a laser beam, as nuScenes has them"
    distance = np.abs(points[:, :3])
    meant = (distance < _FARTHEST) & ((distance == 0) | (distance > _NEAREST))
    absurd = 1 - meant.all(axis=1).mean()
    if absurd <= _MOST_ABSURD:
        return ""
    return f"holds coordinates beyond {_FARTHEST:g} m, or no numbers, in {absurd:.0%} of its points"


def depth_image(
    points: np.ndarray,
    *,
    velo_from_previous: np.ndarray | None,
    camera_from_velo: np.ndarray,
    projection: np.ndarray,
    size: tuple[int, int],
) -> np.ndarray:
    """Projects a scan into the rectified camera.

    The scanner turns clockwise seen from above, so a point at azimuth a was measured a / (2 pi) of a frame period
    before the frame's time. With v the rotation vector and t the translation of `velo_from_previous` and
    s = a / (2 pi), the point p lies at R(s v) p + s t when the frame is taken. Then z > 0, pixel = floor(u + 0.5), the
    nearest return wins.

    Args:
      points: [n 4] or [n 3], x, y, z (forward, left, up) in metres; points that are not finite are left out.
      velo_from_previous: [4 4] maps scanner coordinates of the frame before into this frame's; None: no correction.
      camera_from_velo: [4 4] scanner to rectified camera.
      projection: [3 4] rectified camera to pixels, (0, 0) the centre of the top left pixel.
      size: height, width of the image.

    Returns:
      [h w] float32, camera z in metres, 0 where no return fell.
    """
    points = np.asarray(points)[:, :3].astype(np.float64)
    points = points[np.isfinite(points).all(axis=1)]
    if velo_from_previous is not None:
        # A correction moves p by at most half of |t| + |v| |p|: points farther behind the camera stay behind it.
        points = undo_motion(points[_may_be_seen(points, velo_from_previous, camera_from_velo)], velo_from_previous)
    camera = points @ camera_from_velo[:3, :3].T + camera_from_velo[:3, 3]
    camera = camera[camera[:, 2] > 0]
    pixels = camera @ projection[:, :3].T + projection[:, 3]
    in_front = pixels[:, 2] > 0
    pixels, z = pixels[in_front], camera[in_front, 2]
    height, width = size
    with np.errstate(over="ignore"):
        column, row = np.floor(pixels[:, :2] / pixels[:, 2:] + 0.5).T
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    index = row[inside].astype(np.int64) * width + column[inside].astype(np.int64)
    depth = np.full(height * width, np.inf)
    np.minimum.at(depth, index, z[inside])
    depth[np.isinf(depth)] = 0
    return depth.reshape(height, width).astype(np.float32)


def undo_motion(points: np.ndarray, velo_from_previous: np.ndarray) -> np.ndarray:
    """The points [n 3] at the frame's time, float64 (see `depth_image`)."""
    share = (np.arctan2(points[:, 1], points[:, 0]) / (2 * np.pi))[:, None]
    vector = Rotation.from_matrix(velo_from_previous[:3, :3]).as_rotvec()
    return Rotation.from_rotvec(share * vector).apply(points) + share * velo_from_previous[:3, 3]


def _may_be_seen(points: np.ndarray, velo_from_previous: np.ndarray, camera_from_velo: np.ndarray) -> np.ndarray:
    reach = np.linalg.norm(velo_from_previous[:3, 3])
    turn = Rotation.from_matrix(velo_from_previous[:3, :3]).magnitude()
    z = points @ camera_from_velo[2, :3] + camera_from_velo[2, 3]
    return z > -0.51 * (reach + turn * np.linalg.norm(points, axis=1))
