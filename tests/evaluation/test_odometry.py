"""Predicted motion against recorded poses on a built data set."""

import numpy as np
import pytest
from kitti360_tree import write_tree

from mtl_depth import data as reader
from mtl_depth.config import Data
from mtl_depth.evaluation import odometry
from tfds_kitti360.build import build

STORED = (32, 96)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Drive 3: frames 100 to 110 and, after a gap, 120 to 124, all train; drive 5 has no poses."""
    folder = tmp_path_factory.mktemp("odometry")
    frames = [*range(100, 111), *range(120, 125)]
    write_tree(folder / "raw", {3: frames}, lists={"train": [(3, frame) for frame in frames], "val": []})
    build(manual_dir=folder / "raw", data_dir=folder / "built", size=STORED)
    data = Data(data_dir=str(folder / "built"), size=STORED)
    return reader.open_dataset(data), data


def true_motions(built):
    dataset, data = built
    batches = reader.pair_batches(dataset, data, split="train", batch_size=4)
    return np.concatenate([np.linalg.inv(batch["source_from_target"][:, 0].astype(np.float64)) for batch in batches])


def test_pairs_follow_each_other(built):
    dataset, data = built
    batches = list(reader.pair_batches(dataset, data, split="train", batch_size=4))
    frames = np.concatenate([batch["frame"] for batch in batches]).tolist()
    assert frames == [*range(101, 111), *range(121, 125)]
    assert batches[0]["image"].shape == (4, 2, *STORED, 3) and batches[-1]["image"].shape[0] == 2


def answer(motions):
    """A pose network that knows: asked in order, in batches of four."""
    queue = iter(motions)
    return lambda first, second: np.stack([next(queue, np.eye(4)) for _ in first])


def test_the_truth_without_its_scale_has_no_error(built):
    motions = true_motions(built)
    motions[:, :3, 3] /= 7
    found = odometry.measure(answer(motions), *built, split="train", batch_size=4)
    assert found["snippets"] == (11 - 4) + (5 - 4)  # the gap holds none
    np.testing.assert_allclose([found["ate_5"], found["scale"]], [0, 7], atol=1e-5)
    assert "t_rel" not in found  # seven metres are too short for it


def test_another_motion_has_an_error(built):
    sideways = np.tile(np.eye(4), (14, 1, 1))
    sideways[:, 0, 3] = 0.5
    found = odometry.measure(answer(sideways), *built, split="train", batch_size=4)
    assert found["ate_5"] > 0.1


def test_nothing_to_compare(built):
    assert odometry.measure(answer([]), *built, split="val", batch_size=4) == {}
