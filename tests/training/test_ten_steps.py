"""Ten training steps from the same weights on the same batch, ours and PyTorch's side by side.

Everything in PyTorch is the reference written from the formulas: networks in train mode with the statistics of each
pair, the four-scale objective with automasking, autograd and torch.optim. Parameters and arithmetic are float64 on
both sides, because in float32 the ReLUs of the 2x2 maps flip; the step's pictures and noise are float32, as always.
The reference is given the step's own tie noise, so that no pixel is masked on one side only.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mtl_depth import config
from mtl_depth.models.network import make_network
from mtl_depth.tasks import depth
from mtl_depth.training.gradients import make_gradients
from mtl_depth.training.optimizer import make_optimizer
from mtl_depth.training.state import from_variables
from mtl_depth.training.step import make_train_step

torch = pytest.importorskip("torch")
import torch_variables  # noqa: E402

from mtl_depth.benchmarks import peer, peer_networks  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.as_users]

SIZE, WIDTH, BATCH, STEPS = (64, 64), 0.125, 2, 10
INTRINSICS = np.array([[64, 0, 31.5], [0, 64, 31.5], [0, 0, 1]], np.float32)
GRADIENT_RATE, ADAM_RATE = 1e-3, 1e-6
DESCENT, ADAM = 0, 1  # places in the state of `either` and in THEIRS
THEIRS = (
    functools.partial(torch.optim.SGD, lr=GRADIENT_RATE),
    functools.partial(torch.optim.Adam, lr=ADAM_RATE, betas=(0.9, 0.999), eps=1e-8),
)


def either():
    """Ours: gradient descent or the Adam of training, as the state's number says. One compilation serves both."""
    train = config.Train(learning_rate=ADAM_RATE)
    both = optax.sgd(GRADIENT_RATE), make_optimizer(train, steps=100, head_multipliers={"depth": 1.0})

    def update(grads, state, params):
        number, states = state
        updates, states = zip(*(one.update(grads, own, params) for one, own in zip(both, states)))
        return jax.tree.map(functools.partial(jax.lax.select_n, number), *updates), (number, states)

    return optax.GradientTransformation(lambda params: (jnp.int32(0), tuple(one.init(params) for one in both)), update)


def make_batch():
    """A texture of waves that moves right and a little down, by 3 and 1 pixels a frame."""
    generator = np.random.default_rng(0)
    slopes, phases = generator.uniform(-0.8, 0.8, (2, 8)), generator.uniform(0, 6, (BATCH, 3, 8))
    rows, columns = np.meshgrid(*map(np.arange, SIZE), indexing="ij")
    frames = []
    for time in (-1, 0, 1):
        angle = slopes[0] * (rows[..., None] - time) + slopes[1] * (columns[..., None] - 3 * time)
        frames.append(0.5 + 0.07 * np.sin(angle[None, :, :, None] + phases[:, None, None]).sum(-1))
    image = np.rint(255 * np.stack(frames, axis=1).clip(0, 1)).astype(np.uint8)
    return {"image": image, "intrinsics": np.tile(INTRINSICS, (BATCH, 1, 1))}


def make_reference():
    """Networks whose pose is biased to a clear motion, to the right and down like the texture's."""
    reference = peer_networks.Monodepth2("resnet18", WIDTH).double().train()
    with torch.no_grad():
        reference.pose.net[3].bias[:6] = torch.tensor([0.5, -0.5, 0.25, 3.0, 1.0, -0.5])
    return reference


def tie_noise(root, number):
    """What step `number` draws: root -> step -> place in the batch -> purpose (0 augmentation, 1 the first task)."""
    key = jax.random.fold_in(root, number)
    keys = [jax.random.split(jax.random.fold_in(key, place), 2)[1] for place in range(BATCH)]
    noise = [jax.random.normal(key, (2, *SIZE), jnp.float32) for key in keys]
    return torch.tensor(1e-5 * np.stack(noise).astype(np.float64))


def our_steps(state, step):
    """(losses, parameters after the first step, variables after the last)."""
    losses, first = [], None
    for _ in range(STEPS):
        state, metrics = step(state, make_batch())
        first = state.params if first is None else first
        losses.append(float(metrics["loss"]))
    return losses, to_numpy(first), to_numpy({"params": state.params, "batch_stats": state.batch_stats})


def their_steps(reference, make, network, root):
    """(losses, gradients of the first step, variables after the last, share of pixels where a reprojection won)."""
    optimizer = make([p for name, p in reference.named_parameters() if ".fc." not in name])
    clip = (make_batch()["image"].astype(np.float32) / 255).astype(np.float64)
    images = torch.tensor(np.moveaxis(clip, -1, 2))
    matrix = torch.tensor(INTRINSICS).double()
    losses, gradients, won = [], None, None
    for number in range(STEPS):
        optimizer.zero_grad()
        loss, masks = peer.loss(reference, images, images, matrix, tie_noise(root, number))
        loss.backward()
        losses.append(loss.item())
        if number == 0:
            gradients = torch_variables.as_variables(reference.gradients(), network, size=SIZE)["params"]
            won = masks.double().mean().item()
        optimizer.step()
    return losses, gradients, torch_variables.as_variables(reference.files(), network, size=SIZE), won


def to_numpy(tree):
    return jax.tree.map(np.asarray, tree)


@pytest.fixture(scope="module")
def runs():
    """Weights at the start, and (ours, theirs) of every optimizer."""
    with jax.enable_x64(True):
        task = depth.make(config.DepthTask(), width=WIDTH, dtype=jnp.float64)
        network = make_network(width=WIDTH, dtype=jnp.float64, heads=(("depth", task.head),), predict_motion=True)
        start = torch_variables.as_variables(make_reference().files(), network, size=SIZE)
        start, root, optimizer = jax.tree.map(np.float64, start), jax.random.key(3), either()
        step = jax.jit(make_train_step(make_gradients(network, (task,), augmentation=None), optimizer))
        state = from_variables(root, jax.tree.map(jnp.asarray, start), optimizer)
        pairs = []
        for number, make in enumerate(THEIRS):
            chosen = state._replace(opt_state=(jnp.int32(number), state.opt_state[1]))
            pairs.append((our_steps(chosen, step), their_steps(make_reference(), make, network, root)))
    return start, pairs


def test_the_case_is_a_fair_one(runs):
    """Reprojection and mask both win pixels, and ten steps change the loss by far more than is tolerated."""
    for _, (losses, _, _, won) in runs[1]:
        assert 0.2 < won < 0.9
        assert losses[-1] < losses[0] * (1 - 10 * 2e-4)


def test_first_loss_equals_the_reference(runs):
    for (ours, _, _), (theirs, _, _, _) in runs[1]:
        np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5)


def test_first_gradients_equal_the_reference(runs):
    """Gradient descent's first step is the gradient times the rate."""
    start, pairs = runs
    (_, after, _), (_, theirs, _, _) = pairs[DESCENT]
    ours = jax.tree.map(lambda a, b: (a - b) / GRADIENT_RATE, start["params"], after)
    assert ours.keys() == {"encoder", "head_depth", "pose"}
    for name in ours:
        norms = [np.sqrt(sum(np.sum(leaf**2) for leaf in jax.tree.leaves(tree[name]))) for tree in (ours, theirs)]
        print(f"gradient of {name}: ours {norms[0]:.9g}, relative difference {norms[0] / norms[1] - 1:.1e}")
        np.testing.assert_allclose(*norms, rtol=5e-3)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=5e-3 * np.abs(b).max()), ours, theirs)


@pytest.mark.parametrize("number", [DESCENT, ADAM], ids=["gradient descent", "Adam"])
def test_ten_losses_equal_the_reference(runs, number):
    (ours, _, last), (theirs, _, end, _) = runs[1][number]
    difference = np.abs(np.divide(ours, theirs) - 1)
    print(f"losses {ours[0]:.6f} to {ours[-1]:.6f}, relative difference {difference[0]:.1e}, {difference.max():.1e}")
    np.testing.assert_allclose(ours, theirs, rtol=2e-4)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=2e-4 * np.abs(b).max()), last, end)
