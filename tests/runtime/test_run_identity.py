"""A run's folder takes the same run again and no other; the message names what differs."""

import types

import pytest

from mtl_depth import config
from mtl_depth.errors import UserError
from mtl_depth.runtime import run_identity


def dataset(**changed):
    drives = {"0000": {"frames": [1, 2, 3]}, "0002": {"frames": [5]}}
    metadata = {"size": (64, 96), "settings": {"manual_dir": "raw"}, "drives": drives}
    return types.SimpleNamespace(metadata=metadata | changed)


def make(**data) -> config.Config:
    return config.Config(data=config.Data(size=(64, 96), **data), tasks=config.Tasks(depth=config.DepthTask()))


def test_the_same_run_again(tmp_path):
    run_identity.check_or_record(tmp_path, make(), dataset(), clips=4)
    run_identity.check_or_record(tmp_path, make(threads=7, data_dir="elsewhere"), dataset(), clips=4)


def test_another_setting_is_named(tmp_path):
    run_identity.check_or_record(tmp_path, make(), dataset(), clips=4)
    other = make(stride=2)
    other.model.width = 0.5
    with pytest.raises(UserError, match=r"config\.data\.stride \(1 there, 2 here\); config\.model\.width \(1.0 there"):
        run_identity.check_or_record(tmp_path, other, dataset(), clips=4)
    other = make()
    other.tasks = config.Tasks(semantic=config.SemanticTask())
    with pytest.raises(UserError, match=r"config\.tasks\.depth"):
        run_identity.check_or_record(tmp_path, other, dataset(), clips=4)


def test_another_data_set_is_named(tmp_path):
    run_identity.check_or_record(tmp_path, make(), dataset(), clips=4)
    with pytest.raises(UserError, match=r"not the data set.*size \(\[64, 96\] there, \[96, 320\] here\)"):
        run_identity.check_or_record(tmp_path, make(), dataset(size=(96, 320)), clips=4)
    with pytest.raises(UserError, match=r"training_clips \(4 there, 5 here\)"):
        run_identity.check_or_record(tmp_path, make(), dataset(), clips=5)


@pytest.mark.parametrize("name", ["config.json", "dataset.json"])
@pytest.mark.parametrize("content", [b"", b"\0\0", b'{"a": ', b"\xff", b"[1]"])
def test_a_damaged_record_is_said(tmp_path, name, content):
    run_identity.check_or_record(tmp_path, make(), dataset(), clips=4)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"{name} is damaged"):
        run_identity.check_or_record(tmp_path, make(), dataset(), clips=4)
