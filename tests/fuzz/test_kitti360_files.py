"""KITTI-360's files under attack: calibration, poses, lists, PNG, scans; and what a list can name."""

import os
import pathlib
import struct
import tracemalloc
import zlib

import cv2
import fuzzing
import hypothesis.strategies as st
import kitti360_tree
import numpy as np
import pytest
from hypothesis import given

from tfds_kitti360 import survey
from tfds_kitti360.errors import DatasetError
from tfds_kitti360.images import read_png
from tfds_kitti360.layout import Calibration, Layout, read_list, read_poses
from tfds_kitti360.velodyne import depth_image, read_scan


def tree_bytes(folder: pathlib.Path) -> dict[str, bytes]:
    layout = kitti360_tree.write_tree(folder, {3: range(3)}, lists={"train": [(3, 0)], "val": [(3, 2)]})
    return {name: getattr(layout, name).read_bytes() for name in ("perspective", "cam_to_pose", "cam_to_velo")} | {
        "poses": layout.poses(3).read_bytes(),
        "cam0_to_world": layout.cam0_to_world(3).read_bytes(),
        "list": layout.frame_list("train").read_bytes(),
        "scan": (layout.scans(3) / "0000000001.bin").read_bytes(),
        "image": (layout.images(3) / "0000000001.png").read_bytes(),
        "instance": (layout.labels(3, "instance") / "0000000001.png").read_bytes(),
    }


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return fuzzing.Originals(tree_bytes(tmp_path_factory.mktemp("good")))


@pytest.mark.parametrize("name", ["perspective", "cam_to_pose", "cam_to_velo"])
@fuzzing.fuzz()
@given(data=st.data())
def test_calibration(tmp_path, good, name, data):
    layout = Layout(tmp_path)
    for other in ("perspective", "cam_to_pose", "cam_to_velo"):
        content = data.draw(fuzzing.damaged(good[name])) if other == name else good[other]
        kitti360_tree.save(getattr(layout, other), content)
    found = fuzzing.attempt("calibration", lambda: Calibration.load(tmp_path))
    if found is not None:
        assert np.isfinite(found.projection).all() and np.isfinite(found.baseline) and min(found.size) >= 1


@fuzzing.fuzz(2)
@given(data=st.data(), collect=st.booleans())
def test_poses(tmp_path, good, data, collect):
    content = data.draw(fuzzing.damaged(good["poses"], good["cam0_to_world"]))
    path = fuzzing.place(tmp_path, "poses.txt", content)
    found = fuzzing.attempt("poses", lambda: read_poses(path, damaged={} if collect else None))
    for pose in (found or {}).values():
        np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-2)


@fuzzing.fuzz(2)
@given(data=st.data())
def test_lists_never_leave_the_root(tmp_path, good, data):
    path = fuzzing.place(tmp_path, "list.txt", data.draw(fuzzing.damaged(good["list"])))
    found = fuzzing.attempt("lists", lambda: read_list(path))
    assert all(0 <= drive <= 9999 and 0 <= frame < 10**10 for drive, frame in found or ())  # numbers, never paths


@pytest.mark.parametrize(
    "line",
    [
        "../../etc/passwd x",
        "/etc/passwd x",
        "data_2d_raw/../../etc/0000000001.png x",
        "data_2d_raw/2013_05_28_drive_0003_sync/image_00/data_rect/../../../../etc/0000000001.png x",
        "~/data_2d_raw/2013_05_28_drive_0003_sync/image_00/data_rect/0000000001.png x",
    ],
)
def test_a_list_that_names_a_file_outside_is_refused(tmp_path, line):
    with pytest.raises(DatasetError, match=r"list\.txt line 1"):
        read_list(fuzzing.place(tmp_path, "list.txt", line.encode()))


def test_a_listed_link_is_not_followed_by_the_list(tmp_path):
    """What a list names is looked up among the files of a drive's folder; a second column is never opened."""
    layout = kitti360_tree.write_tree(tmp_path, {3: range(3)}, has=[])
    (tmp_path / "secret").symlink_to("/etc")
    kitti360_tree.save(layout.frame_list("train"), kitti360_tree.list_line(3, 1).replace("data_2d_sem", "secret/../x"))
    assert read_list(layout.frame_list("train")) == {(3, 1)}
    drive = survey.survey_drive(layout, 3, Calibration.load(tmp_path), skip_damaged=False)
    assert all(path is None or tmp_path in path.parents for frame in drive.frames for path in frame[1:7])


@fuzzing.fuzz(2)
@given(data=st.data(), repaired=st.booleans())
def test_png(tmp_path, good, data, repaired):
    name, channels, bits = data.draw(st.sampled_from([("image", 3, 8), ("instance", 1, 16)]))
    content = data.draw(fuzzing.damaged(good[name]))
    path = fuzzing.place(tmp_path, "x.png", checksummed(content) if repaired else content)
    found = fuzzing.attempt("PNG", lambda: read_png(path, size=kitti360_tree.SIZE, channels=channels, bits=bits))
    if found is not None:
        assert found[1].shape[:2] == kitti360_tree.SIZE and found[1].dtype.itemsize * 8 == bits


def checksummed(png: bytes) -> bytes:
    """The PNG with right checksums, so that damage gets as far as the decoder."""
    done, start = bytearray(png[:8]), 8
    while start + 12 <= len(png):
        (length,) = struct.unpack_from(">I", png, start)
        chunk = png[start + 4 : start + 8 + length]
        done += struct.pack(">I", length) + chunk + struct.pack(">I", zlib.crc32(chunk))
        start += 12 + length
    return bytes(done)


def png_with_header(width: int, height: int, pixels: bytes = b"") -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "content",
    [
        png_with_header(100_000, 100_000),
        png_with_header(*kitti360_tree.SIZE[::-1], pixels=zlib.compress(bytes(1 << 26))),
        png_with_header(2**31 - 1, 2**31 - 1),
    ],
    ids=["huge", "a bomb of the right size", "the largest"],
)
def test_a_header_that_lies_costs_no_memory(tmp_path, content):
    path = fuzzing.place(tmp_path, "x.png", content)
    tracemalloc.start()
    try:
        fuzzing.attempt("PNG", lambda: read_png(path, size=kitti360_tree.SIZE, channels=3))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@fuzzing.fuzz(2)
@given(data=st.data())
def test_scans(tmp_path, good, data):
    path = fuzzing.place(tmp_path, "x.bin", data.draw(fuzzing.damaged(good["scan"][:320])))
    projection = np.array([[60.0, 0, 58, 0], [0, 60, 24, 0], [0, 0, 1, 0]])

    def project():
        return depth_image(
            read_scan(path), velo_from_previous=kitti360_tree.CAM_TO_VELO,
            camera_from_velo=np.linalg.inv(kitti360_tree.CAM_TO_VELO), projection=projection, size=(40, 120),
        )  # fmt: skip

    found = fuzzing.attempt("scans", project)
    assert found is None or (np.isfinite(found).all() and found.min() >= 0)


def test_a_huge_scan_is_refused_unread(tmp_path):
    path = tmp_path / "x.bin"
    with path.open("wb") as file:
        os.truncate(file.fileno(), 1 << 36)  # 64 GiB of nothing: a sparse file
    with pytest.raises(DatasetError, match="more than any scan"):
        read_scan(path)


def test_cv2_is_what_decodes():
    """The PNGs above are judged by the decoder that is used, and a palette or an animation changes no shape."""
    assert cv2.imdecode(np.frombuffer(png_with_header(3, 2, zlib.compress(bytes(20))), np.uint8), -1).shape == (2, 3, 3)
