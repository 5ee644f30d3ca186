"""Where the intrinsics of looked-at pictures come from, and that it is said."""

import json
import os
import types

import numpy as np
import pytest

from mtl_depth.config import Config
from mtl_depth.errors import UserError
from mtl_depth.prediction import cameras

STORED = {"intrinsics": [[100.0, 0, 63.5], [0, 80, 31.5], [0, 0, 1]], "image_size": [128, 320]}
STORED["drives"] = {"0": {"frames": [7, 8, 9]}}


@pytest.fixture
def opened(monkeypatch):
    dataset = types.SimpleNamespace(metadata=STORED, size=(64, 128))
    monkeypatch.setattr("mtl_depth.data.open_dataset", lambda data: dataset)


def test_the_data_set_s_where_the_proportions_are_its_own(opened, capsys):
    camera = cameras.find(Config(), None, speak=True)
    # stored 64x128 of 128x320 pictures; of a 256x640 picture all is 5 x wider and 4 x higher
    np.testing.assert_allclose(camera((256, 640)), [[500, 0, 319.5], [0, 320, 127.5], [0, 0, 1]])
    camera((256, 640))
    said = capsys.readouterr().err
    assert (
        said.count("are those of the data set: a field of view of 65 degrees") == 1 and f"({os.getcwd()}/data)" in said
    )


def test_a_learned_focal_length_is_used_and_said(opened, capsys):
    camera = cameras.find(Config(), None, speak=True, focal_scale=0.5)
    np.testing.assert_allclose(camera((256, 640)), [[250, 0, 319.5], [0, 160, 127.5], [0, 0, 1]])
    assert "as learned" in capsys.readouterr().err
    assert cameras.find(Config(), None, speak=False, focal_scale=0.5)((480, 640))[0, 0] > 300  # a guess stays a guess


def test_a_guess_for_others_is_said(opened, capsys):
    made = cameras.find(Config(), None, speak=True)((480, 640))
    assert made[0, 0] == made[1, 1] and "are assumed" in capsys.readouterr().err


def test_a_run_s_own_record_is_used_and_no_other_data_set(opened, tmp_path, capsys):
    guess = cameras.find(Config(), None, speak=False, run=tmp_path)((256, 640))  # not a run: what lies there is foreign
    assert guess[0, 0] == guess[1, 1] != 500
    (tmp_path / "dataset.json").write_text(json.dumps(STORED | {"size": [64, 128], "intrinsics": np.eye(3).tolist()}))
    found = cameras.find(Config(), None, speak=True, run=tmp_path)((256, 640))
    assert (found[0, 0], found[1, 1]) == (5, 4) and f"as {tmp_path} records them" in capsys.readouterr().err
    for frames, focal in ((3, 500), (4, guess[0, 0])):  # a run of before: by the number of frames
        (tmp_path / "dataset.json").write_text(json.dumps({"frames": frames}))
        assert cameras.find(Config(), None, speak=False, run=tmp_path)((256, 640))[0, 0] == focal


def test_without_a_data_set_it_is_a_guess(monkeypatch, capsys):
    def absent(data):
        raise UserError("gone")

    monkeypatch.setattr("mtl_depth.data.open_dataset", absent)
    cameras.find(Config(), None, speak=False)((480, 640))
    assert not capsys.readouterr().err


def test_what_is_given_wins(opened, tmp_path):
    given = [[500, 0, 318.5], [0, 502, 241], [0, 0, 1]]
    np.testing.assert_array_equal(cameras.find(Config(), "500,502,318.5,241", speak=True)((480, 640)), given)
    (tmp_path / "camera.txt").write_text("500 0 318.5\n0 502 241\n0 0 1\n")
    np.testing.assert_array_equal(cameras.find(Config(), str(tmp_path / "camera.txt"), speak=True)((480, 640)), given)
    with pytest.raises(UserError, match="--intrinsics=1,2,3 is neither four numbers"):
        cameras.find(Config(), "1,2,3", speak=True)((480, 640))
