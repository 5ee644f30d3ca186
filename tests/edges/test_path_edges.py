"""Names, folders and sizes that pictures for --mode=predict can have, and what has to happen."""

import command_line
import fake_run
import numpy as np
import PIL.Image
import pytest
from edges.prediction_cases import GERMAN, NAMES, Table, film, happens, look, put

from mtl_depth import table
from mtl_depth.commands import arguments, evaluate_folder, export, page, predict, serve
from mtl_depth.errors import UserError
from mtl_depth.media import image_files, inputs
from mtl_depth.prediction import loading
from tfds_kitti360.city import __main__ as city

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


@case(2, "a tilde in quotes, before a flag's value and behind an equals sign")
def _(at, monkeypatch):
    monkeypatch.setenv("HOME", str(at))
    flags = arguments.as_flags(["main", "--workdir", "~/run", "--output=~/out", "~"], (), starter=())
    assert flags[1:] == ["--workdir", f"{at}/run", f"--output={at}/out", "~"]


@case(2, "a tilde before a page and its run")
def _(at, monkeypatch):
    monkeypatch.setenv("HOME", str(fake_run.folder("depth").parent))
    monkeypatch.setattr(page, "_evaluation_frames", lambda _: {})
    monkeypatch.chdir(at)
    page.run(["~/depth"], output="~/a.html")
    assert (fake_run.folder("depth").parent / "a.html").is_file() and not (at / "~").exists()


@case(2, "a tilde before a city and before the file of a table")
def _(at, monkeypatch):
    monkeypatch.setenv("HOME", str(at / "home"))
    monkeypatch.chdir(at)
    drawn = []
    monkeypatch.setattr(city, "_draw", lambda out, settings: drawn.append(out))
    assert city.main(["--out=~/city"]) == 0 and drawn == [at / "home/city"]
    monkeypatch.setattr(table, "load", lambda folder: table.Run(folder, "", fake_run.config("depth"), {}))
    for name in ("rows", "segmentation", "notes"):
        monkeypatch.setattr(table, name, lambda _: [])
    monkeypatch.setattr(table, "table", lambda _: "")
    assert table.main(["~/run", "--json=~/home.json"]) == 0
    assert (at / "home/home.json").is_file() and [path.name for path in at.iterdir()] == ["home"]


@case(2, "a flag of a path that has no value", "--output has an empty value")
def _(at):
    failed = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.print", lambda *words, **_: failed.append(" ".join(words)))
        status = command_line.run("--mode=predict", f"--workdir={fake_run.folder('depth')}", "--output=")
    assert status == 2
    raise UserError(failed[-1])


@case(1, "a port that no machine has", "ports are 0 to 65535")
def _(at, monkeypatch):
    monkeypatch.setattr(serve, "make_app", lambda *_, **__: None)
    serve.run(fake_run.config("depth"), at, host="127.0.0.1", port=65536)


@case(1, "a port below zero", "ports are 0 to 65535")
def _(at, monkeypatch):
    monkeypatch.setattr(serve, "make_app", lambda *_, **__: None)
    serve.run(fake_run.config("depth"), at, host="127.0.0.1", port=-1)


@case(1, "a scale of truth without end", "--truth_scale=inf must be positive and finite")
def _(at):
    evaluate_folder.run(fake_run.config("depth"), at, input=str(at), truth=at, scale=float("inf"))


@case(1, "more images at a time than any memory holds", "number of images up to 4096")
def _(at):
    export.run(fake_run.config("depth"), at, "onnx", at / "out", batch="4097")


@case(1, "a number of another script", "number of images up to 4096")
def _(at):
    export.run(fake_run.config("depth"), at, "onnx", at / "out", batch="\u00b2")


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
