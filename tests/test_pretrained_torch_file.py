"""`.pth` files read without PyTorch: the same arrays as `torch.load`, and nothing that a pickle could do besides."""

import collections
import io
import pathlib
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from mtl_depth.errors import UserError
from mtl_depth.pretrained.files import read_arrays

torch = pytest.importorskip("torch")


def entries():
    """Every kind of tensor that a state dict may hold."""
    numbers = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4) / 7
    kinds = (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8)
    return {
        "plain": numbers,
        "strided": numbers.transpose(0, 2)[1:, ::2],
        "the same storage": numbers[1, 2:],
        "expanded": torch.ones(1, 3).expand(5, 3),
        "zero-dimensional": torch.tensor(3.5),
        "counter": torch.tensor(7),
        "empty": torch.zeros(0, 4),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "bytes": torch.arange(5, dtype=torch.uint8),
        "bools": torch.tensor([True, False]),
        **{str(kind): (numbers * 7).to(kind) for kind in kinds},
    }


@pytest.mark.parametrize("archive", [True, False], ids=["archive", "stream"])
def test_tensors_are_those_of_torch(tmp_path, archive):
    path = tmp_path / "x.pth"
    held = entries()
    torch.save(held, path, _use_new_zipfile_serialization=archive)
    found = read_arrays(path)
    assert found.keys() == held.keys()
    for name, x in torch.load(path, weights_only=True).items():
        expected = x.detach().float() if x.is_floating_point() else x
        assert found[name].dtype == expected.numpy().dtype
        np.testing.assert_array_equal(found[name], expected.numpy(), err_msg=name)


@pytest.mark.parametrize("archive", [True, False], ids=["archive", "stream"])
def test_a_module_s_state_dict_and_plain_numbers(tmp_path, archive):
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    state = module.state_dict()
    state["height"], state["use_stereo"] = 192, True
    torch.save(state, tmp_path / "x.pth", _use_new_zipfile_serialization=archive)
    found = read_arrays(tmp_path / "x.pth")
    assert found["height"] == 192 and found["use_stereo"]
    np.testing.assert_array_equal(found["0.weight"], module[0].weight.detach().numpy())
    assert found["1.num_batches_tracked"].shape == ()


def test_torch_is_not_needed(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "x.pth")
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from mtl_depth.pretrained.files import read_arrays\n"
        f"assert read_arrays({str(tmp_path / 'x.pth')!r})['a'].tolist() == [1, 1]"
    )
    root = pathlib.Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True, timeout=120)


class Calls:
    """Pickled as a call of some function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def archived(path, program, storages=()):
    """An archive as PyTorch writes them, of any pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", program)
        archive.writestr("x/byteorder", "little")
        for key, content in storages:
            archive.writestr(f"x/data/{key}", content)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    "made",
    [pathlib.Path.touch, print, getattr, collections.Counter, io.BytesIO],
    ids=lambda made: getattr(made, "__name__", str(made)),
)
def test_no_function_is_called(tmp_path, made, protocol):
    mark = tmp_path / "mark"
    archived(tmp_path / "x.pth", pickle.dumps({"a": Calls(made, mark)}, protocol=protocol))
    with pytest.raises(UserError, match="was not loaded"):
        read_arrays(tmp_path / "x.pth")
    assert not mark.exists()


def tensor(offset, shape, strides):
    """The pickle of {"a": a tensor with such a view of two numbers}."""

    def integers(values):
        return b"(" + b"".join(b"J" + value.to_bytes(4, "little", signed=True) for value in values) + b"t"

    identity = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ"
    view = b"J" + offset.to_bytes(4, "little", signed=True) + integers(shape) + integers(strides)
    return b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor\n(" + identity + view + b"tRs."


VIEWS = {
    "beyond the end": (0, (3,), (1,)),
    "an offset beyond": (2, (1,), (1,)),
    "a stride beyond": (0, (2,), (2,)),
    "before the start": (-1, (1,), (1,)),
    "backwards": (1, (2,), (-1,)),
    "a negative shape": (0, (-2,), (1,)),
    "too few strides": (0, (2, 1), (1,)),
}


def test_a_written_pickle_is_read(tmp_path):
    """The builder of the next test's pickles is right: two numbers, the second one first."""
    archived(tmp_path / "x.pth", tensor(1, (1, 1), (0, 0)), [("0", np.float32([1, 2]).tobytes())])
    assert read_arrays(tmp_path / "x.pth")["a"].tolist() == [[2]]


@pytest.mark.parametrize("view", VIEWS)
def test_views_stay_inside_their_storage(tmp_path, view):
    archived(tmp_path / "x.pth", tensor(*VIEWS[view]), [("0", np.float32([1, 2]).tobytes())])
    with pytest.raises(UserError, match="cannot be read"):
        read_arrays(tmp_path / "x.pth")


def test_memory_is_not_filled(tmp_path):
    """Two thousand views of a number repeated 2^20 times, and an archive that unpacks to more than the file."""
    huge = torch.zeros(1).expand(1 << 20)
    torch.save({str(number): huge for number in range(2000)}, tmp_path / "x.pth")
    with pytest.raises(UserError, match="more data than any network"):
        read_arrays(tmp_path / "x.pth")
    with zipfile.ZipFile(tmp_path / "y.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", bytes(1 << 20))
    with pytest.raises(UserError, match="was not loaded"):
        read_arrays(tmp_path / "y.pth")


def test_every_cut_is_refused(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "x.pth", _use_new_zipfile_serialization=False)
    content = (tmp_path / "x.pth").read_bytes()
    for length in range(0, len(content), 7):
        (tmp_path / "y.pth").write_bytes(content[:length])
        with pytest.raises(UserError):
            read_arrays(tmp_path / "y.pth")
