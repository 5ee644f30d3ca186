"""`python -m mtl_depth.benchmarks.inference`: speed of predicting depth, compared with PyTorch."""

import argparse
import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from mtl_depth import config
from mtl_depth.benchmarks import comparison
from mtl_depth.models.network import init
from mtl_depth.prediction.predictor import make_perceive
from mtl_depth.tasks import assemble


def ours(options: argparse.Namespace) -> comparison.Ours:
    """What `evaluate` and `predict` run for configs/depth.py."""
    model = config.Model(**comparison.model(options))
    network, tasks = assemble(model, config.Tasks(depth=config.DepthTask()))
    variables = jax.jit(functools.partial(init, network, size=options.size))(jax.random.key(0))
    images = jax.device_put(make_images(options))

    def prepare(program: Any) -> Callable[[], Any]:
        return lambda: jax.block_until_ready(program(variables, images))

    return comparison.Ours(lambda: make_perceive(network, tasks).lower(variables, images), prepare)


def theirs(options: argparse.Namespace, *, compiled: bool) -> Callable[[], Any]:
    """The same in PyTorch."""
    return comparison.peer.make_inference(make_images(options), **comparison.model(options), compiled=compiled)


def make_images(options: argparse.Namespace) -> np.ndarray:
    """Random pictures b h w 3 in [0, 1]."""
    return np.random.default_rng(0).random((options.batch, *options.size, 3), dtype=np.float32)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; its exit status."""
    options = comparison.parser("inference", batch=1, rounds=50).parse_args(arguments)
    comparison.run("inference", options, lambda: ours(options), functools.partial(theirs, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
