"""The entries of ResNet state dicts of torchvision and timm."""

import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mtl_depth.errors import UserError
from mtl_depth.models.resnet import STAGES

_CLASSES = 1000  # of the classifier that a published ResNet ends in


def resnet_depth(names: Iterable[str], *, source: pathlib.Path, prefix: str = "") -> int:
    """Returns the depth of the ResNet with these entries; raises UserError if it is not 18, 34 or 50.

    Args:
        names: of the entries.
        source: file that they come from, for messages.
        prefix: prefix of torchvision's names.
    """
    names = list(names)
    blocks = {match.groups() for name in names if (match := re.match(rf"{re.escape(prefix)}layer(\d)\.(\d+)\.", name))}
    stages = tuple(sum(stage == number for stage, _ in blocks) for number in "1234")
    bottleneck = any(".conv3." in name for name in names)
    for depth, expected in STAGES.items():
        if stages == expected and bottleneck == (depth == 50):
            return depth
    if not blocks:
        some = ", ".join(names[:3]) or "nothing"
        raise UserError(f"{source} holds no ResNet: it has {some}, where {prefix}conv1.weight and so on are expected.")
    known = ", ".join(f"ResNet-{depth}" for depth in STAGES)
    kind = "bottleneck" if bottleneck else "basic"
    raise UserError(f"{source} holds none of {known}: it has {', '.join(map(str, stages))} {kind} blocks a stage.")


def without_surplus(arrays: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns the entries without those that our encoder does not need."""
    return {
        name: x
        for name, x in arrays.items()
        if not name.startswith(f"{prefix}fc.") and not name.endswith(".num_batches_tracked")
    }


def with_surplus(arrays: Mapping[str, np.ndarray], prefix: str = "") -> dict[str, np.ndarray]:
    """Returns an encoder's entries with a classifier of zeros and the counters, for a strict load."""
    norms = [name.removesuffix("running_mean") for name in arrays if name.endswith(".running_mean")]
    counters = {f"{norm}num_batches_tracked": np.zeros((), np.int64) for norm in norms}
    features = max(x.shape[0] for x in arrays.values())
    classifier = {
        f"{prefix}fc.weight": np.zeros((_CLASSES, features), np.float32),
        f"{prefix}fc.bias": np.zeros(_CLASSES, np.float32),
    }
    return {**arrays, **counters, **classifier}
