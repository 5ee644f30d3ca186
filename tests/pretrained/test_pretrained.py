"""Published weights: the same pictures as their source gives, the way back, and files that are refused."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from mtl_depth import pretrained
from mtl_depth.errors import UserError
from mtl_depth.models.heads import DisparityHead
from mtl_depth.models.network import init, make_network
from mtl_depth.models.resnet import ResNetEncoder

torch = pytest.importorskip("torch")
from mtl_depth.benchmarks import peer_networks as torch_reference  # noqa: E402

SIZE = (64, 96)
IMAGES = np.random.default_rng(0).uniform(size=(2, *SIZE, 3)).astype(np.float32)
QUICK = {"xla_backend_optimization_level": 0}  # halves the time to compile


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """(folder, the network it was saved from) of a ResNet-18."""
    source = torch_reference.Monodepth2("resnet18").eval()
    folder = tmp_path_factory.mktemp("checkpoint")
    source.save(folder, *SIZE)
    return folder, source


@pytest.fixture(scope="module")
def deep_checkpoint(tmp_path_factory):
    """The same of a ResNet-50, without a pose network."""
    source = torch_reference.Monodepth2("resnet50").eval()
    folder = tmp_path_factory.mktemp("checkpoint")
    source.save(folder, *SIZE)
    for name in ("pose_encoder", "pose"):
        (folder / f"{name}.pth").unlink()
    return folder, source


@pytest.mark.parametrize(("depth", "kind"), [(18, "checkpoint"), (50, "deep_checkpoint")])
def test_an_imported_checkpoint_sees_what_its_source_sees(depth, kind, request):
    folder, source = request.getfixturevalue(kind)
    network = make_network(encoder=f"resnet{depth}", heads=(("depth", DisparityHead()),))
    perceive = jax.jit(functools.partial(network.apply, method="perceive"), compiler_options=QUICK)
    disparities = perceive(pretrained.load_monodepth2(folder), IMAGES)["disparity"]
    with torch.no_grad():
        expected = source.perceive(as_torch(IMAGES))
    assert len(disparities) == 4
    for ours, theirs in zip(disparities, expected, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-4)


def test_an_imported_checkpoint_sees_the_motion_its_source_sees(checkpoint):
    folder, source = checkpoint
    network = make_network(heads=(), predict_motion=True)
    motion = jax.jit(functools.partial(network.apply, method="motion"), compiler_options=QUICK)
    second_from_first = motion(pretrained.load_monodepth2(folder), IMAGES, IMAGES[::-1].copy())
    with torch.no_grad():
        expected = torch_reference.rigid(source.vector(as_torch(IMAGES), as_torch(IMAGES).flip(0)))
    np.testing.assert_allclose(second_from_first, expected.numpy(), atol=1e-6)


def as_torch(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def test_settings_of_a_checkpoint(checkpoint, deep_checkpoint):
    assert pretrained.read_monodepth2_settings(checkpoint[0]) == (18, SIZE, True, 0.1, 100.0)
    assert pretrained.read_monodepth2_settings(deep_checkpoint[0]) == (50, SIZE, False, 0.1, 100.0)


def test_an_export_is_loaded_strictly_and_equals_its_source(checkpoint, tmp_path):
    folder, _ = checkpoint
    variables = pretrained.load_monodepth2(folder)
    pretrained.export_monodepth2(variables, tmp_path / "new" / "folder", height=SIZE[0], width=SIZE[1])
    other = torch_reference.Monodepth2("resnet18", seed=1)
    parts = {"encoder": other.encoder, "pose_encoder": other.pose_encoder}
    parts = {name: torch_reference.Named("encoder", module) for name, module in parts.items()}
    for name, module in {**parts, "depth": other.depth, "pose": other.pose}.items():
        exported = torch.load(tmp_path / "new" / "folder" / f"{name}.pth", weights_only=True)
        if name == "encoder":
            assert [exported.pop(key) for key in ("height", "width", "use_stereo")] == [*SIZE, False]
        module.load_state_dict(exported, strict=True)
        original = torch.load(folder / f"{name}.pth")
        for key, value in exported.items():
            if ".fc." not in key and "num_batches" not in key:
                assert torch.equal(value, original[key]), key
    again = pretrained.load_monodepth2(tmp_path / "new" / "folder")
    jax.tree.map(np.testing.assert_array_equal, again, variables)


def test_longer_translations_go_into_the_exported_weights(checkpoint, tmp_path):
    """The original, which knows no unit, then sees the motion that the metric network sees."""
    network = make_network(heads=(), predict_motion=True, translation_unit=50.0)
    motion = jax.jit(functools.partial(network.apply, method="motion"), compiler_options=QUICK)
    variables = pretrained.load_monodepth2(checkpoint[0])
    second_from_first = motion(variables, IMAGES, IMAGES[::-1].copy())
    pretrained.export_monodepth2(variables, tmp_path, height=SIZE[0], width=SIZE[1], translation_unit=50.0)
    other = torch_reference.Monodepth2("resnet18", seed=1)
    encoder = torch_reference.Named("encoder", other.pose_encoder)
    for name, module in {"pose_encoder": encoder, "pose": other.pose}.items():
        module.load_state_dict(torch.load(tmp_path / f"{name}.pth", weights_only=True), strict=True)
    with torch.no_grad():
        expected = torch_reference.rigid(other.eval().vector(as_torch(IMAGES), as_torch(IMAGES).flip(0)))
    assert np.abs(second_from_first[:, :3, 3]).max() > 0.05
    np.testing.assert_allclose(second_from_first, expected.numpy(), atol=1e-5)


def test_variables_have_the_shapes_of_the_network(checkpoint):
    folder, _ = checkpoint
    network = make_network(heads=(("depth", DisparityHead()),), predict_motion=True)
    shapes = jax.eval_shape(functools.partial(init, network, size=SIZE), jax.random.key(0))
    variables = pretrained.load_monodepth2(folder)
    assert jax.tree.map(described, variables) == jax.tree.map(described, shapes)


def described(x):
    return x.shape, x.dtype


def test_depth_alone_needs_no_pose_files_and_other_heads_stay_behind(deep_checkpoint, tmp_path):
    variables = pretrained.load_monodepth2(deep_checkpoint[0])
    assert variables["params"].keys() == {"encoder", "head_depth"}
    assert variables["batch_stats"].keys() == {"encoder"}
    heads = {**variables["params"], "head_semantic": {"semantic": {"bias": jnp.zeros(19)}}}
    pretrained.export_monodepth2({**variables, "params": heads}, tmp_path, height=64, width=96)
    assert {path.name for path in tmp_path.iterdir()} == {"encoder.pth", "depth.pth"}


def test_a_network_of_another_width_cannot_be_exported(tmp_path):
    network = make_network(width=0.125, heads=(("depth", DisparityHead(0.125)),))
    with pytest.raises(UserError, match=r"config\.model\.width=1"):
        pretrained.export_monodepth2(init(network, jax.random.key(0), size=SIZE), tmp_path, height=64, width=96)
    assert not list(tmp_path.iterdir())


def test_a_network_without_depth_cannot_be_exported(tmp_path):
    network = make_network(width=0.125, heads=())
    with pytest.raises(UserError, match="depth head"):
        pretrained.export_monodepth2(init(network, jax.random.key(0), size=SIZE), tmp_path, height=64, width=96)


@pytest.fixture(scope="module", params=[18, 34, 50])
def resnet(request):
    """(depth, torchvision's state dict)."""
    return request.param, torch_reference.ResNet(request.param).state_dict()


def test_resnet_files_of_each_kind_hold_the_same(resnet, tmp_path):
    depth, entries = resnet
    arrays = {name: x.numpy() for name, x in entries.items()}
    torch.save(entries, tmp_path / "resnet.pth")
    np.savez(tmp_path / "resnet.npz", **arrays)
    save_file(arrays, tmp_path / "resnet.safetensors")
    variables = pretrained.load_resnet(tmp_path / "resnet.pth")
    for suffix in ("npz", "safetensors"):
        jax.tree.map(np.testing.assert_array_equal, pretrained.load_resnet(tmp_path / f"resnet.{suffix}"), variables)
    kernel = variables["params"]["layer2_0"]["conv2"]["kernel"]
    np.testing.assert_array_equal(kernel, arrays["layer2.0.conv2.weight"].transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(
        variables["batch_stats"]["layer2_0"]["downsample_bn"]["var"], arrays["layer2.0.downsample.1.running_var"]
    )
    image = jax.ShapeDtypeStruct((1, *SIZE, 3), jnp.float32)
    shapes = jax.eval_shape(functools.partial(ResNetEncoder(depth).init, train=False), jax.random.key(0), image)
    assert jax.tree.map(described, variables) == jax.tree.map(described, shapes)


def test_loaded_encoders_start_a_network():
    """Both encoders get the weights; the pose network's first layer is tiled and divided by its two images."""
    network = make_network(width=0.125, heads=(("depth", DisparityHead(0.125)),), predict_motion=True)
    variables = init(network, jax.random.key(0), size=SIZE)
    image = jax.ShapeDtypeStruct((1, *SIZE, 3), jnp.float32)
    loaded = ResNetEncoder(18, 0.125).lazy_init(jax.random.key(1), image, train=False)
    started = pretrained.initialise_encoder(variables, loaded)
    for name in ("params", "batch_stats"):
        jax.tree.map(np.testing.assert_array_equal, started[name]["encoder"], loaded[name])
    pose = started["params"]["pose"]["encoder"]
    kernel = loaded["params"]["conv1"]["kernel"]
    np.testing.assert_array_equal(pose["conv1"]["kernel"], np.concatenate([kernel / 2, kernel / 2], axis=2))
    jax.tree.map(np.testing.assert_array_equal, pose["layer4_1"], loaded["params"]["layer4_1"])
    for kept in (("params", "head_depth"), ("params", "pose", "squeeze")):
        before, after = (functools.reduce(lambda tree, key: tree[key], kept, tree) for tree in (variables, started))
        jax.tree.map(np.testing.assert_array_equal, after, before)
    assert jax.tree.map(described, started) == jax.tree.map(described, variables)

    alone = {
        "params": {"encoder": variables["params"]["encoder"]},
        "batch_stats": {"encoder": variables["batch_stats"]["encoder"]},
    }
    assert pretrained.initialise_encoder(alone, loaded)["params"].keys() == {"encoder"}
    other = ResNetEncoder(18, 0.25).lazy_init(jax.random.key(1), image, train=False)
    with pytest.raises(UserError, match="do not fit"):
        pretrained.initialise_encoder(variables, other)
