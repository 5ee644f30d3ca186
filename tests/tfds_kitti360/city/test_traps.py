"""A city with the gaps of the real data set is built to what is there, and no frame or label is mixed up."""

import contextlib
import io

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tfds_kitti360 import layout
from tfds_kitti360.build import main as build
from tfds_kitti360.city.__main__ import main as draw

FRAMES = 8


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """Raw and built data of four drives (0000, 0002, 0003, 0004)."""
    folder = tmp_path_factory.mktemp("traps")
    flags = ["--traps", "--no_scans", "--drives=4", f"--frames={FRAMES}", "--size=32x64", "--seed=1"]
    assert draw([f"--out={folder / 'raw'}", *flags]) == 0
    with contextlib.redirect_stdout(io.StringIO()):
        assert build([f"--manual_dir={folder / 'raw'}", f"--data_dir={folder / 'built'}", "--size=32x64"]) == 0
    return folder / "raw", tfds.builder_from_directory(str(next((folder / "built" / "kitti360").iterdir())))


def _names(folder):
    return {int(path.stem) for path in folder.glob("*.png")}


def test_the_city_lacks_what_the_real_data_set_lacks(roots):
    raw = layout.Layout(roots[0])
    assert min(_names(raw.labels(0, "semantic"))) == FRAMES // 4 and min(_names(raw.images(0))) == 0
    assert min(_names(raw.labels(2, "semantic"))) == 4391 and min(_names(raw.images(2))) == 4391 + FRAMES // 4
    assert _names(raw.images(4)) == set(range(FRAMES)) - {5, 6, 7} and len(_names(raw.images(3))) == FRAMES
    lines = raw.perspective.read_text().splitlines()
    assert [float(line.split()[-1]) for line in lines if line.startswith("K_0")] == [0.0, 0.0]


def test_the_build_holds_the_frames_that_have_a_picture_with_their_own_labels_and_poses(roots):
    raw, builder = layout.Layout(roots[0]), roots[1]
    drives = builder.info.metadata["drives"]
    assert {name: len(drive["frames"]) for name, drive in drives.items()} == {
        "0000": 8, "0002": 6, "0003": 8, "0004": 5,
    }  # fmt: skip
    for number in (0, 2, 4):
        drive = drives[f"{number:04d}"]
        poses, labelled = layout.read_poses(raw.cam0_to_world(number)), _names(raw.labels(number, "semantic"))
        assert drive["frames"] == sorted(_names(raw.images(number)))
        assert [flag == "1" for flag in drive["semantic"]] == [frame in labelled for frame in drive["frames"]]
        assert [flag == "1" for flag in drive["pose"]] == [frame in poses for frame in drive["frames"]]
        for record in builder.as_data_source(f"drive_{number:04d}"):
            frame = int(record["frame"])
            assert record["has_semantic"] == (frame in labelled)
            if frame in poses:
                np.testing.assert_allclose(record["pose"], poses[frame], atol=1e-6)
    assert np.allclose(builder.info.metadata["intrinsics"][2], [0, 0, 1])
