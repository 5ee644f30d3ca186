"""A network that is compiled once, in the place of every run that is loaded."""

import fake_run
import pytest
from edges.prediction_cases import NAMES

from mtl_depth.data import intrinsics


@pytest.fixture
def one_network(monkeypatch):
    """Every run is the same network, every camera a guess."""
    fake_run.install(monkeypatch)
    monkeypatch.setattr("mtl_depth.inference.load_perceiver", lambda path, **_: fake_run.perceiver(*NAMES))
    monkeypatch.setattr(
        "mtl_depth.prediction.cameras.find",
        lambda trained, given, **_: lambda size: intrinsics.read(given, size=size).matrix,
    )
