"""Every form in which people have their intrinsics, and a warning for each that cannot be right."""

import json

import numpy as np
import pytest

from tfds_kitti360.errors import DatasetError
from tfds_kitti360.video.intrinsics import choose, field_of_view

SIZE = (480, 640)
EXPECTED = np.array([[500, 0, 318.5], [0, 502, 241], [0, 0, 1]])
FILES = {
    "four numbers": "500 502 318.5 241\n",
    "commas": "[500, 502, 318.5, 2.41e2]",
    "matrix": "500 0 318.5\n0 502 241\n0 0 1\n",
    "numpy": "[[500.   0.  318.5]\n [  0. 502. 241. ]\n [  0.   0.   1. ]]",
    "json": json.dumps({"fx": 500, "fy": 502, "cx": 318.5, "cy": 241, "width": 640, "height": 480}),
    "nerfstudio": json.dumps({"fl_x": 500, "fl_y": 502, "cx": 318.5, "cy": 241, "w": 640, "h": 480, "frames": []}),
    "kitti-360": "calib_time: now\nS_rect_00: 640 480\nP_rect_00: 500 0 318.5 0 0 502 241 0 0 0 1 0\n",
}


@pytest.mark.parametrize("form", FILES)
def test_files_of_every_form(tmp_path, form):
    path = tmp_path / "camera.txt"
    path.write_text(FILES[form])
    found = choose(str(path), None, size=SIZE)
    np.testing.assert_allclose(found.matrix, EXPECTED)
    assert found.warnings == () and found.origin == str(path)


def test_numbers_on_the_command_line():
    np.testing.assert_allclose(choose("500,502,318.5,241", None, size=SIZE).matrix, EXPECTED)


def test_a_file_s_size_scales(tmp_path):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps({"fx": 1000, "cx": 639.5, "cy": 479.5, "width": 1280, "height": 960}))
    found = choose(str(path), None, size=SIZE)
    np.testing.assert_allclose(found.matrix, [[500, 0, 319.5], [0, 500, 239.5], [0, 0, 1]])  # (639.5 + 0.5) / 2 - 0.5
    assert "is for 960x1280 pictures" in found.warnings[0]


def test_field_of_view_and_guess():
    given = choose(None, 90.0, size=SIZE)
    np.testing.assert_allclose(given.matrix, [[320, 0, 319.5], [0, 320, 239.5], [0, 0, 1]], atol=1e-9)  # tan 45 = 1
    assert given.warnings == () and field_of_view(320, 640) == pytest.approx(90)
    assert "GUESSED" in choose(None, None, size=SIZE).warnings[0]


def test_fractions_are_taken_as_such_and_said():
    found = choose("0.78125,1.0458333,0.4984375,0.503125", None, size=SIZE)
    np.testing.assert_allclose(found.matrix, EXPECTED, atol=1)
    assert "fractions" in found.warnings[0]


ODD = {
    "telescope": ("5000,5000,320,240", "field of view of 7 degrees"),
    "fisheye": ("40,40,320,240", "field of view of 166 degrees"),
    "twice the size": ("1000,1000,640,480", "fits frames of about 961x1281"),
    "to the side": ("500,500,100,240", "far from the centre of 480x640"),
    "long pixels": ("500,700,320,240", "fx 500 and fy 700 differ by 29%"),
}


@pytest.mark.parametrize(("numbers", "words"), ODD.values(), ids=ODD.keys())
def test_what_is_hard_to_believe_is_said(numbers, words):
    assert any(words in warning for warning in choose(numbers, None, size=SIZE).warnings)


def test_a_crop_from_below_is_no_reason_to_warn():
    assert choose("552.55,552.55,682.05,238.77", None, size=(376, 1408)).warnings == ()  # KITTI-360: cy / h = 0.635


BAD = {
    "no file": ("camera.txt", "neither four numbers nor a text file"),
    "three numbers": ("500,500,320", "neither four numbers"),
    "negative": ("-500,500,320,240", "are not a camera's"),
    "infinite": ("1e999,500,320,240", "are not a camera's"),
    "mixed": ("0.8,1.0,320,240", "mixes fractions with pixels"),
}


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD.keys())
def test_what_is_no_camera_is_refused(text, words):
    with pytest.raises(DatasetError, match=words):
        choose(text, None, size=SIZE)


def test_two_answers_and_an_impossible_one_are_refused():
    with pytest.raises(DatasetError, match="one of them"):
        choose("500,500,320,240", 70.0, size=SIZE)
    for fov in (0.0, 180.0, float("nan")):
        with pytest.raises(DatasetError, match="not a field of view"):
            choose(None, fov, size=SIZE)
