"""The state that a training starts from."""

import dataclasses

import fake_run
import jax
import numpy as np

from mtl_depth import config as configuration
from mtl_depth.commands import train_start
from mtl_depth.runtime.checkpoint import Checkpoints
from mtl_depth.training.assembly import assemble_run


def test_a_pose_network_that_the_given_weights_lack_starts_with_their_encoder(capsys, tmp_path):
    given = fake_run.perceiver("depth")
    without_pose = {name: tree for name, tree in given.variables["params"].items() if name != "pose"}
    statistics = {"encoder": given.variables["batch_stats"]["encoder"]}
    given = dataclasses.replace(given, variables={"params": without_pose, "batch_stats": statistics})
    config = fake_run.config("depth")
    config.initial_weights = "RUN"
    config.tasks.depth = configuration.DepthTask(motion="predicted")
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=1)
    state, start = train_start.first_state(assemble_run(config), checkpoints, given)
    checkpoints.close()
    assert start == 0 and "pose (except its encoder)" in capsys.readouterr().err
    encoder, pose = state.params["encoder"], state.params["pose"]["encoder"]
    np.testing.assert_array_equal(encoder["conv1"]["kernel"], without_pose["encoder"]["conv1"]["kernel"])
    first = np.asarray(encoder["conv1"]["kernel"])
    np.testing.assert_allclose(pose["conv1"]["kernel"], np.concatenate([first, first], axis=2) / 2)
    rest = [{name: tree for name, tree in one.items() if name != "conv1"} for one in (encoder, pose)]
    jax.tree.map(np.testing.assert_array_equal, *rest)
