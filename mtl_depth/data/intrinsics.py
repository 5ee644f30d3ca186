"""The intrinsics of pictures, read as `tfds_kitti360.build --video` reads them."""

from mtl_depth.errors import UserError
from tfds_kitti360.errors import DatasetError
from tfds_kitti360.resize import resize_intrinsics
from tfds_kitti360.video import camera_files
from tfds_kitti360.video.intrinsics import Intrinsics, choose, field_of_view, lens

__all__ = ["Intrinsics", "check", "field_of_view", "read", "resize_intrinsics"]
USUAL_SIZE = (480, 640)  # height, width, where nothing tells them


def check(text: str) -> None:
    """Raises UserError where `read` would for pictures of the size that the intrinsics belong to."""
    try:
        size = camera_files.read(text).size
    except DatasetError as error:
        raise UserError(f"{error}.") from None
    read(text, size=size or USUAL_SIZE)


def read(text: str | None, *, size: tuple[int, int]) -> Intrinsics:
    """The intrinsics of pictures of `size` (height, width) from `fx,fy,cx,cy` or a file; None: an assumption.

    Raises:
        UserError: these are not intrinsics of a pinhole camera.
    """
    try:
        found, bent = choose(text, None, size=size), lens(text)
    except DatasetError as error:
        raise UserError(f"{error}.") from None
    if bent:
        raise UserError(
            f"{found.origin} describes a lens with distortion, which is not corrected here; undistort "
            "the pictures and give the resulting pinhole camera."
        )
    return found
