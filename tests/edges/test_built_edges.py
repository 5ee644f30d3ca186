"""What describes a built data set: its checksums notice every change, and its fingerprint says which data it is."""

import json
import shutil

import kitti360_built
import kitti360_tree as trees
import numpy as np
import pytest
from edges.test_download_edges import FRAME, LISTED, lists_are, tree
from kitti360_tree import label_images, picture, save_png

from mtl_depth import data
from mtl_depth.config import Data
from mtl_depth.errors import UserError
from tfds_kitti360.layout import Layout


@pytest.mark.parametrize("name", ["metadata.json", "dataset_info.json", "features.json"])
def test_a_flipped_bit_beside_the_shards_is_noticed(tmp_path, name):
    tree(tmp_path)
    assert kitti360_built.build(tmp_path)[0] == 0
    path = tmp_path / "built/kitti360/1.0.0" / name
    content = path.read_bytes()
    for place in np.random.default_rng(0).integers(0, 8 * len(content), 25):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=rf"{name} was edited or damaged"):
            data.open_dataset(Data(data_dir=str(tmp_path / "built"), size=(32, 96)))
    status, _, complaint = kitti360_built.build(tmp_path)
    assert status == 2 and "was edited or damaged" in complaint
    path.write_bytes(content)
    assert kitti360_built.build(tmp_path)[1].startswith("already built")


def test_an_edit_by_hand_is_said(tmp_path):
    tree(tmp_path)
    assert kitti360_built.build(tmp_path)[0] == 0
    path = tmp_path / "built/kitti360/1.0.0/metadata.json"
    found = json.loads(path.read_text())
    path.write_text(json.dumps(found | {"baseline": 0.7}))
    status, _, complaint = kitti360_built.build(tmp_path)
    assert status == 2 and "metadata.json was edited or damaged" in complaint and "restore it" in complaint


def fingerprint(root):
    return data.open_dataset(Data(data_dir=str(root / "built"), size=(32, 64))).fingerprint


def test_the_fingerprint_is_of_what_the_data_are(tmp_path):
    """The same download elsewhere, through a link, with more workers: the same. Another picture, label, pose or focal
    length, another size, other frames: another."""
    first = tmp_path / "first"
    tree(first)
    assert kitti360_built.build(first)[0] == 0
    same = fingerprint(first)
    second = tmp_path / "second [2]"
    shutil.copytree(first / "raw", second / "elsewhere")
    (second / "raw").symlink_to(second / "elsewhere")
    assert kitti360_built.build(second, "--workers=2", "--drives=3", "--storage=raw")[0] == 0
    assert fingerprint(second) == same
    changes = {
        "picture": lambda layout: save_png(layout.images(3) / f"{FRAME}.png", picture(7)),
        "focal": lambda layout: layout.perspective.write_text(
            layout.perspective.read_text().replace(f"{trees.FOCAL:.12g} 0", f"{trees.FOCAL + 1:.12g} 0")
        ),
        "frame": lambda layout: (layout.images(3) / "0000000107.png").unlink(),
        "lists": lists_are(train=LISTED, val=trees.list_line(3, 107)),
        "label": lambda layout: save_png(
            layout.labels(3, "instance") / f"{FRAME}.png", label_images(5)["instance"] * 0
        ),
    }
    found = {same}
    for name, change in changes.items():
        other = tmp_path / name
        shutil.copytree(first / "raw", other / "raw")
        if name == "label":
            (
                other / "raw/data_2d_semantics/train/2013_05_28_drive_0003_sync/image_00/semantic" / f"{FRAME}.png"
            ).unlink()
        change(Layout(other / "raw"))
        assert kitti360_built.build(other)[0] == 0
        found.add(fingerprint(other))
    other = tmp_path / "size"
    shutil.copytree(first / "raw", other / "raw")
    assert kitti360_built.build(other, size="32x64")[0] == 0
    assert len(found | {fingerprint(other)}) == len(changes) + 2
