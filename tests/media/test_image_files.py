"""Picture files: every kind that people have, and the sizes between."""

import cv2
import numpy as np
import PIL.Image
import pytest

from mtl_depth.errors import UserError
from mtl_depth.media import image_files

COLOURS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def test_reads_colour_grey_opacity_and_palette(tmp_path):
    picture = PIL.Image.fromarray(COLOURS)
    for mode in ("RGB", "RGBA", "L", "P", "1"):
        picture.convert(mode).save(tmp_path / f"{mode}.png")
        read = image_files.read(tmp_path / f"{mode}.png")
        assert read.shape == (5, 7, 3) and read.dtype == np.uint8
        np.testing.assert_array_equal(read, np.asarray(picture.convert(mode).convert("RGB")))
    np.testing.assert_array_equal(image_files.read(tmp_path / "RGBA.png"), COLOURS)


def test_sixteen_bit_grey_keeps_its_gradation(tmp_path):
    PIL.Image.fromarray(np.array([[0, 32768, 65535]], np.uint16)).save(tmp_path / "deep.png")
    assert image_files.read(tmp_path / "deep.png")[0, :, 0].tolist() == [0, 127, 255]  # 32768 / 65535 x 255 = 127.5


def test_turns_as_the_camera_says(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # orientation: turn clockwise to see it upright
    PIL.Image.fromarray(COLOURS).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(image_files.read(tmp_path / "turned.png"), np.rot90(COLOURS, -1))


def test_a_damaged_picture_is_named(tmp_path):
    PIL.Image.fromarray(COLOURS).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:60])
    (tmp_path / "text.jpg").write_text("not a picture")
    for name in ("cut.png", "text.jpg"):
        with pytest.raises(UserError, match=f"{name} cannot be read"):
            image_files.read(tmp_path / name)


def test_depth_is_stored_in_256ths_of_a_metre(tmp_path):
    image_files.write_depth(tmp_path / "depth.png", np.array([[1.0, 2.5, 1000.0]], np.float32))
    stored = cv2.imread(str(tmp_path / "depth.png"), cv2.IMREAD_UNCHANGED)
    assert stored.dtype == np.uint16 and stored.tolist() == [[256, 640, 65535]]


def test_colours_are_written_as_rgb(tmp_path):
    image_files.write(tmp_path / "colours.png", COLOURS)
    np.testing.assert_array_equal(image_files.read(tmp_path / "colours.png"), COLOURS)


def test_shrinking_averages_the_covered_area():
    values = np.arange(16, dtype=np.float32).reshape(4, 4)
    # upper left 2x2 block: (0 + 1 + 4 + 5) / 4 = 2.5
    np.testing.assert_allclose(image_files.resize(values, size=(2, 2)), [[2.5, 4.5], [10.5, 12.5]])


def test_growing_interpolates_between_pixel_centres():
    # new centres at -0.25, 0.25, 0.75, 1.25 in old pixels; outside the value of the edge
    np.testing.assert_allclose(image_files.resize(np.array([[0.0, 4.0]], np.float32), size=(1, 4)), [[0, 1, 3, 4]])


def test_depth_is_interpolated_in_disparity():
    # half way between 1/2 and 1/6 lies 1/3; the new centres are at 1/4 and 3/4: 1/2 - 1/4 (1/2 - 1/6) = 5/12
    depth = image_files.resize_depth(np.array([[2.0, 6.0]], np.float32), size=(1, 4))
    np.testing.assert_allclose(depth, [[2, 12 / 5, 4, 6]], rtol=1e-6)
