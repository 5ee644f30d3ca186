"""Exported weights under attack: their header, the configuration in it, and the description beside a program."""

import json

import fake_run
import fuzzing
import hypothesis.strategies as st
import pytest
from hypothesis import given

from mtl_depth import config
from mtl_depth.commands import export
from mtl_depth.prediction.loading import load_perceiver
from mtl_depth.prediction.predictor import Perceiver


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The header of a good model.safetensors, and the tensors behind it."""
    folder = tmp_path_factory.mktemp("export")
    export.write_safetensors(fake_run.perceiver("depth"), folder)
    data = (folder / "model.safetensors").read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    return fuzzing.Originals(header=data[:end], tensors=data[end:])


@fuzzing.fuzz(0.6)
@given(data=st.data(), resized=st.booleans())
def test_weights_of_an_export(tmp_path, exported, data, resized):
    header = data.draw(fuzzing.damaged(exported["header"]))
    if resized:  # so that the damage is read as JSON
        header = (len(header) - 8).to_bytes(8, "little", signed=True)[:8] + header[8:] if len(header) > 8 else header
    path = fuzzing.place(tmp_path, "model.safetensors", header + exported["tensors"])
    found = fuzzing.attempt("exports", lambda: load_perceiver(path))
    assert found is None or isinstance(found, Perceiver)


@fuzzing.fuzz()
@given(size=st.lists(st.integers(-70, 140) | st.none() | st.text(max_size=3), max_size=3), more=st.booleans())
def test_a_configuration_that_makes_no_sense(tmp_path, exported, size, more):
    header = json.loads(exported["header"][8:])
    settings = json.loads(header["__metadata__"]["config"])
    settings["data"] |= {"size": size} | ({"colour": 1} if more else {})
    header["__metadata__"]["config"] = json.dumps(settings)
    written = json.dumps(header).encode()
    path = fuzzing.place(
        tmp_path, "model.safetensors", len(written).to_bytes(8, "little") + written + exported["tensors"]
    )
    fuzzing.attempt("exports", lambda: load_perceiver(path))


DESCRIPTION = {"config": config.to_dict(fake_run.config("depth")), "batch": "free", "flip": False, "outputs": ["depth"]}


@pytest.mark.parametrize("program", ["model.stablehlo", "model.onnx"])
@fuzzing.fuzz()
@given(content=fuzzing.damaged(json.dumps(DESCRIPTION).encode()))
def test_the_description_beside_a_program(tmp_path, program, content):
    fuzzing.place(tmp_path, "model.json", content)
    fuzzing.attempt("exports", lambda: load_perceiver(fuzzing.place(tmp_path, program, b"no program")))
