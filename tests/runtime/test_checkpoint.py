"""Checkpoints come back bit for bit, on any number of devices, and only as many as asked for are kept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtl_depth.errors import UserError
from mtl_depth.runtime.checkpoint import Checkpoints, restore_variables
from mtl_depth.runtime.devices import Devices
from mtl_depth.training.state import TrainState


def make_state(step: int = 0) -> TrainState:
    return TrainState(
        step=jnp.int32(step),
        params={"encoder": {"kernel": jnp.arange(6.0).reshape(2, 3) + step}},
        batch_stats={"encoder": {"mean": jnp.full(3, 0.1) * step}},
        opt_state=({"count": jnp.int32(step)}, ()),
        key=jax.random.key(7),
        skipped=jnp.int32(0),
        skipped_in_row=jnp.int32(0),
    )


def save_steps(folder, steps, *, keep=3, abs_rel=None):
    checkpoints = Checkpoints(folder, keep=keep)
    for step in steps:
        checkpoints.save(step, make_state(step))
        if step in (abs_rel or {}):
            checkpoints.note(step, {"abs_rel": abs_rel[step]})
    checkpoints.close()


def same(left, right):
    assert jax.random.key_data(left.key).tolist() == jax.random.key_data(right.key).tolist()
    jax.tree.map(np.testing.assert_array_equal, left._replace(key=0), right._replace(key=0))


@pytest.mark.parametrize("devices", [1, 8])
def test_restores_what_was_saved_from_and_to_any_devices(tmp_path, devices):
    checkpoints = Checkpoints(tmp_path, keep=2)
    checkpoints.save(5, Devices(devices).place_state(make_state(5)))
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path, keep=2)
    assert checkpoints.newest() == 5
    same(checkpoints.restore(5, make_state(0)), make_state(5))
    same(checkpoints.restore(5, Devices(8).place_state(make_state(0))), make_state(5))
    checkpoints.close()


def test_keeps_the_newest_and_the_best(tmp_path):
    save_steps(tmp_path, [1, 2, 3, 4, 5], keep=2, abs_rel={2: 0.3, 3: 0.5})
    kept = sorted(int(path.name) for path in tmp_path.iterdir() if path.name.isdigit())
    assert kept == [2, 4, 5]


def target():
    return {"params": make_state().params, "batch_stats": make_state().batch_stats}


@pytest.mark.parametrize(("checkpoint", "step"), [("latest", 3), ("best", 2), ("1", 1)])
def test_variables_alone(tmp_path, checkpoint, step):
    save_steps(tmp_path, [1, 2, 3], abs_rel={1: 0.4, 2: 0.3, 3: 0.5})
    variables = restore_variables(tmp_path, jax.eval_shape(target), checkpoint=checkpoint)
    np.testing.assert_array_equal(
        variables["params"]["encoder"]["kernel"], make_state(step).params["encoder"]["kernel"]
    )
    assert set(variables) == {"params", "batch_stats"}


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        restore_variables(tmp_path / "absent", jax.eval_shape(target))
    with pytest.raises(UserError, match="no finished checkpoint"):
        restore_variables(tmp_path, jax.eval_shape(target))
    save_steps(tmp_path, [1])
    with pytest.raises(UserError, match="no checkpoint '4'"):
        restore_variables(tmp_path, jax.eval_shape(target), checkpoint="4")
    with pytest.raises(UserError, match="no evaluated checkpoint"):
        restore_variables(tmp_path, jax.eval_shape(target), checkpoint="best")


def test_another_network_is_refused(tmp_path):
    save_steps(tmp_path, [1])
    other = target() | {"params": {"encoder": {"kernel": jnp.zeros((5, 3))}}}
    with pytest.raises(UserError, match="of another network"):
        restore_variables(tmp_path, jax.eval_shape(lambda: other))


def test_damage_that_no_manifest_tells_of_is_one_line(tmp_path):
    """Checkpoints of earlier versions have none, and what Orbax says fills a screen."""
    save_steps(tmp_path, [1])
    (tmp_path / "1" / "manifest.json").unlink()
    for file in (tmp_path / "1" / "state").rglob("*"):
        if file.is_file() and file.parent.name == "d":
            file.write_bytes(bytes(file.stat().st_size))
    with pytest.raises(UserError, match="is damaged, or of another network") as caught:
        restore_variables(tmp_path, jax.eval_shape(target))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400 + len(str(tmp_path))
