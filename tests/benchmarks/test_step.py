"""The benchmark's step is the program that training compiles, operation for operation."""

import itertools
import pathlib
import runpy

import numpy as np
import pytest

from mtl_depth.benchmarks import comparison, step
from mtl_depth.commands import train, train_start
from mtl_depth.runtime.devices import Devices

CONFIGS = pathlib.Path(__file__).resolve().parents[2] / "configs"
OPTIONS = ["--size=64x64", "--width=0.125", "--batch=2"]


class Lowered(Exception):
    """Ends a training at its first step, whose program it holds."""


def program_of_training(options, folder, monkeypatch) -> str:
    """What `train` gives the compiler for configs/depth.py, on a data set that is only said to be there."""
    config = runpy.run_path(str(CONFIGS / "depth.py"))["get_config"]()
    config.data.size, config.model.width, config.train.batch_size = options.size, options.width, options.batch
    config.model.encoder_weights, config.train.steps, config.train.devices = "", 1000, 1
    ids = np.arange(options.batch, dtype=np.int32)
    batch = step.make_batch(options) | {"drive": ids, "frame": ids}
    metadata = {"size": options.size, "drives": {}, "intrinsics": batch["intrinsics"][0].tolist()}
    monkeypatch.setattr(train_start.data, "open_dataset", lambda _: train_start.data.Dataset(folder, metadata))
    monkeypatch.setattr(train_start.data, "clips", lambda *_, **__: list(range(8)))
    monkeypatch.setattr(train_start.data, "frames", lambda *_, **__: 0)
    monkeypatch.setattr(train_start.data, "train_batches", lambda *_, **__: itertools.repeat(batch))
    parallelize = Devices.parallelize

    def lower(devices, train_step, **options):
        def first(*arguments):
            raise Lowered(parallelize(devices, train_step, **options).lower(*arguments).as_text())

        return first

    with monkeypatch.context() as patch, pytest.raises(Lowered) as caught:
        patch.setattr(Devices, "parallelize", lower)
        train.run(config, folder)
    return str(caught.value)


@pytest.mark.slow
def test_it_computes_exactly_what_training_computes(tmp_path, monkeypatch):
    options = comparison.parser("step", batch=4, rounds=1).parse_args(OPTIONS)
    ours = step.ours(options).lower().as_text()
    assert ours.count("stablehlo.convolution") > 50  # the networks are in it
    assert ours == program_of_training(options, tmp_path / "run", monkeypatch)
