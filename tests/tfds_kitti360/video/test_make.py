"""The build command on videos: what is kept, what is stored, what is said."""

import contextlib
import io
import re

import cv2
import numpy as np
import own_video
import pytest
import tensorflow_datasets as tfds

from tfds_kitti360.build import main
from tfds_kitti360.layout import Calibration
from tfds_kitti360.video.make import network_size

DRIVEN = [4 * step for step in range(20)]


def build(folder, *options):
    """Exit status, what was printed, what was complained of."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([f"--data_dir={folder}", *options])
    complaint = [line for line in err.getvalue().replace("\r", "\n").splitlines() if line.startswith("error: ")]
    return status, out.getvalue(), "\n".join(complaint)


def built(folder):
    return tfds.builder_from_directory(str(folder / "kitti360" / "1.0.0"))


def test_a_folder_becomes_a_data_set(tmp_path):
    images = own_video.frames(DRIVEN)
    frames = own_video.folder(tmp_path / "frames", images)
    status, said, _ = build(tmp_path / "out", f"--video={frames}", "--intrinsics=150,150,80,50", "--size=64x96")
    assert status == 0
    drive = built(tmp_path / "out").info.metadata["drives"]["0000"]
    assert drive["frames"] == list(range(20)) and drive["splits"] == "t" * 16 + "--" + "v" * 2
    records = list(built(tmp_path / "out").as_data_source("drive_0000"))
    np.testing.assert_array_equal(records[7]["image"], cv2.resize(images[7], (96, 64), interpolation=cv2.INTER_AREA))
    # 150 * 96 / 160 = 90, (80 + 0.5) * 0.6 - 0.5 = 47.8; 150 * 64 / 96 = 100, (50 + 0.5) * 2 / 3 - 0.5 = 33.1667
    expected = [[90, 0, 47.8], [0, 100, 33.16666667], [0, 0, 1]]
    np.testing.assert_allclose(records[0]["intrinsics"], expected, rtol=1e-6)
    assert not any(records[0][f"has_{kind}"] for kind in ("pose", "depth", "semantic", "instance"))
    for words in ("20 frames of 96x160", "left out: 0 (0%)", "a field of view of 56 degrees across", "2.5% of the"):
        assert words in said, said
    assert (tmp_path / "out/video_frames/example_warp.png").exists()
    assert Calibration.load(tmp_path / "out/video_frames").size == (64, 96)


def test_standing_frames_go_and_a_cut_breaks_the_drive(tmp_path):
    places = [*range(0, 40, 4), *[36] * 15, *range(40, 80, 4)]
    images = own_video.frames(places) + own_video.frames(range(0, 40, 4), seed=5)
    frames = own_video.folder(tmp_path / "frames", images)
    status, said, _ = build(tmp_path / "out", f"--video={frames}", "--fov=60", "--size=64x96")
    assert status == 0 and "left out: 15 (33%); kept 30; cuts: 1" in said
    ids = built(tmp_path / "out").info.metadata["drives"]["0000"]["frames"]
    assert ids == [*range(20), *range(1020, 1030)]
    origins = (tmp_path / "out/video_frames/data_2d_raw/2013_05_28_drive_0000_sync/image_00/origins.txt").read_text()
    assert origins.splitlines()[10] == "0000000010 frame25.png"


def test_several_films_are_several_drives(tmp_path):
    for name, seed in (("a", 0), ("b", 3)):
        own_video.film(tmp_path / f"{name}.mp4", own_video.frames(DRIVEN, seed=seed))
    options = [f"--video={tmp_path / 'a.mp4'}", f"--video={tmp_path / 'b.mp4'}", "--fov=60", "--size=64x96"]
    status, said, _ = build(tmp_path / "out", *options)
    assert status == 0 and "40 frames of drives 0000, 0001" in said
    before = (tmp_path / "out/video_frames").stat().st_ino
    assert "already built" in build(tmp_path / "out", *options)[1]
    assert (tmp_path / "out/video_frames").stat().st_ino == before
    status, _, complaint = build(tmp_path / "out", *options[:2], "--fov=61", "--size=64x96")
    assert status == 2 and "other videos or settings" in complaint


def test_warnings_are_in_plain_words(tmp_path):
    frames = own_video.folder(tmp_path / "frames", own_video.frames([0, 4, 8] + [12] * 10, size=(96, 64)))
    status, said, _ = build(tmp_path / "out", f"--video={frames}", "--intrinsics=0.9,0.6,0.5,0.5", "--size=64x64")
    assert status == 0
    for words in ("is portrait (96x64", "moves too little: 9 of 13", "taken as fractions", "4 frames are few"):
        assert any(line.startswith("warning: ") and words in line for line in said.splitlines()), (words, said)
    fast = own_video.folder(tmp_path / "fast", [own_video.frames([0], seed=seed)[0] for seed in range(8)])
    status, said, complaint = build(tmp_path / "out2", f"--video={fast}", "--fov=60", "--size=64x96")
    assert re.search("jumps [67] times in 8 frames", said) and status == 2 and "usable clip" in complaint


BAD = {
    "still": (lambda path: own_video.folder(path / "f", own_video.frames([3] * 9)), [], "of which 1 show motion"),
    "larger": (
        lambda path: own_video.folder(path / "f", own_video.frames(DRIVEN)),
        ["--size=64x192"],
        "never enlarged",
    ),
    "tiny": (lambda path: own_video.folder(path / "f", own_video.frames(DRIVEN, size=(48, 90))), [], "at least 64x64"),
    "stereo": (lambda path: own_video.folder(path / "f", own_video.frames(DRIVEN)), ["--stereo"], "--stereo"),
}


@pytest.mark.parametrize(("make", "options", "words"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_built_is_said_in_a_sentence(tmp_path, make, options, words):
    status, _, complaint = build(tmp_path / "out", f"--video={make(tmp_path)}", *options)
    assert status == 2 and words in complaint and not list((tmp_path / "out").glob("kitti360/*"))


def test_sizes_have_to_agree_and_intrinsics_belong_to_a_video(tmp_path):
    frames = own_video.folder(tmp_path / "frames", own_video.frames(DRIVEN))
    other = own_video.folder(tmp_path / "other", own_video.frames(DRIVEN, size=(96, 128)))
    status, _, complaint = build(tmp_path / "out", f"--video={frames}", f"--video={other}")
    assert status == 2 and "is 96x128, but" in complaint
    status, _, complaint = build(tmp_path / "out", f"--manual_dir={tmp_path}", "--fov=70")
    assert status == 2 and "describe a --video" in complaint


@pytest.mark.parametrize(
    ("full", "wanted"),
    [((1080, 1920), (256, 448)), ((376, 1408), (160, 608)), ((480, 640), (288, 384)), ((96, 160), (96, 160))],
)
def test_the_networks_size_keeps_the_ratio_of_the_sides(full, wanted):
    assert network_size(full) == wanted
