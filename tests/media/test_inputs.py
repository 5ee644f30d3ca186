"""What people give as input: pictures, folders, patterns, videos."""

import numpy as np
import pytest

from mtl_depth.errors import UserError
from mtl_depth.media import image_files, inputs
from mtl_depth.media.video_writer import Film

FRAMES = [np.full((36, 50, 3), value, np.uint8) for value in (20, 120, 220)]  # grey, which mp4 keeps to some levels


@pytest.fixture
def folder(tmp_path):
    for name, frame in zip(("b.png", "a.png", "c.PNG"), FRAMES):
        image_files.write(tmp_path / name, frame)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.png").write_bytes(b"")
    return tmp_path


@pytest.fixture
def video(tmp_path):
    film = Film(tmp_path / "drive.webm", 10.0)
    for frame in FRAMES:
        film.add([frame])
    film.close()
    return tmp_path / "drive.webm"


def test_a_folder_s_pictures_come_in_the_order_of_their_names(folder):
    found = inputs.find(folder)
    assert (found.names, found.folder, found.rate) == (["a", "b", "c"], folder, None)
    assert [int(image[0, 0, 0]) for _, image in found.read()] == [120, 20, 220]


def test_a_pattern_names_some_of_them(folder):
    assert inputs.find(str(folder / "[ab].png")).names == ["a", "b"]
    with pytest.raises(UserError, match="matches nothing"):
        inputs.find(str(folder / "*.jpg"))


def test_a_damaged_picture_is_an_answer_too(folder):
    (folder / "aa.png").write_bytes(b"no picture")
    answers = list(inputs.find(folder).read())
    assert [index for index, _ in answers] == [0, 1, 2, 3]
    assert isinstance(answers[1][1], UserError) and "aa.png" in str(answers[1][1])


def test_a_video_is_read_frame_by_frame(video):
    found = inputs.find(video)
    assert found.rate == pytest.approx(10) and found.names == [f"drive_{index:06d}" for index in range(3)]
    read = [image for _, image in found.read()]
    assert [image.shape for image in read] == [(36, 50, 3)] * 3
    np.testing.assert_allclose([image.mean() for image in read], [20, 120, 220], atol=6)


def test_colours_of_a_video_are_rgb(tmp_path):
    film = Film(tmp_path / "red.webm", 10.0)
    red, blue = np.zeros((32, 48, 3), np.uint8), np.zeros((64, 96, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    film.add([red, blue])  # the second is brought to the size of the first and put below it
    film.close()
    ((_, image),) = inputs.find(tmp_path / "red.webm").read()
    assert image.shape == (64, 48, 3)
    assert image[8, 24, 0] > 200 > 60 > image[8, 24, 2] and image[56, 24, 2] > 200 > 60 > image[56, 24, 0]


def test_mistakes_are_met_by_a_sentence(folder, video):
    with pytest.raises(UserError, match=r"notes.txt is not a picture or a video.*\.mp4"):
        inputs.find(folder / "notes.txt")
    with pytest.raises(UserError, match="absent does not exist"):
        inputs.find(folder / "absent")
    (folder / "empty").mkdir()
    with pytest.raises(UserError, match="holds no picture and no video"):
        inputs.find(folder / "empty")
    (folder / "empty" / "cut.mp4").write_bytes(video.read_bytes()[:100])
    with pytest.raises(UserError, match=r"cut\.mp4 cannot be read as a video"):
        inputs.find(folder / "empty")
    (folder / "empty" / "more.mp4").write_bytes(b"")
    with pytest.raises(UserError, match="holds 2 videos"):
        inputs.find(folder / "empty")


def test_names_stay_apart(tmp_path):
    assert inputs.unique_names([tmp_path / name for name in ("a.png", "a.jpg", "b.png")]) == ["a_png", "a_jpg", "b"]
    same = inputs.unique_names([tmp_path / "x" / "a.png", tmp_path / "y" / "a.png"])
    assert len(set(same)) == 2
