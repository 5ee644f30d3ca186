"""The learned focal length: one parameter, its own learning rate, and a gradient that points to the truth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from geometry.test_warp_city import Pair
from geometry.test_warp_city import pair as pair

from mtl_depth import config
from mtl_depth.errors import UserError
from mtl_depth.geometry.camera import flip_intrinsics, resize_intrinsics, scale_focal
from mtl_depth.models import camera
from mtl_depth.models.network import init
from mtl_depth.tasks import assemble
from mtl_depth.training.optimizer import make_optimizer

K = np.array([[500.0, 2.0, 310.0], [0.0, 510.0, 90.0], [0.0, 0.0, 1.0]], np.float32)


def test_scale_is_a_zoom_that_commutes_with_flip_and_resize():
    zoomed = np.array([[600, 2.4, 310], [0, 612, 90], [0, 0, 1]], np.float32)  # 1.2 times 500, 2, 510
    np.testing.assert_allclose(scale_focal(K, 1.2), zoomed, rtol=1e-6)
    for change in (
        lambda matrix: flip_intrinsics(matrix, width=640),
        lambda matrix: resize_intrinsics(matrix, ratio=(0.5, 0.25)),
    ):
        np.testing.assert_allclose(scale_focal(change(K), 1.2), change(scale_focal(K, 1.2)), rtol=1e-6)


def learner(**train):
    """Network, optimizer and variables of a depth run that learns the focal length."""
    tasks = config.Tasks(depth=config.DepthTask(motion="recorded"))
    network, made = assemble(config.Model(width=0.125), tasks, config.Camera(learn=True))
    optimizer = make_optimizer(config.Train(**train), steps=100, head_multipliers={"depth": 1.0})
    return network, made[0], optimizer


def test_it_is_a_parameter_beside_the_others_with_a_learning_rate_of_its_own():
    network, _, optimizer = learner(learning_rate=1e-3, camera_multiplier=7.0)
    params = jax.eval_shape(lambda key: init(network, key, size=(64, 64)), jax.random.key(0))["params"]
    assert set(params) == {"encoder", "head_depth", "camera"}
    few = {"camera": {"log_focal_scale": jnp.zeros(())}}
    updates, _ = optimizer.update({"camera": {"log_focal_scale": jnp.float32(3.0)}}, optimizer.init(few), few)
    np.testing.assert_allclose(updates["camera"]["log_focal_scale"], -7e-3, rtol=1e-4)  # Adam's first step: the rate


def test_what_is_logged_and_when():
    params = {"camera": {"log_focal_scale": np.float32(np.log(0.5))}}
    found = camera.describe(params, 200.0, width=200)
    assert found == pytest.approx({"camera/focal_px": 100.0, "camera/fov_degrees": 90.0})  # 2 atan(100 / 100)
    assert camera.describe({"encoder": {}}, 200.0, width=200) == {} and camera.focal_scale({}) == 1.0


def test_it_is_learned_with_depth_or_not_at_all():
    with pytest.raises(UserError, match=r"camera\.learn"):
        assemble(config.Model(), config.Tasks(semantic=config.SemanticTask()), config.Camera(learn=True))


def error_of_focal(seen: Pair, task, wrong: float):
    """The depth task's loss, as a function of the log factor, for true depth and motion but a focal length that is
    `wrong` times the true one."""
    limits = {"nearest": 1.0, "farthest": 200.0}
    scaled = 1 / np.clip(seen.depth, *limits.values())
    disparity = (scaled - 1 / 200) / (1 - 1 / 200)
    clip = np.stack([seen.source, seen.target, seen.source])[None]
    batch = {
        "image": clip,
        "intrinsics": np.asarray(scale_focal(seen.intrinsics, wrong))[None],
        "source_from_target": np.stack([seen.source_from_target] * 2)[None],
    }

    def loss(log_scale):
        outputs = {"disparity": (jnp.asarray(disparity)[None],), "focal_scale": jnp.exp(log_scale)}
        total, count = task.loss(jax.random.split(jax.random.key(0), 1), outputs, batch)["depth/photometric"]
        return total / count

    return loss


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [0.7, 1.4])
def test_a_wrong_focal_length_is_drawn_to_the_truth(pair, wrong):
    _, task, _ = learner()
    step = jax.jit(jax.value_and_grad(error_of_focal(pair, task, wrong)))
    log_scale, velocity = jnp.zeros(()), 0.0
    first, gradient = step(log_scale)
    assert np.sign(gradient) == np.sign(np.log(wrong))  # descent makes a focal length that is too long shorter
    for number in range(60):
        _, gradient = step(log_scale)
        velocity = 0.7 * velocity + np.sign(gradient) * 0.02 * 0.95**number
        log_scale = log_scale - velocity
    assert float(wrong * jnp.exp(log_scale)) == pytest.approx(1.0, abs=0.03)
    assert step(log_scale)[0] < 0.9 * first
