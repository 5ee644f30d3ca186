"""A row of the tables of edges: what somebody did, and what has to happen."""

import pathlib
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pytest

from mtl_depth.errors import UserError
from mtl_depth.training.state import TrainState


class Case(NamedTuple):
    """`done` gets an empty folder and a monkeypatch; what it prints or answers, or its UserError, holds all `parts`
    and none of `never`."""

    kind: str
    name: str
    done: Callable[[pathlib.Path, pytest.MonkeyPatch], Any]
    parts: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


def check(case: Case, at: pathlib.Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    try:
        answer = case.done(at, patch)
    except UserError as error:
        answer = error
    printed = capsys.readouterr()
    found = f"{printed.out}{printed.err}{answer}"
    assert all(part.replace("{at}", str(at)) in found for part in case.parts), found
    assert not any(part in found for part in (*case.never, "Traceback")), found


SCORES = {"split": "val", "frames": 1, "recipe": "", "semantic": {"miou": 0.75, "per_class": {}}}

INTRINSICS = [[275.0, 0, 48], [0, 275.0, 32], [0, 0, 1]]


def dataset(**changed: Any) -> Any:
    drive = {"frames": [1, 2, 3, 4], "splits": "tttv", "pose": "1111", "semantic": "1111", "scan": "1111"}
    metadata = {
        "size": [64, 96], "image_size": [376, 1408], "intrinsics": INTRINSICS, "stereo": False, "baseline": 0.6,
        "depth_scale": 256, "storage": "png", "settings": {"manual_dir": "/raw", "size": [64, 96]},
        "drives": {"0000": drive},
    }  # fmt: skip
    for name, value in changed.items():
        if name in drive:
            drive[name] = value
        else:
            metadata[name] = value
    return types.SimpleNamespace(metadata=metadata)


def state() -> TrainState:
    zero = jnp.int32(0)
    params = {"encoder": {"kernel": jnp.ones((2, 2))}}
    return TrainState(zero, params, {}, (), jax.random.key(0), zero, zero)
