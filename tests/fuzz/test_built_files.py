"""The files beside a built data set, under attack: nothing damaged is planned from, and building says so too."""

import fuzzing
import hypothesis.strategies as st
import kitti360_tree
import pytest
from hypothesis import given
from kitti360_built import build

from mtl_depth import data as reader
from mtl_depth.config import Data

FILES = ("metadata.json", "dataset_info.json", "features.json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("built")
    kitti360_tree.write_tree(path / "raw", {3: range(6), 4: range(5)})
    assert build(path)[0] == 0
    return path


@pytest.fixture(scope="module")
def good(folder):
    return fuzzing.Originals({name: (folder / "built/kitti360/1.0.0" / name).read_bytes() for name in FILES})


def plan(folder):
    """What training plans with: every clip and frame of it has to lie in the data set."""
    data = Data(data_dir=str(folder / "built"), size=(32, 96))
    dataset = reader.open_dataset(data)
    found = [
        clip
        for split in ("train", "val", "test")
        for clip in reader.clips(dataset, data, split=split, reads=frozenset({"source_from_target"}))
    ]
    assert all(position < {3: 6, 4: 5}[clip.drive] for clip in found for position in clip.positions)
    reader.frames(dataset, data, split="val", reads=frozenset({"depth", "semantic"}))
    return dataset


@pytest.mark.parametrize("name", FILES)
@fuzzing.fuzz()
@given(data=st.data())
def test_what_describes_the_data_set(folder, good, name, data):
    path = folder / "built/kitti360/1.0.0" / name
    path.write_bytes(data.draw(fuzzing.damaged(good[name])))
    try:
        found = fuzzing.attempt("built data set", lambda: plan(folder))
        if found is None:
            status, _, complaint = build(folder)
            assert status in (0, 2) and (status == 0 or complaint)  # 0: what training needs, building does not
    finally:
        path.write_bytes(good[name])


def test_it_is_whole_afterwards(folder):
    assert list(plan(folder).metadata["drives"]) == ["0003", "0004"] and build(folder)[1].startswith("already built")
