"""Intrinsics as people have them: four numbers, a matrix, KITTI's files; and a guess that says so."""

import numpy as np
import pytest

from mtl_depth import intrinsics
from mtl_depth.errors import UserError

MATRIX = np.array([[552.5, 0, 682.0], [0, 551.0, 238.8], [0, 0, 1]])


def test_four_numbers():
    np.testing.assert_array_equal(intrinsics.parse("552.5, 551,682,238.8"), MATRIX)


@pytest.mark.parametrize(
    "content",
    [
        "552.5 551 682 238.8",
        "552.5 0 682\n0 551 238.8\n0 0 1\n",
        "S_rect_00: 1408 376\nP_rect_00: 552.5 0 682 0 0 551 238.8 0 0 0 1 0\nP_rect_01: 1 1 1 1 1 1 1 1 1 1 1 1\n",
    ],
)
def test_files(content, tmp_path):
    (tmp_path / "camera.txt").write_text(content)
    np.testing.assert_array_equal(intrinsics.parse(str(tmp_path / "camera.txt")), MATRIX)


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", "absent.txt", "0.6,1.2,0.5,0.5"])
def test_what_is_no_camera_is_refused(text):
    with pytest.raises(UserError, match="--intrinsics="):
        intrinsics.parse(text)


def test_the_guess_has_the_field_of_view_it_says():
    made = intrinsics.from_field((200, 640), degrees=90.0)
    np.testing.assert_allclose(made, [[320, 0, 319.5], [0, 320, 99.5], [0, 0, 1]])  # half the width at 45 degrees
    assert intrinsics.field(made, width=640) == pytest.approx(90)


def test_resizing_keeps_what_a_corner_sees():
    """The upper left corner of a picture lies at (-1/2, -1/2) at every size."""
    small = intrinsics.resized(MATRIX, old=(376, 1408), new=(188, 352))
    corner = np.array([-0.5, -0.5, 1])
    np.testing.assert_allclose(np.linalg.solve(small, corner), np.linalg.solve(MATRIX, corner))
    other = np.array([352 - 0.5, 188 - 0.5, 1]), np.array([1408 - 0.5, 376 - 0.5, 1])
    np.testing.assert_allclose(np.linalg.solve(small, other[0]), np.linalg.solve(MATRIX, other[1]))
