"""Ground truth of people's own, as --mode=evaluate --truth meets it, and what has to happen."""

import json
import sys

import cv2
import fake_run
import numpy as np
import PIL.Image
import pytest
from edges.prediction_cases import PICTURE, Table, happens, put

from mtl_depth.commands import evaluate_folder

CASES = Table()
case = CASES.case


def seen(picture=PICTURE):
    return fake_run.perceiver("depth", "semantic", "instance").depth(picture)


def score(at, truth=None, *, name="a_depth.npy", scale=256.0, crop="", workdir=None):
    """--truth with one picture; `truth` is saved under `name`, by default the network's own answer."""
    put(at / "in/a.png")
    (at / "truth").mkdir(exist_ok=True)
    truth = seen() if truth is None else truth
    if isinstance(truth, bytes):
        (at / "truth" / name).write_bytes(truth)
    elif name.lower().endswith(".npy"):
        with (at / "truth" / name).open("wb") as file:
            np.save(file, truth)
    else:
        (at / "truth" / name).write_bytes(cv2.imencode(name[name.rindex(".") :], truth)[1].tobytes())
    config = fake_run.config("depth")
    config.tasks.depth.crop = crop
    return evaluate_folder.run(config, workdir or at, input=str(at / "in"), truth=at / "truth", scale=scale)


# a truth of another cut


@case(7, "the middle of the picture only", r"a_depth.npy is 24x24 and its picture 24x40 \(height x width\)")
def _(at):
    score(at, seen()[:, 8:32])


@case(7, "the lower half only, as some loaders crop the sky", "aspect ratios differ")
def _(at):
    score(at, seen()[12:])


@case(7, "turned by a quarter", "is 40x24 and its picture 24x40")
def _(at):
    score(at, np.rot90(seen()))


@case(7, "a telephone's upright picture with the sensor's truth", "aspect ratios differ")
def _(at):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    put(at / "in/b.png", exif=exif)
    (at / "truth").mkdir()
    np.save(at / "truth/b.npy", seen())
    score(at)


@case(7, "half the size in each direction, or three times")
def _(at):
    assert score(at, cv2.resize(seen(), (20, 12)))["frames"] == 1
    assert score(at, cv2.resize(seen(), (120, 72)))["frames"] == 1


@case(7, "a third, where whole pixels round the ratio of sides")
def _(at):
    assert score(at, cv2.resize(seen(), (13, 8)))["frames"] == 1


# far, unknown and impossible values


@case(7, "sky at 655 m")
def _(at, capsys):
    truth = seen().copy()
    truth[:16] = 655.35
    result = score(at, truth)
    assert result["scale"]["median"] == pytest.approx(1, rel=1e-3) and result["coverage"] == pytest.approx(1 / 3)
    assert "covers 33.3% of the pixels" in capsys.readouterr().err


@case(7, "ratio and coverage are of the crop that is scored")
def _(at):
    truth = seen().copy()
    truth[:8] *= 1000  # near enough to count, above the crop of Garg et al., whose first row is 0.408 x 24 = 9
    inside = score(at, truth, crop="garg")
    assert inside["scale"]["median"] == pytest.approx(1, rel=1e-3) and inside["coverage"] == 1


@case(7, "unknown as NaN, infinity, 0 or -1")
def _(at):
    truth = seen().copy()
    truth[0], truth[1], truth[2], truth[3] = np.nan, np.inf, 0, -1
    result = score(at, truth)
    assert result["coverage"] == pytest.approx(20 / 24) and result["depth"]["unscaled"]["abs_rel"] < 1e-2


@case(7, "depth along an axis that points backwards", "no value above 0")
def _(at):
    score(at, -seen())


@case(7, "a mask of 16 bits", "holds one value besides 0, 65535: that is a mask")
def _(at):
    score(at, np.where(PICTURE[..., 0] > 100, 65535, 0).astype(np.uint16), name="a.png")


@case(7, "a mask of floats", "that is a mask")
def _(at):
    score(at, (PICTURE[..., 0] > 100).astype(np.float32))


# kinds of numbers and of files


@case(7, "a mask of bools", "has bool pixels")
def _(at):
    score(at, PICTURE[..., 0] > 100)


@case(7, "8 bits in a .npy", "has uint8 pixels; depth is a PNG of 16 bits")
def _(at):
    score(at, PICTURE[..., 0])


@case(7, "a coloured depth picture", "has uint8 pixels")
def _(at):
    score(at, PICTURE, name="a.png")


@case(7, "complex numbers", "has complex128 pixels")
def _(at):
    score(at, seen().astype(np.complex128))


@case(7, "numbers stored with the other byte order")
def _(at):
    assert score(at, seen().astype(">f4"))["depth"]["unscaled"]["abs_rel"] < 1e-2


@case(7, "doubles, halves and whole numbers")
def _(at):
    assert score(at, seen().astype(np.float64))["depth"]["unscaled"]["abs_rel"] < 1e-2
    assert score(at, seen().astype(np.float16))["depth"]["unscaled"]["abs_rel"] < 1e-2
    whole = score(at, np.rint(seen() * 10000).astype(np.int32), scale=10000.0)
    assert whole["depth"]["unscaled"]["abs_rel"] < 1e-2


@case(7, "a channel axis at the end", r"has the shape \(24, 40, 1\)")
def _(at):
    score(at, seen()[..., None])


@case(7, "a batch axis in front", r"has the shape \(1, 24, 40\)")
def _(at):
    score(at, seen()[None])


@case(7, "a number", r"has the shape \(\)")
def _(at):
    score(at, np.float32(3))


@case(7, "an empty .npy", "a_depth.npy cannot be read")
def _(at):
    score(at, b"")


@case(7, "a cut .npy", "a_depth.npy cannot be read")
def _(at):
    np.save(at / "whole.npy", seen())
    score(at, (at / "whole.npy").read_bytes()[:200])


@case(7, "a pickle", "a_depth.npy cannot be read")
def _(at):
    np.save(at / "whole.npy", np.array([{"depth": 1}], object), allow_pickle=True)
    score(at, (at / "whole.npy").read_bytes())


@case(7, "a PNG of no bytes", "a.png cannot be read")
def _(at):
    score(at, b"", name="a.png")


# names


@case(7, "capital letters in the ending")
def _(at):
    assert score(at, name="a.NPY")["frames"] == 1


@case(7, "what another system leaves beside it")
def _(at, capsys):
    (at / "truth").mkdir()
    (at / "truth/._a.npy").write_bytes(b"\0\5\x16\7")
    assert score(at)["frames"] == 1 and "have no picture" not in capsys.readouterr().err


@case(7, "two files for one picture", "a.png and a_depth.npy are both truth of the picture a")
def _(at):
    (at / "truth").mkdir()
    (at / "truth/a.png").write_bytes(cv2.imencode(".png", np.rint(seen() * 256).astype(np.uint16))[1].tobytes())
    score(at)


@case(2, "a tilde before the truth")
def _(at, monkeypatch):
    score(at)
    monkeypatch.setenv("HOME", str(at))
    config = fake_run.config("depth")
    assert evaluate_folder.run(config, at, input="~/in", truth="~/truth")["frames"] == 1


# what happens to the scores


@case(3, "a run folder that cannot be written is said before the work", "cannot be used")
def _(at, monkeypatch):
    (at / "file").write_text("")
    monkeypatch.setattr("mtl_depth.prediction.predictor.Perceiver.perceive_padded", lambda *_, **__: 1 / 0)
    score(at, workdir=at / "file")


@case(3, "a disk that is full at the end: the scores are on the screen")
def _(at, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mtl_depth.runtime.log.write_json", full)
    with pytest.raises(OSError):
        score(at)
    assert "ours, unscaled" in capsys.readouterr().out


@case(9, "a pipe that nobody reads any more: the scores are saved")
def _(at, monkeypatch):
    class Closed:
        def write(self, text):
            raise BrokenPipeError(32, "Broken pipe")

        flush = write

    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Closed())
        score(at)
    assert json.loads((at / "evaluation_own.json").read_text())["frames"] == 1


@CASES.parametrize()
def test_what_has_to_happen(each, tmp_path, request, one_network):
    happens(each, tmp_path, request)
