"""What is built, from a download to records: lossless and complete."""

import json
import pathlib
import re
import sys

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds
from kitti360_built import DRIVE, build, built, plan_of, records
from kitti360_tree import EVERYTHING, SIZE, camera_pose, label_images, picture, save, scan, write_frame, write_tree
from tensorflow_datasets.core import dataset_metadata

from tfds_kitti360 import kitti360_dataset_builder
from tfds_kitti360.layout import Calibration
from tfds_kitti360.velodyne import depth_image


@pytest.fixture
def tree(tmp_path):
    return write_tree(tmp_path / "raw", DRIVE)


def test_registered_without_tensorflow():
    assert "kitti360" in tfds.list_builders(with_community_datasets=False)
    assert tfds.builder_cls("kitti360") is kitti360_dataset_builder.Builder
    assert "tensorflow" not in sys.modules


def test_everything_comes_back(tmp_path, tree):
    assert build(tmp_path, "--stereo")[0] == 0
    rows, calibration = records(tmp_path), Calibration.load(tree.root)
    assert [row["frame"] for row in rows] == list(DRIVE[3])
    for row in rows:
        frame = row["frame"]
        for kind, values in label_images(frame).items():
            assert row[kind].dtype == values.dtype and row[f"has_{kind}"]
            np.testing.assert_array_equal(row[kind][..., 0], values)
        area = cv2.resize(picture(frame), (96, 32), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(row["image"], area)
        right = cv2.resize(picture(frame + 1000), (96, 32), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(row["image_right"], right)
        np.testing.assert_allclose(row["pose"], camera_pose(frame), rtol=0, atol=1e-8)
        assert row["pose"].dtype == np.float64 and row["drive"] == 3
        motion = np.linalg.inv(camera_pose(frame)) @ camera_pose(frame - 1)
        velo_from_camera = calibration.velo_from_camera
        depth = depth_image(
            scan(frame),
            velo_from_previous=velo_from_camera @ motion @ np.linalg.inv(velo_from_camera),
            camera_from_velo=np.linalg.inv(velo_from_camera),
            projection=calibration.projection[0],
            size=SIZE,
        )
        assert row["depth"].dtype == np.uint16 and (depth > 0).sum() > 20
        np.testing.assert_allclose(row["depth"][..., 0] / 256, depth, atol=1 / 500)
    # 96 / 120 = 0.8 and 32 / 40 = 0.8
    expected = [[48, 0, 58.8 * 0.8 - 0.5], [0, 48, 24.6 * 0.8 - 0.5], [0, 0, 1]]
    np.testing.assert_allclose(rows[0]["intrinsics"], expected, rtol=1e-9)
    metadata = built(tmp_path).info.metadata
    np.testing.assert_allclose(metadata["intrinsics"], expected, rtol=1e-9)
    assert metadata["size"] == [32, 96] and metadata["image_size"] == [40, 120] and metadata["stereo"]
    assert metadata["baseline"] == pytest.approx(0.6)
    plan = plan_of(tmp_path)
    assert plan["frames"] == list(DRIVE[3]) and plan["splits"] == "ttttttttt--v"
    assert all(plan[kind] == "1" * 12 for kind in ("pose", "semantic", "instance", "confidence", "scan", "right"))
    assert plan["positions"][5] == camera_pose(105)[:3, 3].round(4).tolist()


def test_an_image_of_the_build_s_size_is_kept_as_it_is(tmp_path, tree):
    builder = kitti360_dataset_builder.Builder(data_dir=str(tmp_path / "built"), size=(40, 120))
    builder.prepare(tmp_path / "raw")
    np.testing.assert_array_equal(records(tmp_path)[0]["image"], picture(100))


@pytest.mark.parametrize("storage", ["jpeg", "raw"])
def test_other_storages_change_images_only(tmp_path, tree, storage):
    assert build(tmp_path, f"--storage={storage}", "--stereo")[0] == 0
    assert built(tmp_path).info.metadata["storage"] == storage
    for row in records(tmp_path):
        for kind, values in label_images(row["frame"]).items():
            np.testing.assert_array_equal(row[kind][..., 0], values)
        for key, frame in (("image", row["frame"]), ("image_right", row["frame"] + 1000)):
            area = cv2.resize(picture(frame), (96, 32), interpolation=cv2.INTER_AREA)
            error = np.abs(row[key].astype(int) - area)
            assert error.max() <= (0 if storage == "raw" else 10) and error.mean() < 2


def test_labels_are_kept_at_the_size_of_the_images_too(tmp_path, tree):
    assert build(tmp_path)[0] == 0
    rows, columns = [np.floor((np.arange(n) + 0.5) / 0.8).astype(int) for n in (32, 96)]  # 40x120 to 32x96
    for row in records(tmp_path):
        for kind, values in label_images(row["frame"]).items():
            np.testing.assert_array_equal(row[f"{kind}_reduced"][..., 0], values[rows[:, None], columns])


@pytest.mark.parametrize(
    "missing",
    [*[{name} for name in EVERYTHING], {"poses", "cam0_to_world"}, set(EVERYTHING)],
    ids=lambda missing: "+".join(sorted(missing)),
)
def test_what_is_missing_is_zero(tmp_path, missing):
    write_tree(tmp_path / "raw", {3: range(4)}, has=set(EVERYTHING) - missing)
    status, said, complaint = build(tmp_path, "--stereo")
    assert status == 0 and "4 train" in said, complaint
    row, plan = records(tmp_path)[1], plan_of(tmp_path)
    features = {
        "semantic": "semantic",
        "instance": "instance",
        "confidence": "confidence",
        "scan": "depth",
        "right": "image_right",
    }
    for kind, feature in features.items():
        assert plan[kind] == ("0000" if kind in missing else "1111")
        assert row[f"has_{feature.removeprefix('image_')}"] == (kind not in missing) == bool(row[feature].any())
    posed = not missing >= {"poses", "cam0_to_world"}
    assert row["has_pose"] == posed and plan["pose"] == "01"[posed] * 4
    np.testing.assert_allclose(row["pose"], camera_pose(1) if posed else np.eye(4), rtol=0, atol=1e-8)


def test_stretches_may_be_missing(tmp_path, tree):
    for frame in (103, 104):
        (tree.images(3) / f"{frame:010d}.png").unlink()
    for frame in range(100, 107):
        (tree.scans(3) / f"{frame:010d}.bin").unlink()
    (tree.labels(3, "semantic") / "0000000110.png").unlink()
    assert build(tmp_path)[0] == 0
    plan = plan_of(tmp_path)
    assert plan["frames"] == [100, 101, 102, *range(105, 112)]
    assert plan["scan"] == "00000" + "11111" and plan["semantic"] == "1111111101"


def test_without_correction_where_a_pose_row_is_missing(tmp_path):
    tree = write_tree(tmp_path / "raw", {3: range(4)}, has=["scan", "poses"])
    lines = tree.poses(3).read_text().splitlines(keepends=True)
    save(tree.poses(3), "".join(line for line in lines if not line.startswith("1 ")))
    assert build(tmp_path)[0] == 0
    calibration = Calibration.load(tree.root)
    velo_from_camera = calibration.velo_from_camera
    for frame in (1, 2):
        still = depth_image(
            scan(frame),
            velo_from_previous=None,
            camera_from_velo=np.linalg.inv(velo_from_camera),
            projection=calibration.projection[0],
            size=SIZE,
        )
        np.testing.assert_allclose(records(tmp_path)[frame]["depth"][..., 0] / 256, still, atol=1 / 500)


def test_frames_may_lack_what_others_have(tmp_path):
    layout = write_tree(tmp_path / "raw", {3: range(3)}, has=["poses"])
    write_frame(layout, 3, 1, {"semantic", "scan"})
    assert build(tmp_path)[0] == 0
    assert [row["has_semantic"] for row in records(tmp_path)] == [False, True, False]


def test_worker_processes_and_many_shards_change_nothing(tmp_path, monkeypatch):
    tree = write_tree(tmp_path / "raw", {3: range(20), 5: range(7)}, has=["semantic", "poses", "scan"])
    assert build(tmp_path)[0] == 0
    monkeypatch.setattr(kitti360_dataset_builder, "_SHARD_BYTES", 30_000)
    other = tmp_path / "other"
    other.mkdir()
    (other / "raw").symlink_to(tree.root)
    assert build(other, "--workers=2")[0] == 0
    assert len(built(other).info.splits["drive_0003"].shard_lengths) > 2
    for drive in (3, 5):
        for one, two in zip(records(tmp_path, drive), records(other, drive), strict=True):
            assert one.keys() == two.keys()
            for key in one:
                np.testing.assert_array_equal(one[key], two[key])


def test_the_builder_folder_is_complete(tmp_path, tree):
    assert build(tmp_path)[0] == 0
    info = built(tmp_path).info
    assert "KITTI-360" in info.description and "Liao" in info.citation
    assert all(feature.doc.desc for feature in info.features.values())
    builder = kitti360_dataset_builder.Builder
    tags = dataset_metadata.load(builder.pkg_dir_path).tags
    assert tags and set(tags) <= set(dataset_metadata.valid_tags())
    assert str(builder.VERSION) in builder.RELEASE_NOTES and "data_3d_raw" in builder.MANUAL_DOWNLOAD_INSTRUCTIONS


def test_the_page_lists_the_archives_of_the_instructions():
    page = pathlib.Path(kitti360_dataset_builder.__file__).with_name("README.md").read_text(encoding="utf-8")
    instructions = kitti360_dataset_builder.Builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    rows = re.findall(r"^  (\S.*?) {2,}([\d.]+ [KMG]B) +(\S+)$", instructions, re.MULTILINE)
    assert len(rows) == 7
    for archive, size, path in rows:
        assert f"| {archive} | {size} | `{path}`" in page


def test_the_excerpt(tmp_path, excerpt):
    (tmp_path / "raw").symlink_to(excerpt)
    assert build(tmp_path, "--drives=0000", size="192x640")[0] == 0
    plan = plan_of(tmp_path, 0)
    assert plan["frames"] == [700, 701, 702, 703, 704] and plan["splits"] == "ttttt" and plan["pose"] == "11111"
    assert plan["scan"] == plan["semantic"] == "00000" and plan["right"] == "11111"
    assert json.dumps(built(tmp_path).info.metadata["intrinsics"])
