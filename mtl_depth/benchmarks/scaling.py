"""`python -m mtl_depth.benchmarks.scaling`: exchanges between devices in a step, their time, and a forecast."""

import argparse
import math
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from mtl_depth import config
from mtl_depth.benchmarks import measure
from mtl_depth.runtime.devices import Devices
from mtl_depth.training.assembly import assemble_run
from mtl_depth.training.optimizer import rates

KINDS = "all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute|collective-broadcast"
BYTES = {"f32": 4, "s32": 4, "u32": 4, "bf16": 2, "f16": 2, "pred": 1, "u8": 1, "s8": 1}
# Assumed, not measured: bytes a second of one accelerator's link and seconds of a small exchange, inside a node of
# eight and between nodes of eight.
NODE = 8
INSIDE = {"bandwidth": 200e9, "latency": 15e-6}
BETWEEN = {"bandwidth": 40e9, "latency": 40e-6}


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the exchanges of the step's compiled program, measured times and the forecast."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--size", type=measure.height_and_width, default="192x640", help="HEIGHTxWIDTH of the pictures (192x640)"
    )
    parser.add_argument("--width", type=float, default=1.0, help="factor on the channels")
    parser.add_argument("--batch", type=int, default=8, help="clips per step, over all devices (8)")
    parser.add_argument("--devices", default="1,2,4,8", help="numbers of simulated CPU devices (1,2,4,8)")
    parser.add_argument("--rounds", type=int, default=5, help="timed steps (5); 0: compile only")
    parser.add_argument(
        "--step_ms", type=float, default=50.0, help="time of a step on one accelerator, for the forecast (50)"
    )
    parser.add_argument("--json", help="also write the result to this file")
    options = parser.parse_args(arguments)
    counts = [int(count) for count in options.devices.split(",")]
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={max(counts)}"
    rows = []
    for count in counts:
        run, compiled = make_step(options, count)
        found = collectives(compiled.as_text())
        memory = compiled.memory_analysis()
        row = {"devices": count, "exchanges": len(found), "largest, MB": max(found, default=0) / 1e6}
        row |= {"others, kB": (sum(found) - max(found, default=0)) / 1e3}
        row |= {"memory of a device, MB": (memory.temp_size_in_bytes + memory.argument_size_in_bytes) / 1e6}
        if options.rounds:
            row["step, s"] = measure.alternate({"step": run}, rounds=options.rounds)["step"].median
        rows.append(row)
    settings = f"{options.size[0]}x{options.size[1]}, width {options.width:g}, batch {options.batch} over all devices"
    measure.show(measure.report("scaling", rows, settings=settings), path=options.json)
    if found:
        rows = [forecast(count, found, seconds=options.step_ms / 1e3) for count in (8, 64, 256)]
        print(f"\nforecast for {options.step_ms:g} ms a step alone, no overlap; {INSIDE} in a node, {BETWEEN} between")
        print(measure.table(rows))
    return 0


def collectives(text: str) -> list[int]:
    """Bytes of every exchange between devices in a compiled program."""
    found = []
    for shapes, _ in re.findall(rf"= (.*?) ({KINDS})(?:-start)?\(", text):
        arrays = re.findall(r"\b(\w+)\[([\d,]*)\]", shapes)
        found.append(
            sum(BYTES[kind] * math.prod(int(side) for side in sides.split(",") if side) for kind, sides in arrays)
        )
    return found


def forecast(devices: int, exchanges: Sequence[int], *, seconds: float) -> Mapping[str, Any]:
    """Efficiency of weak scaling: time of one accelerator alone over its time among many.

    A ring of n sends 2 (n - 1) / n of the bytes over every link; a small exchange costs a latency, inside the node and
    between nodes. The ring of all devices runs at the slowest link's rate.
    """
    several = devices > NODE
    link = BETWEEN if several else INSIDE
    small = INSIDE["latency"] + (math.log2(devices / NODE) * BETWEEN["latency"] if several else 0)
    gradient = 2 * (devices - 1) / devices * max(exchanges) / link["bandwidth"]
    statistics = (len(exchanges) - 1) * small
    whole = seconds + gradient + statistics
    return {
        "accelerators": devices, "gradient, ms": 1e3 * gradient, "statistics, ms": 1e3 * statistics,
        "efficiency": seconds / whole,
    }  # fmt: skip


def make_step(options: argparse.Namespace, count: int) -> tuple[Any, Any]:
    """A function that runs one step on `count` devices, and its compiled program."""
    settings = config.Config(
        data=config.Data(size=options.size),
        model=config.Model(width=options.width),
        tasks=config.Tasks(depth=config.DepthTask()),
    )
    assembly, schedule = assemble_run(settings), rates(settings.train, steps=1000)
    devices = Devices(count)
    height, width = options.size
    intrinsics = np.array([[width / 2, 0, width / 2], [0, width / 2, height / 2], [0, 0, 1]], np.float32)
    batch = devices.place_batch(
        {
            "image": np.random.default_rng(0).integers(0, 256, (options.batch, 3, height, width, 3)).astype(np.uint8),
            "intrinsics": np.tile(intrinsics, (options.batch, 1, 1)),
        }
    )
    held = [devices.place_state(jax.jit(assembly.create)(jax.random.key(0)))]
    step = assembly.step(devices.parallelize)
    compiled = step.lower(held[0], batch, schedule).compile()

    def run() -> float:
        held[0], metrics = step(held[0], batch, schedule)
        return float(metrics["loss"])

    return run, compiled


if __name__ == "__main__":
    sys.exit(main())
