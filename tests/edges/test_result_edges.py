"""What --mode=predict writes, and over what it never writes."""

import json

import fake_run
import numpy as np
import PIL.Image
import pytest
from edges.prediction_cases import NAMES, PICTURE, Table, film, happens, look, put

from mtl_depth.commands import export, page, predict
from mtl_depth.errors import UserError
from mtl_depth.evaluation import submission
from mtl_depth.media import inputs, video_writer, visualize
from mtl_depth.media.video_writer import Film

CASES = Table()
case = CASES.case


@case(13, "a pattern over folders with one of them as output", "--output is the folder of the input")
def _(at):
    for name in ("one", "two"):
        put(at / "in" / name / "a.png")
    look(at, str(at / "in/*/*.png"), "in/two")


@case(13, "an output that the pattern will match the next time", "lies inside the input")
def _(at):
    put(at / "in/one/a.png")
    look(at, str(at / "in/*/*.png"), "in/out")


@case(13, "an output below a pattern of any depth", "lies inside the input")
def _(at):
    put(at / "in/one/a.png")
    look(at, str(at / "in/**/*.png"), "in/new/out")


@case(13, "an output inside the folder of the input", "lies inside the input")
def _(at):
    put(at / "in/a.png")
    look(at, at / "in", "in/out")


@case(13, "an output that is the input by another name", "--output is the folder of the input")
def _(at):
    put(at / "in/a.png")
    (at / "link").symlink_to(at / "in")
    look(at, at / "in", "link")


@case(13, "an input that is a link into the output", "--output is the folder of the input")
def _(at):
    put(at / "out/a.png")
    (at / "in").mkdir()
    (at / "in/a.png").symlink_to(at / "out/a.png")
    look(at, at / "in")


@case(13, "an output next to the picture's folder, or in the folder of one picture's folder, is fine")
def _(at):
    put(at / "street.png")
    assert look(at, at / "street.png", "results") == {"street_depth.npy"}
    assert look(at, str(at / "*.png"), "others") == {"street_depth.npy"}


@case(13, "three pictures whose names are one without endings")
def _(at):
    for index, name in enumerate(("a.png", "a.jpg", "a_png.bmp")):
        put(at / "in" / name, np.full((8, 8, 3), 100 * index, np.uint8))
    assert len(look(at, at / "in")) == 3


@case(13, "names that only a case-sensitive file system keeps apart")
def _(at):
    put(at / "in/A.png")
    put(at / "in/a.jpg")
    assert len({name.casefold() for name in look(at, at / "in")}) == 2


@case(13, "two folders whose pictures have the same names")
def _(at):
    for name in ("x/a.png", "y/a.png", "y/a_png_2.png"):
        put(at / name)
    assert len(look(at, str(at / "[xy]/*.png"))) == 3


@case(13, "a page of the user's own in the output folder")
def _(at, capsys):
    put(at / "in/a.png")
    (at / "out").mkdir()
    (at / "out/page.html").write_text("mine")
    look(at, at / "in", "out", "page")
    assert (at / "out/page.html").read_text() == "mine" and (at / "out_2/page.html").stat().st_size > 9999
    assert f"results go to {at}/out_2" in capsys.readouterr().err


@case(13, "the same command again")
def _(at):
    put(at / "in/a.png")
    look(at, at / "in", "out", "npy", "cloud")
    (at / "in/a.png").rename(at / "in/b.png")
    assert look(at, at / "in") == {"b_depth.npy"} and not (at / "out_2").exists()


@case(13, "a result that somebody has edited")
def _(at):
    put(at / "in/a.png")
    look(at, at / "in")
    (at / "out/a_depth.npy").write_bytes(b"edited")
    assert look(at, at / "in") == {"a_depth.npy"}
    assert (at / "out/a_depth.npy").read_bytes() == b"edited" and (at / "out_2/a_depth.npy").is_file()


@case(13, "notes of the user's own beside earlier results")
def _(at):
    put(at / "in/a.png")
    look(at, at / "in")
    (at / "out/notes.txt").write_text("mine")
    look(at, at / "in")
    assert (at / "out/notes.txt").is_file() and (at / "out_2/a_depth.npy").is_file()
    (at / "in/b.png").write_bytes((at / "in/a.png").read_bytes())
    look(at, at / "in")  # the numbered folder is replaced in its turn
    assert (at / "out_2/b_depth.npy").is_file() and not (at / "out_3").exists()


@case(13, "a folder of the user's own beside earlier results")
def _(at):
    put(at / "in/a.png")
    look(at, at / "in")
    (at / "out/mine").mkdir()
    look(at, at / "in")
    assert (at / "out_2/a_depth.npy").is_file()


@case(13, "a run that was killed half way")
def _(at, monkeypatch):
    put(at / "in/a.png")
    put(at / "in/b.png")
    with monkeypatch.context() as patch:
        patch.setattr("mtl_depth.prediction.results.classes", lambda one: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            look(at, at / "in")
    assert look(at, at / "in") == {"a_depth.npy", "b_depth.npy"} and not (at / "out_2").exists()


@case(13, "an output that is a file", "is a file; give a folder")
def _(at):
    put(at / "in/a.png")
    (at / "out").write_text("mine")
    look(at, at / "in")


@case(13, "a marker that names a file elsewhere")
def _(at):
    put(at / "in/a.png")
    (at / "precious").write_text("mine")
    look(at, at / "in")
    marker = next(file for file in (at / "out").iterdir() if file.name.startswith("."))
    marker.write_text(marker.read_text() + json.dumps({"file": "../precious"}) + "\n")
    look(at, at / "in")
    assert (at / "precious").read_text() == "mine"


@case(13, "a page over notes of the user's own", "is not a page that mtl_depth wrote")
def _(at):
    (at / "notes.html").write_text("<html><title>mine</title>")
    page.run([fake_run.folder("depth")], output=str(at / "notes.html"))


@case(13, "a page over an earlier one")
def _(at, monkeypatch):
    monkeypatch.setattr(page, "_evaluation_frames", lambda _: {})
    for _ in range(2):
        page.run([fake_run.folder("depth")], output=str(at / "page.html"))


@case(13, "an export over published weights", "encoder.pth is not a result of an earlier --mode=export")
def _(at):
    (at / "encoder.pth").write_bytes(b"weights of others")
    export.run(fake_run.config("depth"), at, "monodepth2", at)


@case(13, "an export over an earlier one, not over one that was edited")
def _(at):
    config = fake_run.config("depth")
    for _ in range(2):
        export.run(config, at, "safetensors", at / "out")
    (at / "out/model.safetensors").write_bytes(b"edited")
    with pytest.raises(UserError, match="would be lost"):
        export.run(config, at, "safetensors", at / "out")
    assert (at / "out/model.safetensors").read_bytes() == b"edited"


@case(13, "an export beside files of the user's own")
def _(at, capsys):
    (at / "out").mkdir()
    (at / "out/notes.txt").write_text("mine")
    export.run(fake_run.config("depth"), at, "safetensors", at / "out")
    assert "model.safetensors" in capsys.readouterr().err and (at / "out/notes.txt").read_text() == "mine"


@case(4, "test pictures of a submission that are JPEG, copied, or of another system")
def _(at, capsys):
    folder = at / "data_2d_test/2013_05_28_drive_0008_sync/image_00/data_rect"
    for name in ("0000000001.png", "0000000002.jpg", "0000000001 (2).png"):
        put(folder / name)
    (folder / "._0000000001.png").write_bytes(b"x")
    found = list(submission.test_pictures(at))
    assert [stem for stem, _ in found] == ["0008_0000000001", "0008_0000000002"]
    assert "1 hidden (._0000000001.png); 1 not named by a number (0000000001 (2).png)" in capsys.readouterr().err


@case(13, "a video cut to two thirds")
def _(at, capsys):
    film(at / "whole.webm", 12)
    content = (at / "whole.webm").read_bytes()
    (at / "cut.webm").write_bytes(content[: len(content) * 2 // 3])
    look(at, at / "cut.webm", "out", "video")
    assert "promises 12 frames, and" in capsys.readouterr().err


@case("files", "label ids of the semantic and the instance pictures")
def _(at):
    look(at, put(at / "in/a.png"), "out", "labels")
    seen = fake_run.perceiver(*NAMES)
    labels, values = (PIL.Image.open(at / f"out/a_{name}_ids.png") for name in ("semantic", "instance"))
    np.testing.assert_array_equal(np.asarray(labels), seen.labels(PICTURE))
    np.testing.assert_array_equal(np.asarray(values), seen.instances(PICTURE))
    assert labels.mode == "L" and values.mode == "I;16"
    assert PIL.Image.open(at / "out/legend.png").size[1] >= 24


@case("files", "the legend names each class beside its colour")
def _(at):
    colours = np.array([(250, 10, 10), (10, 10, 250)], np.uint8)
    legend = visualize.class_legend(["car", "road"], colours, width=240)
    assert (legend[12, 15] == colours[0]).all() and (legend[36, 15] == colours[1]).all()
    assert legend[:24, 40:].min() < 120 > legend[24:, 40:].min()  # ink


@case("files", "depth without metres fills 16 bits and says its factor")
def _(at):
    look(at, put(at / "in/a.png"), "out", "depth", "npy")
    factor = json.loads((at / "out/a_depth.json").read_text())["factor"]
    stored = np.asarray(PIL.Image.open(at / "out/a_depth.png")).astype(np.float64)
    assert stored.max() == 65535
    np.testing.assert_allclose(stored / factor, np.load(at / "out/a_depth.npy"), rtol=1e-4)


@case("files", "metres beyond 255.99 are said to be cut")
def _(at, monkeypatch, capsys):
    monkeypatch.setattr("mtl_depth.prediction.predictor.Perceiver.metric", True)
    monkeypatch.setitem(predict.results.RESIZE, "depth", lambda depth, size: np.full(size, 300.0, np.float32))
    assert look(at, put(at / "in/a.png"), "out", "depth") == {"a_depth.png"}
    assert np.asarray(PIL.Image.open(at / "out/a_depth.png")).max() == 65535
    assert "In 1 pictures depth lies beyond 256.00 m" in capsys.readouterr().err.replace("255.99", "256.00")


@case("files", "the film is VP9 in WebM")
def _(at):
    content = film(at / "a.webm").read_bytes()
    assert content[:4] == b"\x1a\x45\xdf\xa3" and b"webm" in content[:64] and b"V_VP9" in content[:999]


@case("files", "nothing of OpenCV's reaches the screen while a film is written")
def _(at, capfd):
    film(at / "a.webm")
    assert capfd.readouterr().err == ""


@case("files", "a film keeps the rate of its source")
def _(at):
    look(at, film(at / "a.webm", rate=12.5), "out", "video")
    made = inputs.find(at / "out/depth.webm")
    assert made.rate == pytest.approx(12.5) and len(list(made.read())) == 6


@case("files", "sides of a film are limited")
def _(at):
    made = Film(at / "a.webm", 10.0)
    made.add([np.zeros((3000, 40, 3), np.uint8)] * 3)
    made.close()
    assert inputs.footage.open_film(at / "a.webm").size[0] <= video_writer._LONGEST


@CASES.parametrize()
def test_what_has_to_happen(each, tmp_path, request, one_network):
    happens(each, tmp_path, request)
