"""The build command: whole or not at all, and clear about everything that is wrong."""

import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from kitti360_built import BUILD, DRIVE, build, built, plan_of, records
from kitti360_tree import label_images, picture, save, save_png, write_tree

from tfds_kitti360 import kitti360_dataset_builder


@pytest.fixture
def tree(tmp_path):
    return write_tree(tmp_path / "raw", DRIVE)


def test_lists_decide_and_test_drives_are_test(tmp_path):
    lists = {"train": [(3, 100), (3, 101)], "val": [(3, 104), (9, 7), (55, 1)]}
    layout = write_tree(tmp_path / "raw", {3: range(100, 106), 8: range(3), 9: range(4)}, lists=lists, has=["poses"])
    shutil.move(layout.images(8), tmp_path / "moved")
    layout.test_images(8).parent.mkdir(parents=True)
    shutil.move(tmp_path / "moved", layout.test_images(8))
    status, said, _ = build(tmp_path)
    assert status == 0 and "drive 0009 has no usable clip" in said and "2 train, 1 val, 3 test" in said
    assert [plan_of(tmp_path, drive)["splits"] for drive in (3, 8, 9)] == ["tt--v-", "eee", "----"]


def test_one_list_alone_is_no_list(tmp_path):
    write_tree(tmp_path / "raw", {8: range(100, 140)}, lists={"train": [(8, 100)]}, has=[])
    status, said, _ = build(tmp_path)
    assert status == 0 and said.count("warning: ") == 1
    assert "drive_train_frames.txt is there without the other official list, so every drive was split by time" in said
    assert plan_of(tmp_path, 8)["splits"] == "t" * 32 + "--" + "v" * 6


def test_drives_can_be_chosen(tmp_path):
    write_tree(tmp_path / "raw", {3: range(4), 4: range(4), 18: range(4)}, has=[])
    assert build(tmp_path, "--drives=0018,3")[0] == 0
    assert list(built(tmp_path).info.splits) == ["drive_0003", "drive_0018"]
    status, _, complaint = build(tmp_path / "other", "--drives=0003")
    assert status == 2 and "--manual_dir" in complaint
    status, _, complaint = build(tmp_path, "--drives=0005")
    assert status == 2 and "--drives=0003,0018, not with --drives=0005" in complaint


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-20])


DAMAGE = {
    "image": lambda tree: _truncate(tree.images(3) / "0000000105.png"),
    "right": lambda tree: _truncate(tree.images(3, camera=1) / "0000000105.png"),
    "semantic": lambda tree: save_png(tree.labels(3, "semantic") / "0000000105.png", picture(1)),
    "instance": lambda tree: save_png(tree.labels(3, "instance") / "0000000105.png", label_images(1)["semantic"]),
    "confidence": lambda tree: save_png(
        tree.labels(3, "confidence") / "0000000105.png", np.zeros((40, 121), np.uint16)
    ),
    "label ids": lambda tree: save_png(
        tree.labels(3, "semantic") / "0000000105.png", np.full((40, 120), 200, np.uint8)
    ),
    "instance ids": lambda tree: save_png(
        tree.labels(3, "instance") / "0000000105.png", np.full((40, 120), 60_000, np.uint16)
    ),
    "classes differ": lambda tree: save_png(tree.labels(3, "instance") / "0000000105.png", label_images(1)["instance"]),
    "scan": lambda tree: _truncate(tree.scans(3) / "0000000105.bin") or _truncate(tree.scans(3) / "0000000105.bin"),
    "empty": lambda tree: save(tree.scans(3) / "0000000105.bin", b""),
    "pose": lambda tree: save(tree.poses(3), tree.poses(3).read_text().replace("\n105 ", "\n105 nan ")),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_stops_the_build_or_is_left_out(tmp_path, tree, kind):
    DAMAGE[kind](tree)
    status, _, complaint = build(tmp_path, "--stereo")
    name = "poses.txt line 7" if kind == "pose" else "0000000105"
    assert status == 2 and complaint.count("\n") == 0 and name in complaint and "--skip_damaged" in complaint
    assert not list((tmp_path / "built").glob("kitti360/*"))
    status, said, _ = build(tmp_path, "--stereo", "--skip_damaged")
    assert status == 0 and name in said and "1 damaged" in said and "11 frames" in said
    assert plan_of(tmp_path)["frames"] == [frame for frame in DRIVE[3] if frame != 105]
    assert len(records(tmp_path)) == 11
    assert build(tmp_path, "--stereo", "--skip_damaged")[1].startswith("already built")


def test_all_damaged_is_an_error(tmp_path, tree):
    for path in tree.images(3).iterdir():
        _truncate(path)
    status, _, complaint = build(tmp_path, "--skip_damaged")
    assert status == 2 and "no drive below" in complaint and not list((tmp_path / "built").glob("kitti360/*"))


def test_a_drive_that_is_all_damaged_is_left_out(tmp_path):
    tree = write_tree(tmp_path / "raw", {3: range(4), 4: range(4)}, has=[])
    for path in tree.images(3).iterdir():
        _truncate(path)
    status, said, _ = build(tmp_path, "--skip_damaged")
    assert status == 0 and "4 damaged" in said and list(built(tmp_path).info.splits) == ["drive_0004"]


def _write_lists(tree, line):
    for split in ("train", "val"):
        save(tree.frame_list(split), line)


LISTED = "data_2d_raw/2013_05_28_drive_0003_sync/image_00/data_rect/0000000100.png x.png\n"
SPOILT = {
    "nothing": (lambda tree: shutil.rmtree(tree.root), "--manual_dir=.* is not a folder"),
    "no drive": (
        lambda tree: shutil.rmtree(tree.root / "data_2d_raw"),
        "no drive found below .*there is calibration, d",
    ),
    "no clip": (
        lambda tree: [path.unlink() for path in tree.images(3).glob("*[1-9].png")],
        "usable clip among its 2 fr",
    ),
    "no calibration": (lambda tree: tree.perspective.unlink(), r"perspective\.txt is missing"),
    "list leaves the root": (lambda tree: _write_lists(tree, "../x.png\n"), r"train_frames\.txt line 1"),
    "in both lists": (lambda tree: _write_lists(tree, LISTED), "both list frame 100 of drive 0003"),
}


@pytest.mark.parametrize(("spoil", "words"), SPOILT.values(), ids=SPOILT.keys())
def test_what_cannot_be_built_is_said_in_a_sentence(tmp_path, tree, spoil, words):
    spoil(tree)
    status, _, complaint = build(tmp_path)
    assert status == 2 and re.search(words, complaint), complaint


def test_images_are_never_enlarged(tmp_path, tree):
    status, _, complaint = build(tmp_path, size="64x96")
    assert status == 2 and "--size=64x96 is larger" in complaint and "40x120" in complaint


@pytest.mark.parametrize("size", ["100x300", "32x100", "16x32", "33x96"])
def test_sizes_that_the_networks_cannot_take_are_refused_at_once(tmp_path, size):
    status, _, complaint = build(tmp_path, size=size)  # before the download, which is not there, is looked at
    assert status == 2 and f"--size={size} (height x width) must be a multiple of 32" in complaint


def test_the_end_is_what_it_cost_and_the_next_command(tmp_path, tree):
    (tmp_path / "built").symlink_to(tmp_path / "my sets")
    (tmp_path / "my sets").mkdir()
    said = build(tmp_path)[1]
    assert re.search(
        r"\nthat took [0-9.]+ s, [0-9.]+ frames per second\nnext: python -m mtl_depth.main --config=", said
    )
    (name, data_dir), (_, size) = [word.split("=") for word in shlex.split(said.splitlines()[-1])[-2:]]
    assert (name, data_dir, size) == ("--config.data.data_dir", str(tmp_path / "built"), "32,96")


def test_another_storage_is_another_build(tmp_path, tree):
    status, said, _ = build(tmp_path, "--storage=jpeg")
    assert status == 0 and "at 32x96 as jpeg (9 train" in said
    assert build(tmp_path, "--storage=jpeg")[1].startswith("already built")
    status, _, complaint = build(tmp_path)
    assert status == 2 and "was built with --storage=jpeg, not with --storage=png; delete" in complaint


def test_a_download_may_move_but_another_one_is_another_build(tmp_path, tree):
    assert build(tmp_path)[0] == 0
    (tmp_path / "raw").rename(tmp_path / "moved")
    (tmp_path / "raw").symlink_to(tmp_path / "moved")
    assert build(tmp_path)[1].startswith("already built")
    (tmp_path / "raw").unlink()
    write_tree(tmp_path / "raw", DRIVE)  # now both are there
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "raw").symlink_to(tmp_path / "moved")
    (tmp_path / "other" / "built").symlink_to(tmp_path / "built")
    status, _, complaint = build(tmp_path / "other")
    assert status == 2 and f"was built with --manual_dir={tmp_path}/raw, not with --manual_dir=" in complaint


def test_a_second_run_says_so_and_other_settings_are_refused(tmp_path, tree):
    assert build(tmp_path)[1].startswith("built: 12 frames of drives 0003 at 32x96 as png (9 train, 1 val, ")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "built").rglob("*record*")}
    assert build(tmp_path)[1].startswith("already built: 12 frames")
    status, _, complaint = build(tmp_path, "--stereo", size="32x64")
    assert status == 2
    assert "was built with --size=32x96, no --stereo, not with --size=32x64, --stereo; delete" in complaint
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "built").rglob("*record*")}


@pytest.mark.parametrize(
    "lost", ["dataset_info.json", "metadata.json", "kitti360-drive_0003.array_record-00000-of-00001"]
)
def test_a_finished_folder_that_lost_a_file_is_not_taken_for_finished(tmp_path, tree, lost):
    assert build(tmp_path)[0] == 0
    (tmp_path / "built/kitti360/1.0.0" / lost).unlink()
    status, _, complaint = build(tmp_path)
    assert status == 2 and "delete" in complaint and "build again" in complaint


def test_a_killed_build_is_made_whole_by_building_again(tmp_path):
    write_tree(tmp_path / "raw", {3: range(100, 400)}, has=["poses"])
    command = [sys.executable, "-m", "tfds_kitti360.build", f"--manual_dir={tmp_path / 'raw'}"]
    process = subprocess.Popen(
        [*command, f"--data_dir={tmp_path / 'built'}", f"--size={BUILD}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    folder = tmp_path / "built/kitti360"
    while process.poll() is None and not list(folder.glob("incomplete*/*shard*")):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    if process.returncode == 0:
        pytest.skip("the build was faster than the kill")
    assert not (folder / "1.0.0").exists() and list(folder.glob("incomplete*"))
    assert build(tmp_path)[1].startswith("built: 300 frames")
    assert [path.name for path in folder.iterdir()] == ["1.0.0"] and len(records(tmp_path)) == 300


def test_two_builds_at_once_are_refused(tmp_path, tree, monkeypatch):
    nested = []

    def build_inside(frame, recipe):
        nested.append(build(tmp_path))
        raise KeyboardInterrupt

    monkeypatch.setattr(kitti360_dataset_builder, "encode_frame", build_inside)
    assert build(tmp_path)[0] == 130
    assert nested[0][0] == 2 and "another build is writing" in nested[0][2]
    monkeypatch.undo()
    assert build(tmp_path)[0] == 0


def test_a_damaged_file_met_by_a_worker_is_named(tmp_path, tree):
    DAMAGE["image"](tree)
    status, _, complaint = build(tmp_path, "--workers=2")
    assert status == 2 and "0000000105.png is truncated" in complaint
