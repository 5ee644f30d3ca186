"""Frames come in order and as they are shown, or it is said in a sentence why not."""

import os
import shutil
import struct
import zlib

import cv2
import numpy as np
import own_video
import pytest

from tfds_kitti360.errors import DatasetError
from tfds_kitti360.video.frames import find_sources

IMAGES = own_video.frames(range(0, 60, 5))


def test_a_film_gives_its_frames(tmp_path):
    (source,) = find_sources([own_video.film(tmp_path / "a.mp4", IMAGES, fps=25)])
    found = list(source.read())
    assert (source.size, source.count, source.fps) == ((96, 160), 12, 25.0)
    assert [name for name, _ in found] == [f"frame {number}" for number in range(12)]
    for (_, image), true in zip(found, IMAGES):
        assert np.abs(image.astype(int) - true).mean() < 6  # red first, and the right one: others differ by 20


def test_fewer_frames_a_second(tmp_path):
    film = own_video.film(tmp_path / "a.mp4", IMAGES, fps=10)
    (source,) = find_sources([film], fps=4)
    assert [name for name, _ in source.read()] == [f"frame {number}" for number in (0, 3, 5, 8, 10)]  # 0, 2.5, 5 ...
    assert source.fps == pytest.approx(4)
    with pytest.raises(DatasetError, match="has 10 frames per second"):
        find_sources([film], fps=20)


def test_the_rotation_mark_is_obeyed(tmp_path):
    (source,) = find_sources([own_video.rotated(own_video.film(tmp_path / "a.mp4", IMAGES))])
    _, image = next(source.read())
    assert source.size == (160, 96) == image.shape[:2]
    errors = [np.abs(np.rot90(IMAGES[0], turns).astype(int) - image).mean() for turns in (1, 3)]
    assert min(errors) < 6 < 15 < max(errors)


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path):
    folder = own_video.folder(tmp_path / "frames", IMAGES)
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.png").write_text("x")
    (source,) = find_sources([folder])
    found = list(source.read())
    assert [name for name, _ in found] == [f"frame{number}.png" for number in range(12)]  # 2 before 10
    np.testing.assert_array_equal(found[10][1], IMAGES[10])


def test_a_folder_of_films_is_several_films(tmp_path):
    for name in ("b.mp4", "a.avi"):
        shutil.copy(own_video.film(tmp_path / "x.mp4", IMAGES), own_video.folder(tmp_path / name[0], []) / "v.mp4")
    sources = find_sources([tmp_path / "a", tmp_path / "b"])
    assert [source.path.parent.name for source in sources] == ["a", "b"]


def lying_png(path):
    """A PNG whose header claims 100,000 x 100,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)


BAD = {
    "absent": (lambda path: path / "no.mp4", "does not exist"),
    "empty file": (lambda path: path / "empty.mp4", r"empty\.mp4 cannot be read as a video"),
    "cut off": (lambda path: path / "cut.mp4", r"cut\.mp4 cannot be read as a video"),
    "no video": (lambda path: path / "notes.txt", "is not a supported video"),
    "playlist": (lambda path: path / "list.m3u8", "is not a supported video"),
    "empty folder": (lambda path: path / "none", "folder without frames"),
    "huge": (lambda path: path / "huge", r"0\.png (claims to be 100000x100000|cannot be read)"),
    "no picture": (lambda path: path / "text", r"0\.png cannot be read as a picture"),
}


@pytest.mark.parametrize(("give", "words"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_read_is_said(tmp_path, give, words):
    film = own_video.film(tmp_path / "film.mp4", IMAGES)
    (tmp_path / "cut.mp4").write_bytes(film.read_bytes()[: os.path.getsize(film) // 2])
    for name in ("empty.mp4", "notes.txt", "list.m3u8"):
        (tmp_path / name).write_bytes(b"")
    for name in ("none", "huge", "text"):
        (tmp_path / name).mkdir()
    lying_png(tmp_path / "huge" / "0.png")
    (tmp_path / "text" / "0.png").write_text("no picture")
    with pytest.raises(DatasetError, match=words):
        find_sources([give(tmp_path)])


def test_frames_of_another_size_are_refused(tmp_path):
    folder = own_video.folder(tmp_path / "frames", IMAGES)
    cv2.imwrite(str(folder / "frame11.png"), np.zeros((96, 158, 3), np.uint8))
    (source,) = find_sources([folder])
    with pytest.raises(DatasetError, match=r"frame11\.png is 96x158, but frame0\.png is 96x160"):
        list(source.read())
    with pytest.raises(DatasetError, match="--fps"):
        find_sources([folder], fps=5)
