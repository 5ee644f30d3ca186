"""The whole network: names, shapes and declarations, pairs in temporal order, and the same numbers as PyTorch."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from torch_variables import as_variables

from mtl_depth.errors import UserError
from mtl_depth.models.encoder import ENCODERS, make_encoder
from mtl_depth.models.heads import DisparityHead, InstanceHead, SemanticHead, ValueHead
from mtl_depth.models.layers import Convolution, JoiningConvolution, ReflectedConvolution
from mtl_depth.models.network import init, make_network
from mtl_depth.models.resnet import ResidualBlock

SIZE = (64, 96)
WIDTH = 0.125
FRAMES = 3
QUICK = {"xla_backend_optimization_level": 0}  # halves the time to compile


def torch_network():
    """The same network, written from the formulas in PyTorch."""
    pytest.importorskip("torch")
    from mtl_depth.benchmarks.peer_networks import Monodepth2

    return Monodepth2("resnet18", WIDTH)


@pytest.fixture(scope="module")
def network():
    return make_network(width=WIDTH, heads=(("depth", DisparityHead(WIDTH)),), predict_motion=True)


@pytest.fixture(scope="module")
def reference():
    return torch_network().eval()


@pytest.fixture(scope="module")
def clip():
    return jnp.asarray(np.random.default_rng(0).uniform(size=(2, FRAMES, *SIZE, 3)), jnp.float32)


@pytest.fixture(scope="module")
def variables(network, reference):
    return as_variables(reference.files(), network)


@pytest.fixture(scope="module")
def evaluated(network, variables, clip):
    return jax.jit(functools.partial(network.apply, train=False), compiler_options=QUICK)(variables, clip)


@pytest.fixture(scope="module")
def trained(clip):
    """Gradients, outputs and statistics of a training pass, in float64."""
    reference = torch_network().double().train()
    with jax.enable_x64(True):
        head = DisparityHead(WIDTH, jnp.float64)
        network = make_network(width=WIDTH, dtype=jnp.float64, heads=(("depth", head),), predict_motion=True)
        variables = jax.tree.map(jnp.float64, as_variables(reference.files(), network))

        def loss(params, clip):
            outputs, state = network.apply({**variables, "params": params}, clip, train=True, mutable=["batch_stats"])
            return objective(outputs["disparity"], outputs["source_from_target"]), (outputs, state)

        gradient = jax.jit(jax.grad(loss, has_aux=True), compiler_options=QUICK)
        gradients, (outputs, state) = jax.tree.map(np.asarray, gradient(variables["params"], jnp.float64(clip)))
        theirs = reference_trained(reference, network, np.float64(clip))
    return (gradients, outputs, state["batch_stats"]), theirs


def reference_trained(reference, network, clip):
    """The same of the reference."""
    disparities, source_from_target = reference.outputs(clip)
    objective(disparities, source_from_target).backward()
    outputs = {"disparity": disparities, "source_from_target": source_from_target}
    gradients = as_variables(reference.gradients(), network)["params"]
    return gradients, outputs, as_variables(reference.files(), network)["batch_stats"]


def objective(disparities, source_from_target):
    """A scalar that depends on all outputs, of either library."""
    earlier, later = source_from_target[:, 0, :3], source_from_target[:, 1, :3]
    motion = earlier[:, 0].sum() + 2 * earlier[:, 1, 2].sum() + 3 * later[:, 2, 3].sum() + 4 * later[:, 0, 1].sum()
    return sum((d**2).mean() for d in disparities) + 100 * motion


def assert_close(ours, theirs, tolerance):
    """Every leaf within the tolerance, relative to the leaf's largest value; theirs are rounded to float32."""
    ours, theirs = flatten_dict(ours), flatten_dict(theirs)
    assert ours.keys() == theirs.keys()
    for path, x in theirs.items():
        np.testing.assert_allclose(ours[path], x, rtol=0, atol=tolerance * np.abs(x).max(), err_msg=str(path))


def test_evaluation_equals_the_reference(evaluated, reference, clip):
    disparities, source_from_target = reference.outputs(clip)
    for ours, theirs in zip(evaluated["disparity"], disparities, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(evaluated["source_from_target"], source_from_target.detach().numpy(), atol=1e-6)


def test_training_outputs_equal_the_reference(trained):
    (_, ours, _), (_, theirs, _) = trained
    for disparity, expected in zip(ours["disparity"], theirs["disparity"], strict=True):
        np.testing.assert_allclose(disparity, expected.detach().numpy(), atol=1e-9)
    np.testing.assert_allclose(ours["source_from_target"], theirs["source_from_target"].detach().numpy(), atol=1e-9)


def test_running_averages_see_each_pair_in_order_as_in_the_reference(trained):
    (_, _, ours), (_, _, theirs) = trained
    assert_close(ours, theirs, 1e-6)


def test_gradients_equal_the_reference(trained):
    (ours, _, _), (theirs, _, _) = trained
    assert_close(ours, theirs, 1e-6)


def test_the_call_is_made_of_perceive_and_motion(network, variables, evaluated, clip):
    """A pair goes in temporal order: (source, target) for an earlier source, inverted; (target, source) for a later."""

    @functools.partial(jax.jit, compiler_options=QUICK)
    def parts(variables, earlier, target, later):
        motion = functools.partial(network.apply, variables, method="motion")
        perceived = network.apply(variables, target, method="perceive")
        return perceived, motion(earlier, target), motion(target, later)

    perceived, target_from_earlier, later_from_target = parts(variables, *jnp.unstack(clip, axis=1))
    assert perceived.keys() == {"disparity"}
    np.testing.assert_allclose(perceived["disparity"][0], evaluated["disparity"][0], atol=1e-6)
    expected = np.stack([np.linalg.inv(target_from_earlier), later_from_target], axis=1)
    np.testing.assert_allclose(evaluated["source_from_target"], expected, atol=1e-6)
    assert np.abs(expected - np.eye(4)).max() > 1e-4


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("width", [1.0, 0.25])
def test_the_encoder_declares_its_features(name, width):
    encoder = make_encoder(name, width=width)
    image = jnp.zeros((1, 64, 128, 3))
    features, _ = jax.eval_shape(functools.partial(encoder.init_with_output, train=False), jax.random.key(0), image)
    assert tuple(x.shape[-1] for x in features) == encoder.channels
    assert tuple((64 // x.shape[1], 128 // x.shape[2]) for x in features) == tuple((s, s) for s in encoder.strides)
    if width == 1 and name in CHANNELS:
        assert encoder.channels == CHANNELS[name]


CHANNELS = {
    "resnet18": (64, 64, 128, 256, 512),
    "resnet50": (64, 256, 512, 1024, 2048),
    "efficientnet_lite0": (16, 24, 40, 112, 320),
}
HEADS = (
    ("depth", DisparityHead(WIDTH)),
    ("semantic", SemanticHead(19, WIDTH)),
    ("instance", InstanceHead(8, WIDTH)),
    ("report", ValueHead(WIDTH)),
)


@pytest.mark.parametrize(("frames", "dtype"), [(1, jnp.float32), (5, jnp.bfloat16)])
def test_shapes_and_types_of_all_outputs(frames, dtype):
    heads = tuple((name, head.clone(dtype=dtype)) for name, head in HEADS)
    network = make_network(width=WIDTH, dtype=dtype, heads=heads, predict_motion=frames > 1)
    hash(network)
    shapes = jax.eval_shape(functools.partial(init, network, size=SIZE, frames=frames), jax.random.key(0))
    names = {"encoder", "head_depth", "head_semantic", "head_instance", "head_report"}
    assert shapes["params"].keys() == names | ({"pose"} if frames > 1 else set())
    assert {x.dtype for x in jax.tree.leaves(shapes)} == {jnp.dtype(jnp.float32)}
    clip = jnp.zeros((2, frames, *SIZE, 3))
    outputs = jax.eval_shape(functools.partial(network.apply, train=False), shapes, clip)
    assert {x.dtype for x in jax.tree.leaves(outputs)} == {jnp.dtype(jnp.float32)}
    expected = {
        "disparity": tuple((2, 64 // 2**s, 96 // 2**s) for s in range(4)),
        "semantic": (2, *SIZE, 19),
        "center": (2, *SIZE),
        "offset": (2, *SIZE, 2),
        "thing": (2, *SIZE, 8),
        "value": (2, *SIZE),
    }
    if frames > 1:
        expected["source_from_target"] = (2, frames - 1, 4, 4)
    assert jax.tree.map(jnp.shape, outputs) == expected


def test_bfloat16_inside_gives_nearly_the_same_numbers(variables, evaluated, clip):
    heads = (("depth", DisparityHead(WIDTH, jnp.bfloat16)),)
    network = make_network(width=WIDTH, dtype=jnp.bfloat16, heads=heads)
    outputs = jax.jit(functools.partial(network.apply, method="perceive"), compiler_options=QUICK)(
        variables, clip[:, FRAMES // 2]
    )
    assert outputs["disparity"][0].dtype == jnp.float32
    np.testing.assert_allclose(outputs["disparity"][0], evaluated["disparity"][0], atol=0.05)


def test_initial_weights():
    """He-normal kernels before BatchNorm, +-1/sqrt(fan_in) for kernels and biases elsewhere."""
    x = jnp.zeros((1, 4, 4, 256))
    block = ResidualBlock(((256, 3, 1),)).init(jax.random.key(0), x, train=False)["params"]
    assert np.std(block["conv1"]["kernel"]) == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.01)
    assert abs(np.mean(block["conv1"]["kernel"])) < 1e-3
    np.testing.assert_array_equal(block["bn1"]["scale"], 1)
    np.testing.assert_array_equal(block["bn1"]["bias"], 0)
    starts = [
        ReflectedConvolution(128).init(jax.random.key(0), x),
        Convolution(128, size=1).init(jax.random.key(0), x),
        JoiningConvolution(128).init(jax.random.key(0), x, jnp.zeros((1, 8, 8, 64))),
    ]
    for start, fan_in in zip(starts, (9 * 256, 256, 9 * 320), strict=True):
        for leaf in start["params"].values():
            assert np.abs(leaf).max() == pytest.approx(1 / fan_in**0.5, rel=0.05)
            assert np.abs(leaf).max() <= 1 / fan_in**0.5
    assert len({float(start["params"]["bias"][0]) for start in starts}) == 3


def test_initial_weights_are_a_function_of_the_key():
    encoder = make_network(width=WIDTH, heads=()).encoder
    start = functools.partial(encoder.lazy_init, train=False)
    image = jax.ShapeDtypeStruct((1, *SIZE, 3), jnp.float32)
    first = start(jax.random.key(3), image)
    jax.tree.map(np.testing.assert_array_equal, start(jax.random.key(3), image), first)
    jax.tree.map(np.testing.assert_array_equal, jax.jit(lambda key: start(key, image))(jax.random.key(3)), first)
    other = start(jax.random.key(4), image)
    assert (other["params"]["conv1"]["kernel"] != first["params"]["conv1"]["kernel"]).all()


def test_a_metric_head_starts_at_its_disparity():
    """The bias of each disparity convolution is logit(s): 0.02 -> ln(0.02 / 0.98) = -3.8918."""
    features = [jnp.zeros((1, 64 // s, 64 // s, 4)) for s in (2, 4, 8, 16, 32)]
    head = DisparityHead(WIDTH, initial_disparity=0.02)
    shapes = jax.eval_shape(head.init, jax.random.key(0), features)
    params = head.lazy_init(jax.random.key(0), jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), features))
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(lambda x: x.shape, shapes)
    for scale in range(4):
        np.testing.assert_allclose(params["params"][f"disparity_{scale}"]["bias"], -3.8918, atol=1e-4)


@pytest.mark.parametrize("size", [(65, 96), (64, 90), (32, 96)])
def test_sizes_that_the_networks_cannot_take_are_refused(network, size):
    with pytest.raises(UserError, match=f"{size[0]}x{size[1]}"):
        init(network, jax.random.key(0), size=size)


def test_motion_without_a_pose_network_is_refused():
    image = jnp.zeros((1, *SIZE, 3))
    with pytest.raises(UserError, match="no pose network"):
        make_network(heads=()).apply({}, image, image, method="motion")


def test_unknown_encoders_are_refused():
    with pytest.raises(UserError, match="'resnet101'"):
        make_network(encoder="resnet101", heads=())
