"""`python -m mtl_depth.benchmarks.devices`: how far real runs on 1, 2, 4 and 8 devices drift apart, per variant."""

import argparse
import os
import pathlib
import runpy
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from mtl_depth.benchmarks import city, measure
from mtl_depth.commands import arguments as packaged
from mtl_depth.commands import train
from mtl_depth.config import Config
from mtl_depth.runtime import compiler_flags, log

COMPARED = {"loss": "loss", "gradient norm": "gradient_norm"}  # column -> name in metrics.jsonl


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains every variant of configs/tiny.py on every number of devices, and prints the largest differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variants", default="depth,semantic,instance,panoptic", help="of configs/tiny.py")
    parser.add_argument("--devices", default="1,2,4,8", help="forced CPU devices; the first is compared with")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--size", type=measure.height_and_width, default="64x96", help="height x width")
    parser.add_argument("--width", type=float, default=0.125, help="factor on the channels")
    parser.add_argument("--json", help="file for the result")
    options = parser.parse_args(arguments)
    counts = [int(count) for count in options.devices.split(",")]
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={max(counts)}"
    compiler_flags.avoid_wrong_reductions()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        data_dir = city.build(city.draw(folder / "raw", frames=12, size="96x320"), folder / "built")
        for variant in options.variants.split(","):
            runs = {}
            for count in counts:
                workdir = folder / f"{variant}_{count}"
                train.run(settings(options, variant, data_dir, batch_size=max(counts), devices=count), workdir)
                runs[count] = log.read_metrics(workdir / "metrics.jsonl")
                if len(runs[count]) < options.steps:  # a signal has stopped it
                    return 130
            one = runs.pop(counts[0])
            rows += [{"variant": variant, "devices": count} | differences(one, many) for count, many in runs.items()]
    facts = f"{options.size[0]}x{options.size[1]}, width {options.width:g}, batch {max(counts)}, {options.steps} steps"
    facts += f", Adam; largest relative difference from {counts[0]} device(s)"
    measure.show(measure.report("devices", rows, settings=facts), path=options.json)
    return 0


def settings(
    options: argparse.Namespace, variant: str, data_dir: pathlib.Path, *, batch_size: int, devices: int
) -> Config:
    """The shipped variant with everything that makes it slow reduced; optimiser, losses and augmentation stay."""
    config = runpy.run_path(packaged.config_file("tiny"))["get_config"](variant)
    config.data.data_dir = str(data_dir)
    config.data.size = options.size
    config.model.width = options.width
    config.train.batch_size = batch_size
    config.train.steps = options.steps
    config.train.log_every = 1
    config.train.picture_every = 0
    config.train.devices = devices
    config.evaluation.split = "test"  # which the city does not have, so nothing is evaluated
    return config


def differences(one: Sequence[Mapping[str, Any]], many: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Largest relative differences of two runs' rows: at the first step, with the same weights, and over all."""
    found = {}
    for column, name in COMPARED.items():
        steps = [abs(theirs[name] / ours[name] - 1) for ours, theirs in zip(one, many, strict=True)]
        found |= {f"{column}, step 1": steps[0], f"{column}, all": max(steps)}
    return found


if __name__ == "__main__":
    sys.exit(main())
