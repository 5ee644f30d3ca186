"""PNG reading: exact, and every kind of damage is met by a sentence that names the file."""

import contextlib
import struct
import tempfile
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kitti360_tree import SIZE, label_images, picture, save_png

from tfds_kitti360.errors import DatasetError
from tfds_kitti360.images import STORAGES, read_png, write_map, write_photo


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(height, width, pixels, *, bits=8, color=0, header=None):
    """A PNG by hand; `header` is the (height, width) it claims."""
    claimed = header or (height, width)
    start = struct.pack(">IIBBBBB", claimed[1], claimed[0], bits, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", start) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "0000000042.png"


def test_round_trips(path):
    save_png(path, picture(1))
    np.testing.assert_array_equal(read_png(path, size=SIZE, channels=3)[1], picture(1))
    path.write_bytes(write_photo(picture(2)))
    np.testing.assert_array_equal(read_png(path, size=SIZE, channels=3)[1], picture(2))
    for kind, values in label_images(3).items():
        path.write_bytes(write_map(values))
        data, read = read_png(path, size=SIZE, bits=8 if kind == "semantic" else 16)
        assert data == path.read_bytes() and read.dtype == values.dtype
        np.testing.assert_array_equal(read, values)


@pytest.mark.parametrize("storage", STORAGES)
def test_photographs_come_back_from_every_storage(storage):
    stored = write_photo(picture(1), storage)
    back = (
        stored if storage == "raw" else cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1]
    )
    error = np.abs(back.astype(int) - picture(1))
    assert error.max() <= (8 if storage == "jpeg" else 0) and (error.mean() > 0) == (storage == "jpeg")


def _cases():
    grey, color = label_images(1)["semantic"], picture(1)
    good = cv2.imencode(".png", grey)[1].tobytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    yield "empty", b"", "not a PNG"
    yield "text", b"<html>404</html>" * 10, "not a PNG"
    yield "jpeg", cv2.imencode(".jpg", grey)[1].tobytes(), "not a PNG"
    yield "half", good[: len(good) // 2], "truncated"
    yield "no end", good[:-12], "truncated"
    yield "cut in the end", good[:-1], "cannot be decoded"
    yield "flipped bit", bytes(flipped), "checksum"
    yield "smaller", cv2.imencode(".png", grey[:-1])[1].tobytes(), "39x120 where .* says 40x120"
    yield "color", cv2.imencode(".png", color)[1].tobytes(), "8-bit RGB image where 8-bit grey"
    yield "deep", cv2.imencode(".png", grey.astype(np.uint16))[1].tobytes(), "16-bit grey image where 8-bit grey"
    yield "alpha", png(40, 120, bytes(40 * 241), color=4), "grey with alpha"
    yield "palette", png(40, 120, bytes(40 * 121), color=3), "palette"
    yield "few pixels", png(40, 120, bytes(4 * 121)), "cannot be decoded"
    yield "no filter", png(40, 120, bytes([9] * 40 * 121)), "cannot be decoded"
    yield "huge header", png(40, 120, bytes(40 * 121), header=(2**31 - 1, 2**31 - 1)), "2147483647x2147483647"
    yield "padded", good + bytes(4 << 20), "larger than any image"


CASES = {name: (content, words) for name, content, words in _cases()}


@pytest.mark.parametrize(("content", "words"), CASES.values(), ids=CASES.keys())
def test_damage_is_named(path, content, words):
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"0000000042\.png.*{words}.*--skip_damaged"):
        read_png(path, size=SIZE)


def test_a_missing_file_is_named(path):
    with pytest.raises(DatasetError, match=r"0000000042\.png cannot be read"):
        read_png(path, size=SIZE)


@pytest.mark.parametrize("claimed", [(40, 120), (60_000, 60_000)])
def test_a_lying_image_costs_no_memory(path, claimed):
    """A bomb: few bytes that inflate to 30 MB, behind an honest-looking or an honest header."""
    path.write_bytes(png(40, 120, bytes(30_000_000), header=claimed))
    tracemalloc.start()
    with contextlib.suppress(DatasetError):
        read_png(path, size=SIZE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_arbitrary_changes_raise_nothing_else(data):
    good = cv2.imencode(".png", label_images(1)["semantic"])[1].tobytes()
    start = data.draw(st.integers(0, len(good)))
    content = good[:start] + data.draw(st.binary(max_size=40)) + good[start + data.draw(st.integers(0, 40)) :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.png"
        path.write_bytes(content)
        try:
            assert read_png(path, size=SIZE)[1].shape == SIZE
        except DatasetError as error:
            assert "x.png" in str(error)
