"""Frames and their camera as a KITTI-360 download: official layout, no labels, no poses, no scans."""

import pathlib

import numpy as np

from tfds_kitti360.images import read_png, write_photo
from tfds_kitti360.layout import Layout


def write_calibration(layout: Layout, intrinsics: np.ndarray, *, size: tuple[int, int]) -> None:
    """The three calibration files of one camera, which is also used as the right one (baseline 0).

    Args:
      layout: of the download.
      intrinsics: [3 3] of the pictures as they are written.
      size: their height, width.
    """
    lines = []
    for camera in ("00", "01"):
        lines += [
            f"S_rect_{camera}: {size[1]} {size[0]}",
            f"R_rect_{camera}: {_numbers(np.eye(3))}",
            f"P_rect_{camera}: {_numbers(np.column_stack([intrinsics, np.zeros(3)]))}",
        ]
    layout.perspective.parent.mkdir(parents=True)
    layout.perspective.write_text("\n".join(lines) + "\n", encoding="utf-8")
    layout.cam_to_pose.write_text(f"image_00: {_numbers(np.eye(4)[:3])}\n", encoding="utf-8")
    layout.cam_to_velo.write_text(f"{_numbers(np.eye(4)[:3])}\n", encoding="utf-8")


def write_frame(layout: Layout, drive: int, frame: int, image: np.ndarray) -> None:
    """Writes one picture, uint8 [h w 3], red first."""
    path = _path(layout, drive, frame)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_photo(image))


def read_frame(layout: Layout, drive: int, frame: int, *, size: tuple[int, int]) -> np.ndarray:
    """Reads back what `write_frame` wrote."""
    return np.ascontiguousarray(read_png(_path(layout, drive, frame), size=size, channels=3)[1])


def write_origins(layout: Layout, drive: int, origins: dict[int, str]) -> None:
    """`origins.txt` beside the drive's pictures: which frame of the video each of them was."""
    path = layout.images(drive).parent / "origins.txt"
    lines = "".join(f"{frame:010d} {origin}\n" for frame, origin in origins.items())
    path.write_text(lines, encoding="utf-8", errors="surrogateescape")  # names of files as they are


def _path(layout: Layout, drive: int, frame: int) -> pathlib.Path:
    return layout.images(drive) / f"{frame:010d}.png"


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.9g}" for value in np.ravel(values))
