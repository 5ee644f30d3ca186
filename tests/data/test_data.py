"""Batches: a function of (seed, n), tiled over processes, with poses, intrinsics and labels that fit the images."""

import dataclasses
import itertools
import subprocess
import sys

import cv2
import numpy as np
import pytest
from kitti360_tree import camera_pose, label_images, picture, save, write_tree

from mtl_depth import data as reader
from mtl_depth.config import Data
from mtl_depth.errors import UserError
from tfds_kitti360.build import build

STORED, FULL = (32, 96), (40, 120)
EVERYTHING = frozenset({"source_from_target", "semantic", "instance", "confidence", "depth"})
NOTHING = frozenset()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Drive 3: 20 frames, all there is; drive 5: 9 frames, images only."""
    folder = tmp_path_factory.mktemp("kitti360")
    write_tree(folder / "raw", {3: range(100, 120)})
    write_tree(folder / "raw", {5: range(9)}, has=[])
    build(manual_dir=folder / "raw", data_dir=folder / "built", size=STORED)
    return folder


@pytest.fixture
def data(folder):
    return Data(data_dir=str(folder / "built"), size=STORED)


@pytest.fixture
def dataset(data):
    return reader.open_dataset(data)


def take(count, dataset, data, **options):
    defaults = {"reads": NOTHING, "batch_size": 4, "seed": 0}
    return list(itertools.islice(reader.train_batches(dataset, data, **(defaults | options)), count))


def assert_equal(batches, others):
    for batch, other in zip(batches, others, strict=True):
        assert batch.keys() == other.keys()
        for key in batch:
            np.testing.assert_array_equal(batch[key], other[key])


def test_the_opened_data_set(dataset):
    assert list(dataset.metadata["drives"]) == ["0003", "0005"] and dataset.size == STORED
    assert not dataset.metadata["stereo"]
    train = [(3, position) for position in range(16)] + [(5, position) for position in range(9)]
    assert dataset.splits == {"train": train, "val": [(3, 18), (3, 19)], "test": []}


def test_clips_of_a_split(dataset, data):
    clips = reader.clips(dataset, data, split="train", reads=NOTHING)
    assert [clip[:2] for clip in clips] == [(3, (k - 1, k, k + 1)) for k in range(1, 16)] + [
        (5, (k - 1, k, k + 1)) for k in range(1, 8)
    ]
    assert len(reader.clips(dataset, data, split="train", reads=NOTHING)) == 22
    posed = reader.clips(dataset, data, split="train", reads=frozenset({"source_from_target"}))
    assert posed == [clip for clip in clips if clip.drive == 3]
    assert reader.clips(dataset, data, split="val", reads=NOTHING)[0][:2] == (3, (17, 18, 19))
    strided = dataclasses.replace(data, stride=4)
    assert reader.clips(dataset, strided, split="train", reads=NOTHING)[0][:2] == (3, (0, 4, 8))


def test_an_evenly_spaced_subset(dataset, data):
    some = dataclasses.replace(data, train_frames=11, eval_frames=1)
    clips = reader.clips(dataset, data, split="train", reads=NOTHING)
    assert reader.clips(dataset, some, split="train", reads=NOTHING) == clips[::2]
    assert reader.frames(dataset, some, split="val", reads=EVERYTHING) == 1


def test_no_clip_where_labels_are_asked_for_and_there_are_none(tmp_path, data, folder):
    build(manual_dir=folder / "raw", data_dir=tmp_path, size=STORED, drives=(5,))
    data = dataclasses.replace(data, data_dir=str(tmp_path))
    dataset = reader.open_dataset(data)
    assert reader.clips(dataset, data, split="train", reads=frozenset({"instance"})) == []
    with pytest.raises(UserError, match="no training clip with instance"):
        reader.train_batches(dataset, data, reads=frozenset({"instance"}), batch_size=1, seed=0)
    assert reader.frames(dataset, data, split="train", reads=EVERYTHING) == 0
    assert list(reader.evaluation_batches(dataset, data, split="train", reads=EVERYTHING, batch_size=2)) == []


def test_a_training_batch_holds_what_was_recorded(dataset, data):
    (batch,) = take(1, dataset, data, reads=EVERYTHING, batch_size=15)
    assert {key: (value.shape, value.dtype.name) for key, value in batch.items()} == {
        "image": ((15, 3, 32, 96, 3), "uint8"),
        "intrinsics": ((15, 3, 3), "float32"),
        "source_from_target": ((15, 2, 4, 4), "float32"),
        "has_pose": ((15,), "bool"),
        "semantic": ((15, 32, 96), "uint8"),
        "instance": ((15, 32, 96), "int32"),
        "confidence": ((15, 32, 96), "float32"),
        "depth": ((15, 32, 96), "float32"),
        "drive": ((15,), "int32"),
        "frame": ((15,), "int32"),
    }
    assert sorted(batch["frame"]) == list(range(101, 116)) and batch["has_pose"].all() and (batch["drive"] == 3).all()
    rows, columns = [np.floor((np.arange(n) + 0.5) / 0.8).astype(int) for n in STORED]
    for n, frame in enumerate(batch["frame"]):
        for t, offset in enumerate((-1, 0, 1)):
            image = cv2.resize(picture(frame + offset), (96, 32), interpolation=cv2.INTER_AREA)
            np.testing.assert_array_equal(batch["image"][n, t], image)
        for s, offset in enumerate((-1, 1)):
            motion = np.linalg.inv(camera_pose(frame + offset)) @ camera_pose(frame)
            np.testing.assert_allclose(batch["source_from_target"][n, s], motion, atol=1e-6)
        labels = {kind: values[rows[:, None], columns] for kind, values in label_images(frame).items()}
        np.testing.assert_array_equal(batch["semantic"][n], labels["semantic"])
        np.testing.assert_array_equal(batch["instance"][n], labels["instance"])
        np.testing.assert_allclose(batch["confidence"][n], labels["confidence"] / 65535, rtol=1e-6)
    assert 2 < batch["depth"].max() < 60 and 0 < (batch["depth"] > 0).mean() < 0.2


def test_what_is_not_asked_for_is_not_read_and_what_is_missing_is_zero(dataset, data):
    assert take(1, dataset, data)[0].keys() == {"image", "intrinsics", "drive", "frame"}
    batch = take(1, dataset, data, reads=EVERYTHING - {"source_from_target"}, batch_size=22)[0]
    lacking = batch["drive"] == 5
    assert lacking.any() and not lacking.all()
    for key in ("semantic", "instance", "depth"):
        assert not batch[key][lacking].any() and all(row.any() for row in batch[key][~lacking])
    assert (batch["confidence"][lacking] == 1).all()


def test_images_are_reduced_and_intrinsics_with_them(dataset, data):
    small = dataclasses.replace(data, size=(16, 32))
    batch = take(1, dataset, small, reads=frozenset({"semantic"}))[0]
    assert batch["image"].shape == (4, 3, 16, 32, 3) and batch["semantic"].shape == (4, 16, 32)
    full = take(1, dataset, data)[0]
    # 2x3 blocks have whole borders: their mean, to the rounding
    blocks = full["image"].reshape(4, 3, 16, 2, 32, 3, 3).mean(axis=(3, 5))
    assert np.abs(batch["image"] - blocks).max() <= 0.51
    # of the raw 40x120 image: cx = 58.3, cy = 24.1, f = 60; ratios 32 / 120 and 16 / 40
    expected = [[16, 0, 58.8 * 32 / 120 - 0.5], [0, 24, 24.6 * 0.4 - 0.5], [0, 0, 1]]
    np.testing.assert_allclose(batch["intrinsics"][0], expected, rtol=1e-6)


def test_batch_n_depends_on_the_seed_and_n_only(dataset, data):
    batches = take(12, dataset, data, seed=7)
    assert_equal(batches, take(12, dataset, dataclasses.replace(data, threads=0), seed=7))
    for start in (1, 5, 11):
        assert_equal(batches[start:], take(12 - start, dataset, data, seed=7, start=start))
    assert not np.array_equal(batches[0]["frame"], take(1, dataset, data, seed=8)[0]["frame"])
    assert_equal(take(1, dataset, data, seed=7, start=10**6), take(1, dataset, data, seed=7, start=10**6))


def test_every_pass_sees_every_clip_once_in_another_order(dataset, data):
    batches = take(22, dataset, data, batch_size=2)
    clips = [pair for batch in batches for pair in zip(batch["drive"].tolist(), batch["frame"].tolist())]
    first, second = clips[:22], clips[22:]
    assert len(set(first)) == len(set(second)) == 22 and first != second and set(first) == set(second)


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_the_shares_of_the_processes_tile_the_global_batch(dataset, data, processes):
    whole = take(7, dataset, data, batch_size=8, start=2)
    shares = [
        take(7, dataset, data, batch_size=8, start=2, process_index=index, process_count=processes)
        for index in range(processes)
    ]
    tiled = [{key: np.concatenate([part[key] for part in parts]) for key in parts[0]} for parts in zip(*shares)]
    assert_equal(whole, tiled)


def test_a_batch_that_does_not_divide_is_refused(dataset, data):
    with pytest.raises(UserError, match="batch_size=6"):
        take(1, dataset, data, batch_size=6, process_count=4)


def test_evaluation_batches_are_the_frames_in_order_at_full_size(dataset, data):
    options = {"split": "train", "reads": EVERYTHING - {"source_from_target"}}
    assert reader.frames(dataset, data, **options) == 16  # those of drive 5 have no truth
    batches = list(reader.evaluation_batches(dataset, data, **options, batch_size=6))
    assert [len(batch["frame"]) for batch in batches] == [6, 6, 4]
    assert np.concatenate([batch["frame"] for batch in batches]).tolist() == list(range(100, 116))
    for batch in batches:
        assert batch["image"].shape[1:] == (1, *STORED, 3) and batch["depth"].shape[1:] == FULL
        for n, frame in enumerate(batch["frame"]):
            labels = label_images(frame)
            np.testing.assert_array_equal(batch["semantic"][n], labels["semantic"])
            np.testing.assert_array_equal(batch["instance"][n], labels["instance"])
    turns = [
        [batch["frame"].tolist() for batch in reader.evaluation_batches(
            dataset, data, **options, batch_size=6, images=False, process_index=index, process_count=4,
        )] for index in range(4)
    ]  # fmt: skip
    assert turns == [[batch["frame"].tolist()] for batch in batches] + [[]]
    assert reader.frames(dataset, data, split="val", reads=frozenset({"depth"})) == 2
    assert reader.frames(dataset, data, split="test", reads=frozenset({"depth"})) == 0


def test_clips_of_other_lengths(dataset, data):
    long = dataclasses.replace(data, clip_length=5)
    batch = take(1, dataset, long, reads=frozenset({"source_from_target"}))[0]
    assert batch["image"].shape == (4, 5, 32, 96, 3) and batch["source_from_target"].shape == (4, 4, 4, 4)
    motion = np.linalg.inv(camera_pose(batch["frame"][0] + 2)) @ camera_pose(batch["frame"][0])
    np.testing.assert_allclose(batch["source_from_target"][0, 3], motion, atol=1e-6)


def test_worker_processes_change_nothing(dataset, data):
    workers = dataclasses.replace(data, workers=1, threads=1)
    assert_equal(take(3, dataset, data, reads=EVERYTHING), take(3, dataset, workers, reads=EVERYTHING))


def test_nothing_built_gives_the_command(tmp_path):
    data = Data(manual_dir="/some/KITTI-360", data_dir=str(tmp_path))
    command = f"python -m tfds_kitti360.build --manual_dir=/some/KITTI-360 --data_dir={tmp_path}"
    with pytest.raises(UserError, match="no built data set") as error:
        reader.open_dataset(data)
    assert str(error.value).endswith(command)
    (tmp_path / "kitti360" / "incomplete.ABC_1.0.0").mkdir(parents=True)
    with pytest.raises(UserError, match="unfinished build"):
        reader.open_dataset(data)
    (tmp_path / "kitti360" / "1.0.0").mkdir()
    with pytest.raises(UserError, match="not a finished data set"):
        reader.open_dataset(data)
    with pytest.raises(UserError, match="--size=256x640"):
        reader.open_dataset(dataclasses.replace(data, size=(256, 640)))


def test_a_lost_shard_is_named(tmp_path, folder, data):
    build(manual_dir=folder / "raw", data_dir=tmp_path, size=STORED, drives=(5,))
    next(tmp_path.glob("kitti360/1.0.0/*record*")).unlink()
    with pytest.raises(UserError, match=r"kitti360-drive_0005.*is missing; delete"):
        reader.open_dataset(dataclasses.replace(data, data_dir=str(tmp_path)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": (64, 96)}, r"config.data.size=64,96 is larger than the images stored in .* which have 32,96"),
        ({"size": (32,)}, "height and a width"),
        ({"clip_length": 2}, "clip_length=2 has no middle frame"),
        ({"stride": 0}, "stride=0 is too small"),
        ({"threads": -1}, "threads=-1"),
    ],
)
def test_settings_that_cannot_work_are_refused(data, change, words):
    for name, value in change.items():
        setattr(data, name, value)  # as the command line does
    with pytest.raises(UserError, match=words):
        reader.open_dataset(data)


def test_a_split_that_does_not_exist_is_refused(dataset, data):
    with pytest.raises(UserError, match="no split 'vall'; choose one of train, val, test"):
        reader.frames(dataset, data, split="vall", reads=NOTHING)


def test_labels_import_without_the_data_stack():
    """Accelerator machines have jax and flax only (ENVIRONMENT)."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['grain', 'tensorflow_datasets', 'cv2', 'array_record']));"
        "from mtl_depth.data import LABELS, train_id_from_id; assert len(LABELS) == 46"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_excerpt(tmp_path, excerpt):
    build(manual_dir=excerpt, data_dir=tmp_path, drives=(8,))
    data = Data(data_dir=str(tmp_path))
    dataset = reader.open_dataset(data)
    frames = {split: [3000 + position for _, position in pairs] for split, pairs in dataset.splits.items()}
    assert frames == {"train": list(range(3000, 3032)), "val": list(range(3034, 3040)), "test": []}
    assert len(reader.clips(dataset, data, split="train", reads=frozenset({"source_from_target"}))) == 31
    (batch,) = reader.evaluation_batches(dataset, data, split="val", reads=frozenset({"depth"}), batch_size=8)
    assert batch["depth"].shape == (6, 376, 1408)
    assert all(25_500 < count < 27_500 for count in (batch["depth"] > 0).sum(axis=(1, 2)))
    motion = next(reader.train_batches(dataset, data, reads=frozenset({"source_from_target"}), batch_size=2, seed=0))
    forward = motion["source_from_target"][:, :, 2, 3]  # a point ahead is further from the frame before
    np.testing.assert_allclose(forward, [[1.02, -1.02]] * 2, atol=0.06)


def test_planning_opens_no_record(folder):
    """Records are read when batches are."""
    data = Data(data_dir=str(folder / "built"), size=STORED)
    dataset = reader.open_dataset(data)
    shards = list((folder / "built/kitti360/1.0.0").glob("*record*"))
    contents = [shard.read_bytes() for shard in shards]
    try:
        for shard in shards:
            save(shard, b"")
        assert len(reader.clips(dataset, data, split="train", reads=NOTHING)) == 22
        assert reader.frames(reader.open_dataset(data), data, split="val", reads=EVERYTHING) == 2
    finally:
        for shard, content in zip(shards, contents):
            save(shard, content)
