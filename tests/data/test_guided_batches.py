"""What guidance and stereo read beside a clip: the neighbours' labels and the right image."""

import itertools

import numpy as np
import pytest
from kitti360_tree import BASELINE, label_images, picture, write_tree

from mtl_depth import data as reader
from mtl_depth.config import Data
from tfds_kitti360.build import build
from tfds_kitti360.resize import reduce_map

STORED = (40, 120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Drive 3: everything; drive 5: left images only."""
    folder = tmp_path_factory.mktemp("stereo")
    write_tree(folder / "raw", {3: range(100, 110)})
    write_tree(folder / "raw", {5: range(5)}, has=[])
    build(manual_dir=folder / "raw", data_dir=folder / "built", size=STORED, stereo=True)
    return folder


def batch_of(folder, *reads):
    data = Data(data_dir=str(folder / "built"), size=STORED)
    batches = reader.train_batches(reader.open_dataset(data), data, reads=frozenset(reads), batch_size=3, seed=0)
    return next(itertools.islice(batches, 1))


def test_the_right_image_is_the_target_s_with_the_rig_s_baseline(folder):
    batch = batch_of(folder, "image_right")
    assert set(batch["drive"].tolist()) == {3}  # the other drive has no right images
    for frame, right, motion in zip(batch["frame"], batch["image_right"], batch["right_from_target"]):
        np.testing.assert_array_equal(right, picture(frame + 1000))
        expected = np.eye(4, dtype=np.float32)
        expected[0, 3] = -BASELINE  # a point is further left in the right camera's coordinates
        np.testing.assert_allclose(motion, expected[None], atol=1e-6)


def test_labels_of_the_neighbours_in_temporal_order(folder):
    batch = batch_of(folder, "source_semantic", "source_from_target")
    for frame, labels in zip(batch["frame"], batch["source_semantic"]):
        for position, neighbour in enumerate((frame - 1, frame + 1)):
            expected = label_images(neighbour)["semantic"]
            np.testing.assert_array_equal(labels[..., position], reduce_map(expected, STORED))
