"""Records: the same arrays from every storage, whoever reads them, and damage that is named."""

import concurrent.futures

import cv2
import numpy as np
import pytest
from kitti360_tree import label_images, picture, write_tree

from mtl_depth.config import Data
from mtl_depth.data import Clip, open_dataset
from mtl_depth.data.records import LABELS, Loader, Records, at_centers
from mtl_depth.errors import UserError
from tfds_kitti360.build import build
from tfds_kitti360.images import STORAGES

STORED = (32, 96)
CLIP = Clip(3, (4, 5, 6))


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Drive 3: 20 frames with everything."""
    root = tmp_path_factory.mktemp("raw")
    write_tree(root, {3: range(100, 120)})
    return root


@pytest.fixture(scope="module")
def opened(raw, tmp_path_factory):
    """The built data sets by storage."""
    found = {}
    for storage in STORAGES:
        folder = tmp_path_factory.mktemp(storage)
        build(manual_dir=raw, data_dir=folder, size=STORED, storage=storage)
        found[storage] = open_dataset(Data(data_dir=str(folder), size=STORED))
    return found


def load(dataset, *, size=STORED, full=False):
    return Loader(dataset.path, dataset.metadata, size, LABELS | {"depth"}, labels_full_size=full)(CLIP)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("size", [STORED, (16, 48)])
def test_every_storage_is_read_by_the_same_reader(opened, storage, size):
    row, png = load(opened[storage], size=size), load(opened["png"], size=size)
    whole = [cv2.resize(picture(frame), STORED[::-1], interpolation=cv2.INTER_AREA) for frame in (104, 105, 106)]
    expected = np.stack([cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA) for image in whole])
    error = np.abs(row["image"].astype(int) - expected)
    assert error.max() <= (10 if storage == "jpeg" else 0) and error.mean() < 2
    for key in LABELS | {"depth", "frame"}:
        np.testing.assert_array_equal(row[key], png[key])


@pytest.mark.parametrize("size", [STORED, (16, 48), (24, 60)])
def test_labels_are_the_drawn_values_at_each_pixel_s_centre(opened, size):
    row, truth = load(opened["png"], size=size), label_images(105)
    rows, columns = [np.floor((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(size, (40, 120))]
    for kind in ("semantic", "instance"):
        np.testing.assert_array_equal(row[kind], truth[kind][rows[:, None], columns])
    np.testing.assert_allclose(row["confidence"], truth["confidence"][rows[:, None], columns] / 65535, rtol=1e-6)
    full = load(opened["png"], size=size, full=True)
    np.testing.assert_array_equal(full["semantic"], truth["semantic"])
    assert {kind: full[kind].dtype.name for kind in LABELS} == {
        "semantic": "uint8",
        "instance": "int32",
        "confidence": "float32",
    }


def test_threads_share_a_reader(opened):
    """Records are whole whoever reads them at the same time."""
    records = Records(opened["png"].path, 3)
    order = np.random.default_rng(0).integers(0, 20, 2000).tolist()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda position: records[position]["frame"].int64_list.value[0], order))
    assert read == [100 + position for position in order]


@pytest.mark.parametrize("storage", STORAGES)
def test_a_damaged_record_is_named(opened, storage, monkeypatch):
    bytes_of = "mtl_depth.data.records._bytes"
    monkeypatch.setattr(bytes_of, lambda record, key: record[key].bytes_list.value[0][:40])
    with pytest.raises(UserError, match="the stored image of drive 0003 frame 104 is damaged"):
        load(opened[storage])


def test_the_depth_of_training_is_that_at_the_centres():
    depth = np.arange(24, dtype=np.float32).reshape(4, 6)
    np.testing.assert_array_equal(at_centers(depth, (2, 2)), [[7, 10], [19, 22]])
    np.testing.assert_array_equal(at_centers(depth, depth.shape), depth)
    road = np.broadcast_to(100 / (1 + np.arange(128, dtype=np.float32))[:, None], (128, 8))  # a plane below a camera
    halved = at_centers(road, (96, 8))[:, 0]
    np.testing.assert_allclose(np.mean(1 / halved), np.mean(1 / road[:, 0]), rtol=0.01)  # as near as it was
