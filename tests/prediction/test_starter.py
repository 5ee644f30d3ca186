"""The model that the package brings: small, metric for any camera, and what configs/finetune.py starts from."""

import pathlib
import runpy

import numpy as np

from mtl_depth.inference import load_perceiver
from mtl_depth.prediction.loading import STARTER_FILE
from mtl_depth.tasks import assemble
from mtl_depth.training import initial

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_the_starter_is_small_and_metric():
    assert STARTER_FILE.stat().st_size <= 12e6
    starter = load_perceiver("starter")
    assert starter.metric and starter.canonical_focal is not None
    assert {task.name for task in starter.tasks} == {"depth", "semantic", "instance"}
    assert "data_dir" in vars(starter.config.data) and not pathlib.Path(starter.config.data.data_dir).is_absolute()


def test_a_street_is_seen_as_one():
    """A drawn street: near road below, sky above; a lens twice as long is answered with twice the depth."""
    rows = np.linspace(0, 1, 96)[:, None, None]
    sky, road = np.array([0.55, 0.7, 0.95]), np.array([0.35, 0.35, 0.36])
    picture = np.broadcast_to(np.where(rows < 0.45, sky, road), (96, 320, 3)).astype(np.float32)
    starter = load_perceiver("starter")
    depth = starter.depth(picture, intrinsics=(160, 160, 159.5, 50))
    assert np.isfinite(depth).all() and np.median(depth[-10:]) < np.median(depth[45:50])
    longer = starter.depth(picture, intrinsics=(320, 320, 159.5, 50))
    np.testing.assert_allclose(longer, 2 * depth, rtol=1e-4)


def test_fine_tuning_starts_from_all_of_the_starter_s_depth():
    config = runpy.run_path(str(ROOT / "configs" / "finetune.py"))["get_config"]()
    starter = load_perceiver(config.initial_weights)
    inherited = initial.inherit(config, starter.config)
    _, tasks = assemble(inherited.model, inherited.tasks)
    assert inherited.tasks.depth.canonical_focal == starter.canonical_focal
    names = ("encoder", "width", "decoder_width")
    assert [getattr(config.model, name) for name in names] == [getattr(starter.config.model, name) for name in names]
    assert tuple(config.data.size) == tuple(starter.size) and tasks[0].predicts_motion
