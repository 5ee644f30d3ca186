"""Checkpoints that are damaged, dangerous or of another architecture are refused in a sentence, never half-loaded."""

import functools
import pathlib
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtl_depth import pretrained
from mtl_depth.errors import UserError

torch = pytest.importorskip("torch")
from mtl_depth.benchmarks import peer_networks as torch_reference  # noqa: E402

FILES = ("encoder", "depth", "pose_encoder", "pose")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A good checkpoint folder of a ResNet-18."""
    path = tmp_path_factory.mktemp("good")
    torch_reference.Monodepth2("resnet18").save(path)
    return path


@pytest.fixture
def copy(folder, tmp_path):
    """A folder of links to the good files, which a test may replace."""
    path = tmp_path / "checkpoint"
    path.mkdir()
    for name in FILES:
        (path / f"{name}.pth").symlink_to(folder / f"{name}.pth")
    return path


def replace(folder, name, change):
    """Rewrites a file of the folder with changed entries."""
    path = folder / f"{name}.pth"
    entries = change(dict(torch.load(path)))
    path.unlink()
    torch.save(entries, path)


def truncate(folder):
    content = (folder / "depth.pth").read_bytes()
    (folder / "depth.pth").unlink()
    (folder / "depth.pth").write_bytes(content[: len(content) // 2])


def rename(entries):
    entries["encoder.layer2.0.conv1.wait"] = entries.pop("encoder.layer2.0.conv1.weight")
    return entries


def transpose(entries):
    return {**entries, "decoder.1.conv.conv.weight": entries["decoder.1.conv.conv.weight"].transpose(0, 1).contiguous()}


def deepen(entries):
    """The blocks of a ResNet-101 by their names."""
    return {**entries, **{f"encoder.layer3.{n}.conv3.weight": torch.zeros(1) for n in range(23)}}


class Trap:
    """A pickle that leaves a mark when it is run."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return pathlib.Path.touch, (self.mark,)


def booby_trap(folder, **options):
    (folder / "depth.pth").unlink()
    torch.save({"decoder.0.conv.conv.weight": Trap(folder / "mark")}, folder / "depth.pth", **options)


def plain_pickle(folder):
    (folder / "depth.pth").unlink()
    (folder / "depth.pth").write_bytes(pickle.dumps(Trap(folder / "mark"), protocol=2))


def whole_module(folder):
    (folder / "pose.pth").unlink()
    torch.save(torch.nn.Linear(2, 2), folder / "pose.pth")


def other_depth(folder):
    replace(folder, "depth", lambda _: torch_reference.DepthDecoder((64, 256, 512, 1024, 2048)).state_dict())


def edit(name, change):
    return lambda folder: replace(folder, name, change)


BAD = {
    "truncated": (truncate, "depth.pth cannot be read"),
    "decoder for another ResNet": (
        other_depth,
        r"depth.pth .*ResNet-18.*decoder.0.conv.conv.weight of shape \(256, 2048, 3, 3\) instead of \(256, 512, 3, 3\)",
    ),
    "another ResNet": (edit("encoder", deepen), r"encoder.pth holds none of ResNet-18.*2, 2, 23, 2 bottleneck"),
    "no ResNet": (edit("encoder", lambda _: {"a": torch.zeros(2)}), "encoder.pth holds no ResNet: it has a,"),
    "key renamed": (
        edit("encoder", rename),
        "lacks encoder.layer2.0.conv1.weight, it has an unexpected encoder.layer2.0.conv1.wait",
    ),
    "tensor transposed": (
        edit("depth", transpose),
        r"decoder.1.conv.conv.weight of shape \(512, 256, 3, 3\) instead of \(256, 512, 3, 3\)",
    ),
    "entries missing": (edit("pose", lambda _: {}), r"pose.pth .* lacks net\..* and 5 more"),
    "entry too many": (edit("pose", lambda e: {**e, "net.4.bias": e["net.0.bias"]}), "unexpected net.4.bias"),
    "integers": (edit("pose", lambda e: {**e, "net.0.bias": e["net.0.bias"].int()}), "net.0.bias of type int32"),
    "text": (edit("pose", lambda e: {**e, "net.0.bias": "zero"}), "net.0.bias is a str"),
    "list": (edit("pose", lambda e: list(e.values())), "no named tensors"),
    "three-channel pose encoder": (
        edit("pose_encoder", lambda e: {**e, "encoder.conv1.weight": e["encoder.conv1.weight"][:, :3]}),
        r"encoder.conv1.weight of shape \(64, 3, 7, 7\) instead of \(64, 6, 7, 7\)",
    ),
    "pickle that runs code": (booby_trap, "could run code"),
    "the same in the old format": (
        functools.partial(booby_trap, _use_new_zipfile_serialization=False),
        "could run code",
    ),
    "plain pickle": (plain_pickle, "could run code"),
    "pickled module": (whole_module, "pose.pth was not loaded"),
    "half of the pose network": (lambda folder: (folder / "pose.pth").unlink(), "pose.pth missing"),
    "no decoder": (lambda folder: (folder / "depth.pth").unlink(), "depth.pth missing"),
    "empty folder": (lambda folder: [path.unlink() for path in folder.iterdir()], "encoder.pth and depth.pth missing"),
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_checkpoints_are_refused_in_a_sentence(fault, copy):
    spoil, message = BAD[fault]
    spoil(copy)
    with pytest.raises(UserError, match=message) as caught:
        pretrained.load_monodepth2(copy)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 600
    assert not (copy / "mark").exists(), "the pickle was run"


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    for read in (pretrained.load_monodepth2, pretrained.read_monodepth2_settings):
        with pytest.raises(UserError, match="no folder"):
            read(tmp_path / "nowhere")


def test_a_checkpoint_without_its_image_size_loads_but_has_no_settings(copy):
    replace(copy, "encoder", lambda entries: {name: x for name, x in entries.items() if name != "height"})
    pretrained.load_monodepth2(copy)
    with pytest.raises(UserError, match="height and width"):
        pretrained.read_monodepth2_settings(copy)


def test_float16_is_loaded_as_float32(copy, folder):
    for name in FILES:
        replace(
            copy,
            name,
            lambda e: {k: x.half() if torch.is_tensor(x) and x.is_floating_point() else x for k, x in e.items()},
        )
    variables, exact = pretrained.load_monodepth2(copy), pretrained.load_monodepth2(folder)
    for ours, theirs in zip(jax.tree.leaves(variables), jax.tree.leaves(exact), strict=True):
        assert ours.dtype == jnp.float32
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-6)
