"""What a run reads back, under attack: weights, config.json, evaluation.json, metrics.jsonl, and typed settings."""

import ast
import io
import json
import pathlib
import re
import zipfile

import command_line
import fuzzing
import hypothesis.strategies as st
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given

from mtl_depth import config, pretrained
from mtl_depth.errors import UserError
from mtl_depth.pretrained.files import read_arrays
from mtl_depth.runtime.log import read_metrics
from mtl_depth.runtime.run_folder import load_config, load_evaluation

ROOT = pathlib.Path(__file__).parents[2]
ARRAYS = {"conv1.weight": np.ones((2, 3), np.float32), "height": np.int64(192)}


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **ARRAYS)
    return buffer.getvalue()


def pth(**options) -> bytes:
    torch = pytest.importorskip("torch")
    buffer = io.BytesIO()
    torch.save({"conv1.weight": torch.ones(2, 3), "height": 192}, buffer, **options)
    return buffer.getvalue()


def repacked(program: bytes) -> bytes:
    """A sound archive whose pickle is that one: checksums no longer protect it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(pth())) as sound, zipfile.ZipFile(buffer, "w") as archive:
        for name in sound.namelist():
            archive.writestr(name, program if name.endswith("data.pkl") else sound.read(name))
    return buffer.getvalue()


def program() -> bytes:
    with zipfile.ZipFile(io.BytesIO(pth())) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))


WEIGHTS = {
    "npz": (".npz", npz, bytes),
    "pth": (".pth", pth, bytes),
    "pth, its pickle": (".pth", program, repacked),
    "pth of old": (".pth", lambda: pth(_use_new_zipfile_serialization=False), bytes),
    "safetensors": (
        ".safetensors",
        lambda: safetensors.numpy.save({k: np.asarray(x) for k, x in ARRAYS.items()}),
        bytes,
    ),
}


@pytest.mark.parametrize("kind", WEIGHTS)
@fuzzing.fuzz()
@given(data=st.data())
def test_weights(tmp_path, kind, data):
    ending, make, packed = WEIGHTS[kind]
    path = fuzzing.place(tmp_path, f"encoder{ending}", packed(data.draw(fuzzing.damaged(make()))))
    found = fuzzing.attempt("weights", lambda: read_arrays(path))
    assert found is None or all(isinstance(x, np.ndarray) for x in found.values())


HEIGHTS = [np.zeros(3), np.float32("nan"), np.float32("inf"), np.int64(-5), np.zeros(0), np.array("tall")]


@pytest.mark.parametrize("height", HEIGHTS, ids=str)
def test_settings_beside_weights(tmp_path, height):
    blocks = {f"encoder.layer{stage}.{block}.conv1.weight": np.zeros(1) for stage in range(1, 5) for block in (0, 1)}
    for name in ("encoder", "depth"):
        np.savez(tmp_path / f"{name}.npz", height=height, width=np.int64(640), **blocks)
    assert fuzzing.attempt("weights", lambda: pretrained.read_monodepth2_settings(tmp_path)) is None


def test_an_array_that_claims_to_be_huge(tmp_path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }"
    header = (header + b" " * 117)[:117] + b"\n"
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    assert fuzzing.attempt("weights", lambda: read_arrays(tmp_path / "x.npz")) is None


def test_an_archive_that_would_fill_the_memory(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(1000))
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\x01\x02") + 24  # the directory's uncompressed size
    data[start : start + 4] = (0xFFFFFFF0).to_bytes(4, "little")
    twice = data[data.index(b"PK\x01\x02") : data.index(b"PK\x05\x06")]
    end = bytearray(data[data.index(b"PK\x05\x06") :])
    end[8:12] = (3).to_bytes(2, "little") * 2  # three entries of 4 GiB, all the same bytes
    end[12:16] = (3 * len(twice)).to_bytes(4, "little")
    path.write_bytes(bytes(data[: data.index(b"PK\x01\x02")]) + bytes(twice) * 3 + bytes(end))
    with pytest.raises(UserError, match="more data than any network"):
        read_arrays(path)


CONFIG = json.dumps(config.to_dict(config.Config(tasks=config.Tasks(depth=config.DepthTask())))).encode()


@fuzzing.fuzz(2)
@given(content=fuzzing.damaged(CONFIG, b'{"depth": {"median_scaled": {"abs_rel": 0.1}}}'))
def test_config_and_evaluation(tmp_path, content):
    fuzzing.place(tmp_path, "config.json", content)
    fuzzing.place(tmp_path, "evaluation.json", content)
    found = fuzzing.attempt("config.json", lambda: load_config(tmp_path))
    assert found is None or isinstance(found, config.Config)
    found = fuzzing.attempt("evaluation.json", lambda: load_evaluation(tmp_path))
    assert found is None or isinstance(found, dict)


ROWS = b"".join(json.dumps({"step": step, "loss": 0.1}).encode() + b"\n" for step in range(1, 5))


@fuzzing.fuzz(2)
@given(content=fuzzing.damaged(ROWS))
def test_metrics(tmp_path, content):
    path = fuzzing.place(tmp_path, "metrics.jsonl", content)
    rows = fuzzing.attempt("metrics.jsonl", lambda: read_metrics(path))
    assert all(isinstance(row["step"], int) for row in rows)


SETTINGS = [
    f"{section}.{name}" for section, values in json.loads(CONFIG).items() if isinstance(values, dict) for name in values
] + [f"tasks.depth.{name}" for name in json.loads(CONFIG)["tasks"]["depth"]]
VALUES = st.sampled_from(["", "nan", "-1", "1e999", "None", "[", "(1,2,3)", "../..", "9" * 400, "abc", "0", "\x00"])


@fuzzing.fuzz(0.6)
@given(name=st.sampled_from(SETTINGS) | st.text("abcdefgh._", max_size=12), value=VALUES | st.text(max_size=8))
def test_settings_on_the_command_line(tmp_path, capsys, name, value):
    """There is no data set, so every command line ends with one sentence and status 2, whatever else is wrong."""
    arguments = ["--config=configs/tiny.py:depth", f"--workdir={tmp_path / 'run'}", f"--config.{name}={value}"]
    status = command_line.run(*arguments, f"--config.data.data_dir={tmp_path / 'none'}")
    said = capsys.readouterr().err
    refused = status == 2 and "error: " in said and "Traceback" not in said
    fuzzing.COUNTS["settings"].update(["inputs", "own errors" if refused else "anything else"])
    assert refused, said


def test_nothing_unpickles():
    """No file may be read in a way that runs code: NumPy without pickles, torch with weights only, no eval or exec."""
    for path in [*(ROOT / "mtl_depth").rglob("*.py"), *(ROOT / "tfds_kitti360").rglob("*.py")]:
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            where = f"{path}:{call.lineno}: {name}"
            assert not re.fullmatch(r"(pickle|marshal|dill|shelve|joblib)\..*|eval|exec|yaml\.load", name), where
            if name in ("np.load", "numpy.load"):
                assert keywords.get("allow_pickle") == "False", where
            if name == "torch.load":
                assert keywords.get("weights_only") == "True", where
