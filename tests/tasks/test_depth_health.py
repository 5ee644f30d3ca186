"""The signs of collapse by hand values, and that a rescaled world shows the same ones."""

import jax.numpy as jnp
import numpy as np

from mtl_depth.tasks import depth_health


def measure(disparity, translation, *, predicts_motion=True, focal=100.0):
    task = depth_health.make(nearest=0.1, farthest=100.0, predicts_motion=predicts_motion)
    motion = jnp.tile(jnp.eye(4), (1, 2, 1, 1)).at[0, :, 2, 3].set(translation)
    intrinsics = jnp.diag(jnp.array([focal, focal, 1.0]))[None]
    outputs = {"disparity": (jnp.asarray(disparity)[None],), "source_from_target": motion}
    return {
        name: float(total / count) for name, (total, count) in task.measure(outputs, {"intrinsics": intrinsics}).items()
    }


def test_hand_values():
    found = measure([[0.2, 0.4], [0.2, 0.4]], 0.3)
    np.testing.assert_allclose(found["disparity_spread"], 0.1 / 0.3, rtol=1e-5)
    # fx |t| / depth = 100 * 0.3 * (0.01 + 9.99 * 0.3)
    np.testing.assert_allclose(found["motion_pixels"], 30 * (0.01 + 9.99 * 0.3), rtol=1e-5)


def test_collapse_lies_below_the_limits():
    task = depth_health.make(nearest=0.1, farthest=100.0, predicts_motion=True)
    found = measure([[0.3, 0.3], [0.3, 0.301]], 1e-5)
    assert all(found[name] < least for name, (least, _) in task.signs.items())
    found = measure([[0.1, 0.2], [0.3, 0.4]], 0.1)
    assert all(found[name] > least for name, (least, _) in task.signs.items())


def test_recorded_motion_is_not_judged():
    assert set(measure([[0.1, 0.2]], 0.0, predicts_motion=False)) == {"disparity_spread"}
