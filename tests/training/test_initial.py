"""Starting from trained weights: what fits is taken over, and depth keeps its meaning."""

import numpy as np
import pytest

from mtl_depth.config import Config, DepthTask, Tasks
from mtl_depth.errors import UserError
from mtl_depth.training import initial


def variables(**params):
    return {"params": params, "batch_stats": {"encoder": {"mean": np.zeros(2)}}}


def test_what_fits_is_taken_over_and_the_rest_is_named():
    fresh = variables(
        encoder={"kernel": np.zeros((2, 2))}, head_depth={"bias": np.zeros(3)}, pose={"bias": np.zeros(1)}
    )
    trained = variables(encoder={"kernel": np.ones((2, 2))}, head_depth={"bias": np.ones(4)}, head_semantic={})
    trained["batch_stats"]["encoder"]["mean"] = np.ones(2)
    found, missing = initial.start_from(fresh, trained, source="RUN")
    assert missing == ("head_depth", "pose")
    assert found["params"]["encoder"]["kernel"].all() and found["batch_stats"]["encoder"]["mean"].all()
    assert not found["params"]["head_depth"]["bias"].any() and not fresh["params"]["encoder"]["kernel"].any()


def test_nothing_that_fits_is_an_error():
    fresh, trained = variables(encoder={"kernel": np.zeros(2)}), variables(encoder={"kernel": np.zeros(3)})
    trained["batch_stats"] = {}
    with pytest.raises(UserError, match=r"config\.initial_weights=RUN: no part"):
        initial.start_from(fresh, trained, source="RUN")


def test_depth_keeps_its_range_and_its_camera():
    trained = Config(tasks=Tasks(depth=DepthTask(motion="recorded", canonical_focal=0.5)))
    mine = Config(tasks=Tasks(depth=DepthTask(motion="predicted", farthest=120.0)))
    depth = initial.inherit(mine, trained).tasks.depth
    assert (depth.nearest, depth.farthest, depth.initial_depth, depth.canonical_focal) == (1.0, 120.0, 10.0, 0.5)
    assert depth.motion == "predicted" and mine.tasks.depth.nearest is None
    assert initial.inherit(Config(tasks=Tasks()), trained).tasks.depth is None
