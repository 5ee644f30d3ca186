"""Converts depth to coloured points, and writes points as PLY files."""

import pathlib
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

FARTHEST_METRES = 80.0  # as in the evaluation; predictions beyond are unreliable
FARTHEST_MEDIANS = 5.0  # the same without metric scale, as a multiple of the picture's median depth
EDGE = 0.06  # two neighbours whose depths differ by more than this share hang in the air between near and far


class PointCloud(NamedTuple):
    """Coloured points.

    Attributes:
        points: (x, y, z), x to the right, y down, z along the optical axis, in the unit of depth.
        colors: RGB.
    """

    points: Float[np.ndarray, "n 3"]
    colors: UInt8[np.ndarray, "n 3"]


def from_depth(
    depth: Float[np.ndarray, "h w"],
    image: UInt8[np.ndarray, "h w 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    *,
    farthest: float = np.inf,
    most: int | None = None,
) -> PointCloud:
    """A point for every pixel that is nearer than `farthest` and not at an edge of depth.

    Args:
        depth: z; 0 and infinity mean unknown.
        image: colours of the same pixels.
        intrinsics: of the picture, in its pixels; the centre of the first pixel is (0, 0).
        farthest: depth beyond which points are dropped.
        most: keeps an evenly spaced grid of at most this many pixels; None: all pixels.
    """
    keep = np.isfinite(depth) & (depth > 0) & (depth < farthest) & ~_edges(depth)
    if most is not None:
        step = stride(depth.shape, most)
        grid = np.zeros_like(keep)
        grid[step // 2 :: step, step // 2 :: step] = True
        keep &= grid
    v, u = np.nonzero(keep)
    z = depth[v, u].astype(np.float64)
    rays = np.linalg.solve(intrinsics.astype(np.float64), np.stack([u, v, np.ones_like(u)]).astype(np.float64))
    return PointCloud((rays * z).T.astype(np.float32), image[v, u])


def farthest(depth: Float[np.ndarray, "h w"], *, metric: bool) -> float:
    """The depth beyond which a cloud has no points by default."""
    return FARTHEST_METRES if metric else FARTHEST_MEDIANS * float(np.median(depth))


def stride(size: tuple[int, int], most: int) -> int:
    """The spacing of the densest grid with at most `most` pixels."""
    step = max(1, int(np.sqrt(size[0] * size[1] / most)))
    while -(-size[0] // step) * -(-size[1] // step) > most:
        step += 1
    return step


def _edges(depth: Float[np.ndarray, "h w"]) -> np.ndarray:
    """Pixels next to a step in depth, where interpolation creates points between near and far; bool [h w]."""
    edge = np.zeros(depth.shape, bool)
    for axis in (0, 1):
        near, far = np.sort(np.stack([np.delete(depth, 0, axis), np.delete(depth, -1, axis)]), axis=0)
        step = far > near * (1 + EDGE)
        before = tuple(slice(None, -1) if a == axis else slice(None) for a in (0, 1))
        after = tuple(slice(1, None) if a == axis else slice(None) for a in (0, 1))
        edge[before] |= step
        edge[after] |= step
    return edge


def write_ply(path: str | pathlib.Path, cloud: PointCloud, *, comment: str = "") -> None:
    """Writes a binary PLY file with x, y, z (float) and red, green, blue (uchar), which every viewer reads."""
    import plyfile

    names = [*((name, "f4") for name in "xyz"), *((name, "u1") for name in ("red", "green", "blue"))]
    vertices = np.empty(len(cloud.points), dtype=names)
    for column, name in enumerate(("x", "y", "z")):
        vertices[name] = cloud.points[:, column]
    for column, name in enumerate(("red", "green", "blue")):
        vertices[name] = cloud.colors[:, column]
    element = plyfile.PlyElement.describe(vertices, "vertex")
    comments = [comment] if comment else []
    plyfile.PlyData([element], text=False, byte_order="<", comments=comments).write(str(path))
