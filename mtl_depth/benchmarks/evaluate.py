"""Speed of evaluation compared with inference: `python -m mtl_depth.benchmarks.evaluate [--data_dir=TFDS_DIR]`.

Evaluation reads, predicts, and scores against the truth at its full size, including trivial predictors; inference only
predicts for the same number of images in memory. They run alternately.
"""

import argparse
import dataclasses
import functools
import pathlib
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from mtl_depth import config as configuration
from mtl_depth import data as dataset_reader
from mtl_depth.benchmarks import city
from mtl_depth.benchmarks.measure import alternate, report, show
from mtl_depth.errors import UserError
from mtl_depth.evaluation import evaluator
from mtl_depth.models.network import init
from mtl_depth.prediction import predictor
from mtl_depth.tasks import assemble

VARIANTS = {"depth": ("depth",), "instance": ("depth", "instance"), "panoptic": ("depth", "semantic", "instance")}


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m mtl_depth.benchmarks.evaluate", description=__doc__)
    parser.add_argument("--data_dir", help="a built data set (default: draw a small city)")
    parser.add_argument("--split", default="val", help="train, val or test (val)")
    parser.add_argument("--variants", default="depth,panoptic", help=f"list of {', '.join(VARIANTS)}")
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--width", type=float, default=1.0, help="factor on the channels (1)")
    parser.add_argument("--dtype", default="float32", help="arithmetic inside the network: float32 or bfloat16")
    parser.add_argument("--threads", type=int, default=2, help="decoding threads (2)")
    parser.add_argument("--workers", type=int, default=0, help="decoding processes (0)")
    parser.add_argument("--frames", type=int, default=24, help="frames to evaluate, in whole batches (24)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", default="376x1408", help="HEIGHTxWIDTH of the city, without --data_dir")
    parser.add_argument("--json", metavar="FILE", help="also write the result to this file")
    options = parser.parse_args(arguments)
    try:
        if unknown := set(options.variants.split(",")) - set(VARIANTS):
            raise UserError(f"--variants holds {sorted(unknown)[0]!r}; choose from {', '.join(VARIANTS)}.")
        with tempfile.TemporaryDirectory() as folder:
            data_dir = options.data_dir or _built(pathlib.Path(folder), options)
            rows = [measured(variant, data_dir, options) for variant in options.variants.split(",")]
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    facts = {"batch_size": options.batch_size, "width": options.width, "dtype": options.dtype, "rounds": options.rounds}
    show(report("evaluate", rows, **facts), path=options.json)
    return 0


def measured(variant: str, data_dir: str, options: argparse.Namespace) -> dict[str, Any]:
    """The row of a variant."""
    sections = {
        "depth": configuration.DepthTask(),
        "semantic": configuration.SemanticTask(),
        "instance": configuration.InstanceTask(),
    }
    data = configuration.Data(data_dir=data_dir, size=(1, 1), threads=options.threads, workers=options.workers)
    data = dataclasses.replace(data, size=dataset_reader.open_dataset(data).size)
    dataset = dataset_reader.open_dataset(data)
    model = configuration.Model(width=options.width, dtype=options.dtype)
    chosen = configuration.Tasks(**{name: sections[name] for name in VARIANTS[variant]})
    network, tasks = assemble(model, chosen)
    reads = frozenset().union(*(task.metrics.reads for task in tasks))
    there = dataset_reader.frames(dataset, data, split=options.split, reads=reads)
    batches = min(options.frames, there) // options.batch_size
    if not batches:
        raise UserError(f"The split {options.split} of {data_dir} has {there} frames; lower --batch_size.")
    data = dataclasses.replace(data, eval_frames=batches * options.batch_size)
    variables = jax.jit(functools.partial(init, network, size=data.size))(jax.random.key(0))
    perceive = functools.partial(predictor.make_perceive(network, tasks), variables)
    studied = evaluator.study(tasks, dataset, data, progress=False)
    image = jax.device_put(np.random.default_rng(0).random((options.batch_size, *data.size, 3), np.float32))

    def predict() -> None:
        for _ in range(batches):
            jax.block_until_ready(perceive(image))

    def evaluate() -> None:
        evaluator.measure(
            perceive, tasks, dataset, data, split=options.split, batch_size=options.batch_size, studied=studied,
            progress=False,
        )  # fmt: skip

    times = alternate({"inference": predict, "evaluation": evaluate}, rounds=options.rounds)
    rates = {name: data.eval_frames / time.median for name, time in times.items()}
    return {
        "variant": variant,
        "frames": data.eval_frames,
        "truth": "x".join(map(str, dataset.metadata["image_size"])),
        "inference frames/s": rates["inference"],
        "evaluation frames/s": rates["evaluation"],
        "share": rates["evaluation"] / rates["inference"],
        "spread of s/frame": times["evaluation"].spread / data.eval_frames,
    }


def _built(folder: pathlib.Path, options: argparse.Namespace) -> str:
    frames = options.frames + options.frames // 6 + 1  # every eighth has no labels
    return str(city.build(city.draw(folder / "raw", frames=frames, size=options.size), folder / "built"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
