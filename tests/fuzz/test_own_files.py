"""What people bring of their own, under attack: intrinsics, frames, videos, pictures."""

import json

import cv2
import fuzzing
import hypothesis.strategies as st
import numpy as np
import own_video
import pytest
from hypothesis import given

from mtl_depth.media import image_files
from tfds_kitti360.errors import DatasetError
from tfds_kitti360.video import make
from tfds_kitti360.video.frames import find_sources
from tfds_kitti360.video.intrinsics import choose

CAMERAS = [
    b"500 502 318.5 241\n",
    b"500 0 318.5\n0 502 241\n0 0 1\n",
    b"S_rect_00: 640 480\nP_rect_00: 500 0 318.5 0 0 502 241 0 0 0 1 0\n",
    json.dumps({"fx": 500, "fy": 502, "cx": 318.5, "cy": 241, "width": 640, "height": 480}).encode(),
]


@fuzzing.fuzz(3)
@given(content=fuzzing.damaged(*CAMERAS))
def test_intrinsics_files(tmp_path, content):
    path = str(fuzzing.place(tmp_path, "camera.txt", content))
    found = fuzzing.attempt("intrinsics", lambda: choose(path, None, size=(480, 640)))
    assert found is None or (np.isfinite(found.matrix).all() and found.matrix[0, 0] > 0 < found.matrix[1, 1])


@fuzzing.fuzz()
@given(text=st.text(max_size=40) | fuzzing.damaged(b"500,502,318.5,241").map(lambda data: data.decode("latin1")))
def test_intrinsics_on_the_command_line(text):
    fuzzing.attempt("intrinsics", lambda: choose(text, None, size=(480, 640)))


def encoded(ending: str) -> bytes:
    (image,) = own_video.frames([20], size=(32, 48))
    return cv2.imencode(ending, image)[1].tobytes()


@pytest.mark.parametrize("ending", [".png", ".jpg", ".bmp", ".webp", ".tiff"])
@fuzzing.fuzz()
@given(data=st.data())
def test_pictures(tmp_path, ending, data):
    folder = tmp_path / "frames"
    path = fuzzing.place(folder, f"0{ending}", data.draw(fuzzing.damaged(encoded(ending))))
    found = fuzzing.attempt("pictures", lambda: list(find_sources([folder])[0].read()))
    assert found is None or found[0][1].dtype == np.uint8
    found = fuzzing.attempt("pictures", lambda: image_files.read(path))
    assert found is None or found.dtype == np.uint8


@fuzzing.fuzz(0.4)
@given(data=st.data())
def test_films(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("film")
    good = own_video.film(folder / "good.mp4", own_video.frames(range(6), size=(32, 48))).read_bytes()
    path = fuzzing.place(folder, "x.mp4", data.draw(fuzzing.damaged(good)))
    found = fuzzing.attempt("films", lambda: list(find_sources([path])[0].read()))
    assert found is None or len(found) <= 10_000


@fuzzing.fuzz()
@given(content=fuzzing.damaged(json.dumps({"settings": {"fps": None}, "report": ["a"]}).encode()))
def test_the_note_of_what_was_read(tmp_path, content):
    path = fuzzing.place(tmp_path, "video.json", content)
    found = fuzzing.attempt("video.json", lambda: make._read_settings(path))
    assert found is None or all(isinstance(line, str) for line in found["report"])


def test_a_lying_picture_is_refused_before_it_is_decoded(tmp_path):
    from fuzz.test_kitti360_files import png_with_header

    fuzzing.place(tmp_path, "0.png", png_with_header(100_000, 100_000))
    with pytest.raises(DatasetError, match=r"0\.png"):
        find_sources([tmp_path])
