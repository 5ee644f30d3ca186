"""What people hand to the Python call, and what has to happen: (case, what they did, the answer or the sentence)."""

import copy
import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import fake_run
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from mtl_depth.errors import UserError
from mtl_depth.media import image_files
from mtl_depth.prediction import loading
from mtl_depth.tasks import assemble

SIZE = (45, 131)
BYTES = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
BYTES[0, 0], BYTES[0, 1] = 0, 255
GREY = np.repeat(BYTES[..., :1], 3, axis=-1)
CAMERA = (120.0, 118.0, 64.0, 22.0)


def eye():
    return fake_run.perceiver("depth", "semantic", "instance")


class Same(NamedTuple):
    """`did` answers what `as_if` answers, to the last bit."""

    case: str
    did: Callable[..., Any]
    as_if: Callable[..., Any]


class Refused(NamedTuple):
    """`did` is met by a sentence with these words in this order."""

    case: str
    did: Callable[..., Any]
    sentence: str


def depth(given, **options):
    return lambda at: eye().depth(given(at) if callable(given) else given, **options)


def seen(given):
    return lambda at: np.asarray(eye().perceive(given)["depth"])


def saved(name, array, **options):
    def write(at):
        PIL.Image.fromarray(array).save(at / name, **options)
        return at / name

    return write


def turned():
    """A PIL picture whose orientation mark asks for a quarter turn clockwise."""
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    return exif


FLOATS = BYTES / 255.0
BATCH = np.stack([BYTES, BYTES[::-1]])
SAME = [
    Same("float64 in [0, 1]", depth(FLOATS), depth(BYTES)),
    Same("float32 in [0, 1]", depth(FLOATS.astype(np.float32)), depth(BYTES)),
    Same("perceive of one picture's bytes", seen(BYTES), seen(FLOATS[None])),
    Same("perceive of a batch of bytes", seen(BATCH), seen((BATCH / 255).astype(np.float32))),
    Same("perceive of float64 at the network's size", seen(np.full((1, *fake_run.SIZE, 3), 0.5)),
         seen(np.full((1, *fake_run.SIZE, 3), 0.5, np.float32))),
    Same("a path", depth(saved("a.png", BYTES)), depth(BYTES)),
    Same("a path as text", lambda at: eye().depth(str(saved("a.png", BYTES)(at))), depth(BYTES)),
    Same("a PIL picture", depth(lambda at: PIL.Image.fromarray(BYTES)), depth(BYTES)),
    Same("a grey PIL picture", depth(lambda at: PIL.Image.fromarray(BYTES[..., 0])), depth(GREY)),
    Same("a PIL picture with opacity", depth(lambda at: PIL.Image.fromarray(np.dstack([BYTES, BYTES[..., :1]]))),
         depth(BYTES)),
    Same("a PIL picture of 16 bits", depth(lambda at: PIL.Image.fromarray(BYTES[..., 0].astype(np.uint16) * 257)),
         depth(GREY)),
    Same("a PIL picture that lies on its side",
         depth(lambda at: PIL.Image.open(saved("a.png", BYTES, exif=turned())(at))),
         depth(np.ascontiguousarray(np.rot90(BYTES, -1)))),
    Same("a jax array", depth(lambda at: jnp.asarray(BYTES)), depth(BYTES)),
    Same("a jax array of bfloat16", depth(lambda at: jnp.asarray(GREY > 100, jnp.bfloat16)),
         depth(np.where(GREY > 100, np.uint8(255), np.uint8(0)))),
    Same("grey, height x width", depth(BYTES[..., 0]), depth(GREY)),
    Same("grey, height x width x 1", depth(BYTES[..., :1]), depth(GREY)),
    Same("grey floats", depth(FLOATS[..., 0]), depth(GREY)),
    Same("RGBA", depth(np.dstack([BYTES, BYTES[..., 0]])), depth(BYTES)),
    Same("16 bits", depth(BYTES.astype(np.uint16) * 257), depth(BYTES)),
    Same("12 bits in 16", depth(((BYTES.astype(np.int32) * 4095 + 254) // 255).astype(np.uint16)),
         depth(BYTES)),
    Same("bytes as int64", depth(BYTES.astype(np.int64)), depth(BYTES)),
    Same("a view with strides", depth(BYTES[:, ::-1][:, ::-1]), depth(BYTES)),
    Same("floats a hair above 1, as interpolation leaves them", depth(np.minimum(FLOATS * 1.0001, 1.0001)),
         depth(np.clip(FLOATS * 1.0001, 0, 1))),
    Same("a batch", lambda at: eye().depth(BATCH), lambda at: np.stack([eye().depth(each) for each in BATCH])),
    Same("labels of floats", lambda at: eye().labels(FLOATS), lambda at: eye().labels(BYTES)),
    Same("instances of a PIL picture", lambda at: eye().instances(PIL.Image.fromarray(BYTES)),
         lambda at: eye().instances(BYTES)),
    Same("a cloud with a matrix",
         lambda at: eye().cloud(BYTES, intrinsics=np.array([[120, 0, 64], [0, 118, 22], [0, 0, 1]])).points,
         lambda at: eye().cloud(FLOATS, intrinsics=CAMERA).points),
    Same("a cloud of each of two pictures with a camera each",
         lambda at: eye().cloud([BYTES, BYTES], intrinsics=[CAMERA, (240, 118, 64, 22)])[1].points,
         lambda at: eye().cloud(BYTES, intrinsics=(240, 118, 64, 22)).points),
]  # fmt: skip

REFUSED = [
    Refused("floats of 0 to 255", depth(BYTES.astype(np.float32)), r"float32 \[45 131 3\].*up to 255.*float: 0 to 1"),
    Refused("perceive of floats of 0 to 255", seen(BATCH.astype(np.float32)), "up to 255"),
    Refused("floats divided by 255 twice", depth(FLOATS / 255), "divided by 255 twice"),
    Refused("NaN", depth(np.where(GREY > 250, np.nan, FLOATS)), "not finite"),
    Refused("infinity in a batch", seen(np.full((1, *fake_run.SIZE, 3), np.inf, np.float32)), "not finite"),
    Refused("normalised by mean and deviation", depth(FLOATS - 0.45), "negative values, down to -0.45"),
    Refused("negative whole numbers", depth(BYTES.astype(np.int16) - 128), "negative values, down to -128"),
    Refused("channels first", depth(BYTES.transpose(2, 0, 1)), r"uint8 \[3 45 131\], with channels first"),
    Refused("a batch with channels first", seen(BATCH.transpose(0, 3, 1, 2)), "with channels first"),
    Refused("a mask", depth(BYTES > 100), r"bool \[45 131 3\].*wrong dtype"),
    Refused("an array of objects", depth(BYTES.astype(object)), "object.*wrong dtype"),
    Refused("complex numbers", depth(FLOATS.astype(np.complex64)), "complex64"),
    Refused("int64 above 255", depth(BYTES.astype(np.int64) * 4), "up to 1020"),
    Refused("two channels", depth(BYTES[..., :2]), r"\[45 131 2\].*shape"),
    Refused("one row of numbers", depth(BYTES[0, :, 0]), r"\[131\].*shape"),
    Refused("a stack of batches", depth(BATCH[None]), "shape"),
    Refused("no pixels", depth(BYTES[:0]), r"\[0 131 3\].*shape"),
    Refused("an empty list", depth([]), "an empty list"),
    Refused("an empty batch", depth(BATCH[:0]), "an empty batch"),
    Refused("None, as OpenCV reads a file that is not there", depth(None), "NoneType"),
    Refused("encoded bytes", depth(b"\x89PNG"), "bytes"),
    Refused("numbers in lists", depth([[0.5, 0.5, 0.5]]), "list"),
    Refused("a path to nothing", depth("absent.png"), "absent.png cannot be read"),
    Refused("a cut PIL picture", lambda at: eye().depth(cut(at)), "cannot be read"),
    Refused("a transposed matrix", lambda at: eye().cloud(BYTES, intrinsics=[[120, 0, 0], [0, 118, 0], [64, 22, 1]]),
            "are not those of 1 pictures"),
    Refused("three numbers as a camera", depth(BYTES, intrinsics=(120, 64, 22)), r"intrinsics=.*3x3 matrix"),
    Refused("a camera that is text", depth(BYTES, intrinsics=[["a"]]), r"intrinsics=.*3x3 matrix"),
    Refused("a focal length below zero", depth(BYTES, intrinsics=(-120.0, 118, 64, 22)), "are not a camera's"),
    Refused("three cameras for two pictures", depth(BATCH, intrinsics=[CAMERA] * 3), "those of 2 pictures"),
    Refused("labels of a network without them", lambda at: fake_run.perceiver("depth").labels(BYTES),
            "without the semantic task.*config.tasks.semantic"),
    Refused("instances of a network without them", lambda at: fake_run.perceiver("depth").instances(BYTES),
            "config.tasks.instance"),
    Refused("a way to average that does not exist",
            lambda at: loading.load_perceiver(fake_run.folder("depth"), flip="both"), "flip_average='both'"),
]  # fmt: skip


def cut(at):
    saved("whole.png", BYTES)(at)
    (at / "cut.png").write_bytes((at / "whole.png").read_bytes()[:4000])
    return PIL.Image.open(at / "cut.png")


@pytest.mark.parametrize("case", SAME, ids=lambda case: case.case)
def test_is_answered_as_the_bytes_are(case, tmp_path):
    np.testing.assert_array_equal(case.did(tmp_path), case.as_if(tmp_path))


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.case)
def test_is_refused(case, tmp_path):
    with pytest.raises(UserError, match=case.sentence):
        case.did(tmp_path)


def test_pictures_differ_and_come_back_at_their_own_sizes(tmp_path):
    given = [BYTES, saved("a.png", BYTES[:20, :30])(tmp_path)]
    first, second = eye().depth(given)
    assert first.shape == SIZE and second.shape == (20, 30) and first.dtype == np.float32
    assert np.abs(first[:20, :30] - second).max() > 1e-3
    assert eye().labels(BYTES).shape == SIZE and eye().labels(BYTES).dtype == np.uint8
    assert eye().instances(BYTES).shape == SIZE and eye().instances(BYTES).dtype == np.int32


def test_other_sizes_compile_nothing():
    eye().depth(BYTES)
    compiled = eye()._perceive._cache_size()
    for shape in ((20, 31), (64, 96), (300, 7)):
        eye().depth(np.zeros((*shape, 3), np.uint8))
        eye().labels(np.zeros((*shape, 3), np.uint8))
        eye().cloud(np.zeros((*shape, 3), np.uint8), intrinsics=CAMERA)
    assert eye()._perceive._cache_size() == compiled


def test_it_is_named_in_one_line():
    assert repr(eye()) == "Perceiver(depth, semantic, instance at 64x96, depth up to scale)"
    assert repr(fake_run.perceiver("semantic")) == "Perceiver(semantic at 64x96)"


def test_a_cloud_without_a_camera_says_what_it_assumes(capsys, monkeypatch):
    monkeypatch.setattr("mtl_depth.prediction.cameras._say_once", lambda sentence: print(sentence))
    cloud = eye().cloud(BYTES)
    assert "a horizontal field of view of 70 degrees is assumed" in capsys.readouterr().out
    assert len(cloud.points) == len(cloud.colors) > 100
    limit = eye().cloud(BYTES, intrinsics=CAMERA, farthest=float(np.median(eye().depth(BYTES)))).points[:, 2]
    assert limit.max() <= np.median(eye().depth(BYTES))


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    image_files.write(tmp_path / "a.png", BYTES)
    np.testing.assert_array_equal(eye().depth("~/a.png"), eye().depth(BYTES))


def test_depth_of_a_canonical_camera_grows_with_the_focal_length(capsys, monkeypatch):
    monkeypatch.setattr("mtl_depth.prediction.cameras._say_once", lambda sentence: print(sentence))
    config = copy.deepcopy(eye().config)
    config.tasks.depth.canonical_focal = 0.5  # fx / width
    canonical = dataclasses.replace(eye(), config=config, tasks=assemble(config.model, config.tasks)[1])
    plain = eye().depth(BYTES)
    # fx 131 of 131 pixels is twice the canonical 0.5
    np.testing.assert_allclose(canonical.depth(BYTES, intrinsics=(131, 131, 65, 22)), 2 * plain, rtol=1e-5)
    both = canonical.perceive(BATCH, intrinsics=[(131, 131, 65, 22), (65.5, 65.5, 65, 22)])["depth"]
    np.testing.assert_allclose(both, eye().perceive(BATCH)["depth"] * np.array([2, 1])[:, None, None], rtol=1e-5)
    assert not capsys.readouterr().out
    # without a camera: 70 degrees, fx / width = 1 / (2 tan 35) = 0.714
    np.testing.assert_allclose(canonical.depth(BYTES), plain * 0.7141 / 0.5, rtol=1e-3)
    assert "70 degrees is assumed" in capsys.readouterr().out
