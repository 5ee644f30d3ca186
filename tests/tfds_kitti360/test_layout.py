"""Parsers: what is read is what was written, and a malformed line is met by a sentence that names the file."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kitti360_tree import (
    BASELINE,
    CAM_TO_POSE,
    CAM_TO_VELO,
    CX,
    CY,
    FOCAL,
    RECTIFICATION,
    SIZE,
    camera_pose,
    numbers,
    row,
    save,
    write_calibration,
    write_tree,
)

from tfds_kitti360.errors import DatasetError
from tfds_kitti360.layout import Calibration, Layout, cam0_to_world, read_list, read_poses

SOME_TEXT = st.one_of(
    st.binary(max_size=200),
    st.text("0123456789.e+-naif \n\r\t:SRP_rect01image/", max_size=300).map(str.encode),
)


def test_calibration_is_read_as_written(tmp_path):
    write_calibration(Layout(tmp_path))
    calibration = Calibration.load(tmp_path)
    left = [[FOCAL, 0, CX, 0], [0, FOCAL, CY, 0], [0, 0, 1, 0]]
    right = [[FOCAL, 0, CX, -FOCAL * BASELINE], *left[1:]]
    np.testing.assert_allclose(calibration.projection, [left, right], rtol=1e-10)
    assert calibration.rectification.shape == (2, 4, 4) and calibration.size == SIZE
    np.testing.assert_allclose(calibration.rectification[1, :3, :3], RECTIFICATION, atol=1e-11)
    np.testing.assert_allclose(calibration.cam_to_pose, CAM_TO_POSE, atol=1e-11)
    np.testing.assert_allclose(calibration.cam_to_velo, CAM_TO_VELO, atol=1e-11)
    assert calibration.baseline == pytest.approx(BASELINE)


def test_calibration_of_the_excerpt(excerpt):
    calibration = Calibration.load(excerpt)
    assert calibration.size == (376, 1408)
    assert calibration.projection[0, 0, 0] == 552.554261
    assert calibration.projection[1, 1, 2] == 238.769549
    assert calibration.baseline == pytest.approx(328.318735 / 552.554261)
    assert calibration.cam_to_velo[0, 3] == 0.8043914418
    assert calibration.cam_to_pose[1, 0] == 0.9992675562


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("S_rect_00: 120.000000", "S_rect_00: 120.5"),
        ("S_rect_00: 120.000000 40.000000", "S_rect_00: 120.000000"),
        ("S_rect_01: 120.000000", "S_rect_01: 121"),
        ("S_rect_00: 120.000000", "S_rect_00: 1e9"),
        ("P_rect_00: 60 0", "P_rect_00: 0 0"),
        ("P_rect_00: 60 0", "P_rect_00: nan 0"),
        ("P_rect_01: 60 0", "P_rect_01: inf 0"),
        ("P_rect_01: 60 0", "P_rect_01: sixty 0"),
        ("P_rect_01: 60 0", "P_rect_01: 60"),
        ("P_rect_01:", "P_rect_02:"),
        ("R_rect_00: 0.99", "R_rect_00: 0.89"),
        ("R_rect_01: 0.99", "R_rect_01: -0.99"),
    ],
)
def test_a_malformed_calibration_is_named(tmp_path, old, new):
    layout = Layout(tmp_path)
    write_calibration(layout)
    text = layout.perspective.read_text()
    assert old in text
    save(layout.perspective, text.replace(old, new))
    with pytest.raises(DatasetError, match=r"perspective\.txt"):
        Calibration.load(tmp_path)


@pytest.mark.parametrize("name", ["perspective.txt", "calib_cam_to_pose.txt", "calib_cam_to_velo.txt"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00", b"1 2 3\n", b"image_00: " + b"1 " * 12, b"2 " * 12])
def test_a_missing_or_broken_calibration_file_is_named(tmp_path, name, content):
    layout = Layout(tmp_path)
    write_calibration(layout)
    path = tmp_path / "calibration" / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(DatasetError, match=name):
        Calibration.load(tmp_path)


def test_poses_are_looked_up_by_frame(tmp_path):
    path = tmp_path / "cam0_to_world.txt"
    save(path, row(4391, camera_pose(1)) + "\n" + row(4400, camera_pose(2)[:3]) + "\n")
    poses = read_poses(path)
    assert list(poses) == [4391, 4400] and poses[4391].dtype == np.float64
    np.testing.assert_allclose(poses[4391], camera_pose(1), rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(poses[4400], camera_pose(2), rtol=1e-11, atol=1e-11)


def test_poses_of_the_excerpt(excerpt):
    poses = read_poses(Layout(excerpt).cam0_to_world(0))
    assert len(poses) == 10514 and list(poses)[:2] == [1, 9]
    np.testing.assert_array_equal(poses[9][:, 3], [845.8253, 3723.843, 115.9838, 1])


GOOD = numbers(np.eye(4)[:3])
MALFORMED = {
    "count": "7 1 2 3",
    "cut": f"7 {GOOD[:-2]}",
    "word": f"7 {GOOD[:-1]}x",
    "nan": f"7 {GOOD[:-1]}nan",
    "infinity": f"7 {GOOD[:-1]}inf",
    "overflow": f"7 {GOOD[:-1]}1e999",
    "no rotation": f"7 2{GOOD[1:]}",
    "mirror": f"7 -1{GOOD[1:]}",
    "last row": f"7 {GOOD} 0 0 1 1",
    "no frame": f"x {GOOD}",
    "negative frame": f"-7 {GOOD}",
    "twice": f"7 {GOOD}\n7 {GOOD[:-1]}1",
}


@pytest.mark.parametrize("lines", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_pose_is_named_or_skipped(tmp_path, lines):
    path = tmp_path / "poses.txt"
    save(path, f"6 {GOOD}\n{lines}\n8 {GOOD}\n")
    with pytest.raises(DatasetError, match=r"poses\.txt line [23]"):
        read_poses(path)
    damaged = {}
    assert {6, 8} <= set(read_poses(path, damaged=damaged))
    assert len(damaged) == 1 and set(damaged.values()) <= {7, None}


FIXED, VARIED = f"7 {GOOD[:-1]}0.500000\n", f"8 {GOOD[:-1]}0.25\n"


@pytest.mark.parametrize(
    ("before", "last", "whole"),
    [
        ("", FIXED, True),
        (FIXED, FIXED, True),
        (FIXED, FIXED[:-2], False),  # a digit less than all others have
        (FIXED, FIXED[:-8], False),
        (FIXED, f"9 {GOOD} 0 0 0 1", False),  # another number of words
        (FIXED, f"9 {GOOD[:-1]}0.5000001", True),
        (FIXED + VARIED, f"9 {GOOD[:-1]}0.1", True),  # of numbers as long as they need be, nothing can be told
    ],
)
def test_a_last_line_needs_no_line_break_but_its_end(tmp_path, before, last, whole):
    path = tmp_path / "poses.txt"
    save(path, before + last.rstrip("\n").replace("7", "9", 1))
    if whole:
        assert 9 in read_poses(path)
        return
    with pytest.raises(DatasetError, match=r"poses\.txt line 2 is cut short"):
        read_poses(path)


@pytest.mark.parametrize("kept", ["poses", "cam0_to_world"])
def test_either_pose_file_serves(tmp_path, kept):
    layout = write_tree(tmp_path, {3: range(5, 8)}, has=[kept])
    poses = cam0_to_world(layout, 3, Calibration.load(tmp_path))
    assert list(poses) == list(range(4, 9))
    for frame, pose in poses.items():
        np.testing.assert_allclose(pose, camera_pose(frame), rtol=0, atol=1e-8)


def test_no_pose_file_is_no_pose(tmp_path):
    layout = write_tree(tmp_path, {3: range(2)}, has=[])
    assert cam0_to_world(layout, 3, Calibration.load(tmp_path)) == {}


def test_lists_are_read_by_drive_and_frame(tmp_path):
    save(
        tmp_path / "list.txt",
        "data_2d_raw/2013_05_28_drive_0002_sync/image_00/data_rect/0000004391.png anything.png\n"
        "data_2d_test/2013_05_28_drive_0008_sync/image_00/data_rect/0000000250.png\n\n",
    )
    assert read_list(tmp_path / "list.txt") == {(2, 4391), (8, 250)}


@pytest.mark.parametrize(
    "line",
    [
        "../../etc/passwd",
        "data_2d_raw/2013_05_28_drive_0002_sync/image_00/data_rect/0000004391.png data_2d_semantics/train/2013_05_2",
        "/data_2d_raw/2013_05_28_drive_0002_sync/image_00/data_rect/0000004391.png",
        "data_2d_raw/../data_2d_raw/2013_05_28_drive_0002_sync/image_00/data_rect/0000004391.png",
        "data_2d_raw/2013_05_28_drive_0002_sync/image_00/data_rect/../../../0000004391.png",
        "data_2d_raw/2013_05_28_drive_0002_sync/image_02/data_rgb/0000004391.png",
        "0000004391.png",
    ],
)
def test_a_list_names_images_below_the_root_only(tmp_path, line):
    save(tmp_path / "list.txt", line + "\n")
    with pytest.raises(DatasetError, match=r"list\.txt line 1"):
        read_list(tmp_path / "list.txt")


@given(SOME_TEXT)
@settings(max_examples=150, deadline=None)
def test_arbitrary_bytes_raise_nothing_else(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.txt"
        path.write_bytes(content)
        for parse in (read_poses, read_list):
            try:
                parse(path)
            except DatasetError as error:
                assert "file.txt" in str(error)
        try:
            read_poses(path, damaged={})
        except DatasetError as error:
            assert "file.txt" in str(error)


@given(SOME_TEXT, st.sampled_from(["perspective", "cam_to_pose", "cam_to_velo"]), st.integers(0, 500))
@settings(max_examples=80, deadline=None)
def test_a_calibration_with_arbitrary_bytes_in_it_raises_nothing_else(content, name, place):
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(Path(folder))
        write_calibration(layout)
        path = getattr(layout, name)
        text = path.read_bytes()
        path.write_bytes(text[:place] + content + text[place + 3 :])
        try:
            Calibration.load(folder)
        except DatasetError as error:
            assert path.name in str(error)
