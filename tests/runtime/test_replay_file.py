"""A batch and a state come back bit for bit from plain arrays, and what is no such file is said."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtl_depth.errors import UserError
from mtl_depth.runtime import replay_file
from mtl_depth.training.state import TrainState


def make_state() -> TrainState:
    return TrainState(
        step=jnp.int32(4),
        params={"encoder": {"kernel": jnp.array([1.0, jnp.nan, -0.0])}},
        batch_stats={},
        opt_state=({"count": jnp.int32(3)}, ()),
        key=jax.random.key(7),
        skipped=jnp.int32(1),
        skipped_in_row=jnp.int32(1),
    )


BATCH = {"image": np.arange(6, dtype=np.uint8), "frame": np.array([3, 4], np.int32)}


def test_comes_back(tmp_path):
    path = tmp_path / "replay_5.npz"
    replay_file.write(path, make_state(), BATCH, settings={"train": {"steps": 3}})
    assert replay_file.read_settings(path) == {"train": {"steps": 3}}
    state, found = replay_file.read(path, make_state())
    assert jax.random.key_data(state.key).tolist() == jax.random.key_data(make_state().key).tolist()
    jax.tree.map(np.testing.assert_array_equal, (state._replace(key=0), found), (make_state()._replace(key=0), BATCH))
    assert [entry.name for entry in tmp_path.iterdir()] == ["replay_5.npz"]


def test_what_is_no_such_file_is_said(tmp_path):
    path = tmp_path / "replay_5.npz"
    with pytest.raises(UserError, match=r"replay_5\.npz cannot be read"):
        replay_file.read_settings(path)
    replay_file.write(path, make_state(), BATCH, settings={})
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", bytes(len(whole)), whole.replace(b"frame", b"fname")[:-40]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"replay_5\.npz"):
            replay_file.read(path, make_state())


def test_nothing_is_unpickled(tmp_path):
    path = tmp_path / "replay_5.npz"
    np.savez(path, settings=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match=r"replay_5\.npz"):
        replay_file.read_settings(path)
