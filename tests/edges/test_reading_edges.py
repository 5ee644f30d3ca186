"""Pictures and videos of every kind that people bring to --mode=predict, and what has to be seen in them."""

import cv2
import numpy as np
import PIL.Image
import pytest
from edges.prediction_cases import PICTURE, Table, film, happens, look, put

from mtl_depth.media import image_files, inputs
from mtl_depth.media.video_writer import Film

CASES = Table()
case = CASES.case


def order(at, *names):
    for name in names:
        put(at / "in" / name)
    return inputs.find(at / "in").names


@case(6, "frames counted without leading zeros")
def _(at):
    assert order(at, "frame10.png", "frame2.png", "frame1.png") == ["frame1", "frame2", "frame10"]


@case(6, "the same by a pattern over folders")
def _(at):
    for name in ("d10/a.png", "d2/a10.png", "d2/a9.png"):
        put(at / name)
    found = inputs.find(str(at / "*/*.png")).files
    assert [f"{file.parent.name}/{file.name}" for file in found] == ["d2/a9.png", "d2/a10.png", "d10/a.png"]


@case(6, "a camera's 12 bits in a PNG of 16")
def _(at):
    deep = ((PICTURE[..., 0].astype(np.int32) * 4095 + 254) // 255).astype(np.uint16)
    seen = image_files.read(put(at / "a.png", deep))
    np.testing.assert_array_equal(seen[..., 1], PICTURE[..., 0])


@case(6, "two pictures of 12 bits, one dark: the film keeps the difference")
def _(at):
    put(at / "in/a.png", np.full((4, 4), 4000, np.uint16))
    put(at / "in/b.png", np.full((4, 4), 400, np.uint16))
    bright, dark = (picture[0, 0, 0] for _, picture in inputs.find(at / "in").read())
    assert (bright, dark) == (4000 * 255 // 4095, 400 * 255 // 4095)


@case(6, "colours of 16 bits")
def _(at):
    (at / "a.png").write_bytes(cv2.imencode(".png", PICTURE[..., ::-1].astype(np.uint16) * 257)[1].tobytes())
    np.testing.assert_array_equal(image_files.read(at / "a.png"), PICTURE)


@case(6, "a TIFF of floats in [0, 1]")
def _(at):
    floats = np.array([[0, 0.5, 1.0]], np.float32)
    assert image_files.read(put(at / "a.tif", floats))[0, :, 0].tolist() == [0, 128, 255]


@case(6, "a telephone's picture that lies on its side")
def _(at):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    image = np.zeros((8, 32, 3), np.uint8)
    put(at / "a.png", image, exif=exif)
    look(at, at / "a.png")
    assert np.load(at / "out/a_depth.npy").shape == (32, 8)


@case(6, "an AVIF under the name .png is left out, the others are not")
def _(at, capsys):
    put(at / "in/a.png")
    (at / "in/b.png").write_bytes(b"\0\0\0\x1cftypavif" + bytes(99))
    assert look(at, at / "in") == {"a_depth.npy"}
    assert "AVIF" in capsys.readouterr().err


@case(6, "what lies beside the pictures and is not read is counted")
def _(at, capsys):
    put(at / "in/a.png")
    (at / "in/._a.png").write_bytes(b"\0\5\x16\7")
    (at / "in/notes.txt").write_text("x")
    look(at, at / "in")
    said = capsys.readouterr().err
    assert "1 hidden (._a.png)" in said and "notes.txt" in said


@case(6, "a video beside pictures is not passed over in silence")
def _(at, capsys):
    put(at / "in/a.png")
    film(at / "in/b.webm")
    look(at, at / "in")
    assert "b.webm" in capsys.readouterr().err


@case(6, "frames of uneven times: the film takes as long")
def _(at):
    made = Film(at / "a.webm", 10.0)
    for value, seconds in ((0, 0.0), (80, 0.1), (160, 0.4), (240, 0.42), (250, 0.5)):
        made.add([np.full((32, 32, 3), value, np.uint8)], seconds=seconds)
    made.close()
    assert (made.repeated, made.left_out) == (2, 1)
    shown = [int(image[0, 0, 0]) for _, image in inputs.find(at / "a.webm").read()]
    # ticks 0, 1 to 3, 4 and 5: what came at 0.4 is replaced by what came at 0.42
    np.testing.assert_allclose(shown, [0, 80, 80, 80, 240, 250], atol=12)


@case(6, "a video that claims a thousand frames per second, as browsers record them")
def _(at):
    source = inputs.footage.open_film(film(at / "a.webm"))
    assert inputs._rate(source._replace(rate=1000.0)) == pytest.approx(10, rel=1e-3)
    assert inputs._rate(source._replace(rate=0.0)) == pytest.approx(10, rel=1e-3)
    assert inputs._rate(source._replace(rate=9.99)) == 9.99


@CASES.parametrize()
def test_what_has_to_happen(each, tmp_path, request, one_network):
    happens(each, tmp_path, request)
