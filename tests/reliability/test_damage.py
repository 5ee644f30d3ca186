"""A damaged file or a full disk is met by a sentence, and by the right result or by none."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

from tfds_kitti360 import build

from .conftest import STEPS, arguments, assert_identical

pytestmark = pytest.mark.slow


def cut(path: pathlib.Path) -> None:
    """Half of it, and never whole lines: a list or a table that is merely shorter is no damaged one."""
    half = path.stat().st_size // 2
    os.truncate(path, half - (3 if b"\n" in path.read_bytes()[half - 1 : half + 1] else 0))


def zero(path: pathlib.Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flip(path: pathlib.Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


def remove(path: pathlib.Path) -> None:
    path.unlink()


def largest(folder: pathlib.Path, pattern: str) -> pathlib.Path:
    return max((path for path in folder.rglob(pattern) if path.is_file()), key=lambda path: path.stat().st_size)


@pytest.fixture
def stopped(whole, tmp_path) -> pathlib.Path:
    """The uninterrupted run without its last checkpoint: as it was after step 7."""
    workdir = tmp_path / "run"
    shutil.copytree(whole.workdir, workdir)
    shutil.rmtree(workdir / "checkpoints" / str(STEPS))
    return workdir


@pytest.mark.parametrize("pattern", ["state/d/*", "_METADATA", "manifest.json"])
def test_damaged_newest_checkpoints(pattern, stopped, whole, zygote, data_dir, record_property):
    """Four checkpoints, each damaged in another way: the run resumes from the one before them."""
    newest = [stopped / "checkpoints" / str(step) for step in range(STEPS - 1, STEPS - 5, -1)]
    for folder, damage in zip(newest, (cut, zero, flip, remove), strict=True):
        record_property("tried a damaged file of the newest checkpoint", "set aside with a warning, identical end")
        damage(largest(folder, pattern))
    ended = zygote.run(arguments(data_dir, stopped))
    assert ended.status == 0, ended.printed
    assert f"resumes at step {STEPS - 5}" in ended.printed
    for folder in newest:
        assert f"warning: the checkpoint {folder} is damaged" in ended.printed
        assert folder.with_name(f"{folder.name}.damaged").is_dir()
    assert_identical(stopped, whole.workdir)


def test_damaged_row_of_metrics(stopped, zygote, data_dir, record_property):
    record_property("tried a damaged row of metrics.jsonl", "warning, other rows kept")
    lines = (stopped / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (stopped / "metrics.jsonl").write_bytes(lines[0] + b"\0" * 20 + b"\n" + b"".join(lines[2:]))
    ended = zygote.run(arguments(data_dir, stopped))
    assert ended.status == 0 and "metrics.jsonl line 2 is damaged and left out" in ended.printed
    rows = [json.loads(line) for line in (stopped / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "split" not in row] == [1, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("name", ["config.json", "dataset.json"])
@pytest.mark.parametrize("damage", [cut, zero])
def test_damaged_record_of_the_run(damage, name, stopped, zygote, data_dir, record_property):
    record_property("tried a damaged config.json or dataset.json", "one sentence, exit status 2")
    damage(stopped / name)
    refused(zygote.run(arguments(data_dir, stopped)), name)


@pytest.mark.parametrize("damage", [cut, zero, remove])
@pytest.mark.parametrize("pattern", ["*.array_record*", "dataset_info.json", "features.json", "metadata.json"])
def test_damaged_built_data_set(damage, pattern, zygote, data_dir, tmp_path, record_property):
    record_property("tried a damaged file of a built data set", "one sentence, exit status 2")
    copy = tmp_path / "built"
    shutil.copytree(data_dir, copy)
    damage(largest(copy, pattern))
    refused(zygote.run(arguments(copy, tmp_path / "run")), str(copy))


RAW = [
    "calib_cam_to_pose.txt", "perspective.txt", "calib_cam_to_velo.txt", "poses.txt", "data_rect/*.png",
    "velodyne_points/data/*.bin", "semantic/*.png", "instance/*.png", "2013_05_28_drive_train_frames.txt",
]  # fmt: skip


@pytest.mark.parametrize("damage", [cut, zero])
@pytest.mark.parametrize("pattern", RAW)
def test_damaged_raw_file(damage, pattern, city, tmp_path, capsys, record_property):
    record_property("tried a damaged file of a raw data set", "one sentence, exit status 2")
    copy = tmp_path / "raw"
    shutil.copytree(city, copy)
    found = sorted(path for path in copy.rglob(pattern) if path.is_file())
    assert found, pattern
    damage(found[0])
    status = build.main([f"--manual_dir={copy}", f"--data_dir={tmp_path / 'built'}", "--size=64x96"])
    printed = capsys.readouterr().err
    assert status == 2 and "error: " in printed and "Traceback" not in printed, printed
    assert found[0].name in printed


def test_file_size_limit(zygote, data_dir, whole, tmp_path, record_property):
    """A limit on the size of a file stands for a full disk: the write fails with EFBIG in its middle."""
    record_property("tried a write that fails for want of space", "one sentence, exit status 2, identical end")
    workdir = tmp_path / "run"
    sizes = [path.stat().st_size for path in (whole.workdir / "checkpoints").rglob("state/d/*")]
    stopped = zygote.run(arguments(data_dir, workdir), file_limit=max(sizes) // 2)
    refused(stopped, "cannot be written")
    assert not list((workdir / "checkpoints").glob("*"))
    ended = zygote.run(arguments(data_dir, workdir))
    assert ended.status == 0, ended.printed
    assert_identical(workdir, whole.workdir)


def test_full_disk(zygote, data_dir, whole, tmp_path, record_property):
    """A small file system that another file fills while the training runs."""
    disk = tmp_path / "disk"
    disk.mkdir()
    needed = sum(path.stat().st_size for path in whole.workdir.rglob("*") if path.is_file())
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={4 * needed}", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    record_property("tried a full disk", "one sentence, exit status 2, identical end")
    try:
        workdir, filler = disk / "run", disk / "filler"

        def fill(child):
            while not (workdir / "checkpoints" / "2").is_dir():
                if not pathlib.Path(f"/proc/{child}").exists():
                    return
            with open(filler, "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass

        refused(zygote.run(arguments(data_dir, workdir), meanwhile=fill), "No space left on device")
        assert (workdir / "checkpoints" / "2").is_dir()
        filler.unlink()
        ended = zygote.run(arguments(data_dir, workdir))
        assert ended.status == 0 and "resumes at step" in ended.printed, ended.printed
        assert_identical(workdir, whole.workdir)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def refused(ended, named: str) -> None:
    """Exit status 2, one sentence that names what is wrong, no traceback."""
    assert ended.status == 2, ended.printed
    assert "Traceback" not in ended.printed, ended.printed
    errors = [line for line in ended.printed.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and named in errors[0], ended.printed
