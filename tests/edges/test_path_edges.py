"""Names, folders and sizes that pictures for --mode=predict can have, and what has to happen."""

import fake_run
import numpy as np
import PIL.Image
from edges.prediction_cases import GERMAN, NAMES, Table, film, happens, look, put

from mtl_depth.commands import predict
from mtl_depth.media import image_files, inputs
from mtl_depth.prediction import loading

CASES = Table()
case = CASES.case


@case(2, "a tilde before the input and the output")
def _(at, monkeypatch):
    monkeypatch.setenv("HOME", str(at))
    put(at / "in/a.png")
    predict.run(fake_run.config(*NAMES), at / "run", "~/in", "~/out", write=["npy"])
    assert (at / "out/a_depth.npy").is_file()


@case(2, "a tilde before the run")
def _(at, monkeypatch):
    monkeypatch.setenv("HOME", str(fake_run.folder("depth").parent))
    assert loading.load_perceiver("~/depth").config.tasks.depth is not None


@case(2, "brackets in the name of a folder before a pattern")
def _(at):
    put(at / "drive [1]/b.png")
    assert look(at, str(at / "drive [1]/*.png")) == {"b_depth.npy"}


@case(2, "brackets in the name of a picture")
def _(at):
    assert look(at, put(at / "in/a[1].png")) == {"a[1]_depth.npy"}


@case(2, "a picture whose name is not UTF-8, everything written")
def _(at):
    put(at / f"in/{GERMAN}.png")
    names = {f"{GERMAN}_depth.png", f"{GERMAN}.ply", f"{GERMAN}_semantic_ids.png", "page.html", "depth.webm"}
    assert names <= look(at, at / "in", "out", "all")


@case(2, "an output folder whose name is not UTF-8")
def _(at):
    assert {"a_depth.png", "depth.webm", "page.html"} <= look(at, put(at / "in/a.png"), at / GERMAN, "all")


@case(2, "a video whose name is not UTF-8")
def _(at):
    film(at / "a.webm").rename(at / f"{GERMAN}.webm")
    assert look(at, at / f"{GERMAN}.webm", "out", "video") == {"depth.webm"}
    assert len(list(inputs.find(at / "out/depth.webm").read())) == 6


@case(2, "a percent sign in the name of a video, which OpenCV takes for a sequence of pictures")
def _(at):
    film(at / "a.webm").rename(at / "100%d.webm")
    assert len(look(at, at / "100%d.webm")) == 6


@case(2, "a Monodepth2 folder, or any other, below a tilde that is nobody's", "no such home folder")
def _(at):
    loading.load_perceiver("~nobody_of_this_name/run")


@case(2, "a link to a picture in another folder")
def _(at):
    put(at / "elsewhere/a.png")
    (at / "in").mkdir()
    (at / "in/b.png").symlink_to(at / "elsewhere/a.png")
    assert look(at, at / "in") == {"b_depth.npy"}


@case(9, "a picture 1 wide and 20,000 high")
def _(at):
    put(at / "in/a.png", np.zeros((20000, 1, 3), np.uint8))
    look(at, at / "in", "out", "depth", "color", "labels", "figure", "page", "video")
    assert PIL.Image.open(at / "out/a_depth.png").size == (1, 20000)
    for name in ("a_depth_color.png", "figure.png", "legend.png"):
        width, height = PIL.Image.open(at / "out" / name).size
        assert width * height < 5e6, name


@case(9, "a picture 20,000 wide and 1 high")
def _(at):
    put(at / "in/a.png", np.zeros((1, 20000, 3), np.uint8))
    assert "depth.webm" in look(at, at / "in", "out", "color", "figure", "video")


@case(9, "an output folder inside a file", "cannot be used")
def _(at):
    put(at / "in/a.png")
    (at / "file").write_text("")
    look(at, at / "in", at / "file/out")


@case(9, "an output folder with too long a name", "cannot be used")
def _(at):
    look(at, put(at / "in/a.png"), at / ("x" * 300))


@case(15, "a film of a picture of one pixel")
def _(at):
    put(at / "in/a.png", np.zeros((1, 1, 3), np.uint8))
    assert look(at, at / "in", "out", "video") == {"depth.webm"}
    assert len(list(inputs.find(at / "out/depth.webm").read())) == 1


@case(15, "a picture that cannot be read is not said to be damaged", "make it readable, or remove it")
def _(at, monkeypatch):
    put(at / "a.png")
    monkeypatch.setattr("os.open", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    image_files.read(at / "a.png")


@CASES.parametrize()
def test_what_has_to_happen(each, tmp_path, request, one_network):
    happens(each, tmp_path, request)
