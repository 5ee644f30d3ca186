"""The balance of tasks by hand gradients, and in the step."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mtl_depth import config
from mtl_depth.errors import UserError
from mtl_depth.models.network import init, make_network
from mtl_depth.runtime.devices import Devices
from mtl_depth.training import balance
from mtl_depth.training.assembly import assemble_run
from mtl_depth.training.optimizer import rates

BOTH = config.Tasks(depth=config.DepthTask(weight=5.5, motion="recorded"), instance=config.InstanceTask(weight=1.0))
SIZE = (64, 96)


class Sum(nn.Module):
    """A head without parameters: the sum of one level's features."""

    name_of_output: str

    @nn.compact
    def __call__(self, features):
        return {self.name_of_output: features[-1].sum()}


def test_unknown_mode_is_refused():
    with pytest.raises(UserError, match=r"config\.train\.balance is 'equal'; choose one of fixed"):
        balance.make("equal", BOTH)


def test_fixed_changes_nothing():
    made = balance.make("fixed", BOTH)
    terms = {"depth/photometric": jnp.float32(2), "instance/thing": jnp.float32(3)}
    assert made.tasks is BOTH and made.scales == {} and made.params == {}
    assert made.weigh({}, terms, 1.0) == terms


def test_uncertainty_by_hand():
    made = balance.make("uncertainty", BOTH)
    assert made.tasks is BOTH
    assert {task: float(value) for task, value in made.params["balance"].items()} == {"depth": 0, "instance": 0}
    params = {"balance": {"depth": jnp.float32(np.log(2)), "instance": jnp.float32(0.0)}}

    def loss(params):
        terms = {
            "depth/photometric": jnp.float32(4),
            "depth/smoothness": jnp.float32(2),
            "instance/thing": jnp.float32(3),
        }
        return sum(made.weigh(params, terms, 1.0).values())

    value, slopes = jax.value_and_grad(loss)(params)
    # exp(-ln 2) (4 + 2) + ln 2 + 3 + 0; slopes 1 - exp(-s) loss: 1 - 3 = -2 and 1 - 3 = -2
    np.testing.assert_allclose(value, 3 + np.log(2) + 3, rtol=1e-6)
    np.testing.assert_allclose([slopes["balance"]["depth"], slopes["balance"]["instance"]], [-2, -2], rtol=1e-6)


def test_uncertainty_finds_the_logarithm_of_the_loss():
    """1 - exp(-s) loss = 0 where s = ln loss: there every task counts as much as any other."""
    weigh = balance.by_uncertainty
    losses = {"depth/photometric": jnp.float32(0.1), "instance/thing": jnp.float32(20)}
    params = {"balance": {"depth": jnp.zeros(()), "instance": jnp.zeros(())}}
    slope = jax.jit(jax.grad(lambda params: sum(weigh(params, losses, 1.0).values())))
    for _ in range(400):
        params = jax.tree.map(lambda p, g: p - 0.1 * jnp.clip(g, -1, 1), params, slope(params))
    np.testing.assert_allclose(params["balance"]["depth"], np.log(0.1), atol=1e-3)
    np.testing.assert_allclose(params["balance"]["instance"], np.log(20), atol=1e-3)


def test_gradient_scale_moves_the_weights_to_the_encoder():
    made = balance.make("gradient_scale", BOTH)
    assert made.tasks.depth.weight == 1 and made.tasks.instance.weight == 1 and made.tasks.semantic is None
    assert made.scales == {"depth": 5.5, "instance": 1.0} and made.params == {}
    assert BOTH.depth.weight == 5.5  # what was given stays


def test_gradients_are_scaled_where_they_enter_the_encoder():
    heads = (("depth", Sum("a")), ("instance", Sum("b")))
    plain = make_network(width=0.125, heads=heads)
    scaled = plain.clone(gradient_scales=(("depth", 5.5), ("instance", 0.25)))
    image = jnp.asarray(np.random.default_rng(0).uniform(size=(1, 64, 64, 3)), jnp.float32)
    variables = init(plain, jax.random.key(0), size=(64, 64), frames=1)

    @functools.partial(jax.jit, static_argnums=(0, 1))
    def answer_and_slope(network, output):
        def value(params):
            return network.apply({**variables, "params": params}, image, method="perceive")[output]

        return jax.value_and_grad(value)(variables["params"])

    for output, factor in (("a", 5.5), ("b", 0.25)):
        value, slope = answer_and_slope(plain, output)
        same, times = answer_and_slope(scaled, output)
        assert value == same
        for one, other in zip(jax.tree.leaves(slope), jax.tree.leaves(times), strict=True):
            np.testing.assert_allclose(other, factor * one, rtol=1e-4, atol=1e-4 * factor * np.abs(one).max())


@pytest.mark.slow
def test_log_variances_are_learnt_the_same_on_two_devices():
    """They are no mean over samples: two devices must not count them twice."""
    settings = config.Config(data=config.Data(size=SIZE), model=config.Model(width=0.125), tasks=BOTH)
    settings.train = config.Train(balance="uncertainty", learning_rate=1e-3, augment=False)
    schedule = rates(settings.train, steps=10)
    generator = np.random.default_rng(0)
    batch = {
        "image": generator.integers(0, 255, (2, 3, *SIZE, 3)).astype(np.uint8),
        "intrinsics": np.tile(np.array([[50, 0, 45], [0, 50, 40], [0, 0, 1]], np.float32), (2, 1, 1)),
        "source_from_target": np.tile(np.eye(4, dtype=np.float32), (2, 2, 1, 1)),
        "instance": np.full((2, *SIZE), 26001, np.int32),
    }
    found = {}
    for name, count in (("one", 1), ("two", 2)):
        assembly, devices = assemble_run(settings, optimizer=optax.sgd(1e-2)), Devices(count)
        state = devices.place_state(jax.jit(assembly.create)(jax.random.key(0)))
        state, metrics = assembly.step(devices.parallelize)(state, devices.place_batch(batch), schedule)
        found[name] = {task: float(value) for task, value in state.params["balance"].items()}
        terms = {k: float(v) for k, v in metrics.items()}
        assert {"balance/depth", "balance/instance"} <= terms.keys()
        np.testing.assert_allclose(
            terms["loss"], sum(v for k, v in terms.items() if "/" in k), rtol=1e-5
        )  # at s = 0 the loss is as it was
    assert found["one"]["depth"] != 0
    for task, value in found["one"].items():
        np.testing.assert_allclose(found["two"][task], value, rtol=1e-3)


def test_log_variances_learn_at_ten_times_the_rate():
    settings = config.Config(data=config.Data(size=SIZE), model=config.Model(width=0.125), tasks=BOTH)
    settings.train = config.Train(balance="uncertainty", learning_rate=1e-3)
    assembly = assemble_run(settings)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), assembly.shapes().params)

    @jax.jit
    def first_update(params, schedule):
        ones = jax.tree.map(jnp.ones_like, params)
        return assembly.optimizer.update(ones, assembly.optimizer.init(params), params, rates=schedule)[0]["balance"]

    found = first_update(zeros, rates(settings.train, steps=10))
    assert found.keys() == {"depth", "instance"}
    assert all(abs(value + 1e-2) < 1e-4 for value in found.values())  # Adam's first step has the rate's length
