"""Ours and PyTorch alternately in one run: the options and the table that `step` and `inference` share."""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from mtl_depth.benchmarks import measure, profile

try:
    from mtl_depth.benchmarks import peer
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    peer = None  # PyTorch is not installed: ours alone is printed


class Ours(NamedTuple):
    """Our candidate.

    Attributes:
        lower: traces and lowers the program again.
        prepare: compiled program -> a function that runs it once and waits for the answer.
    """

    lower: Callable[[], Any]
    prepare: Callable[[Any], Callable[[], Any]]


def parser(name: str, *, batch: int, rounds: int) -> argparse.ArgumentParser:
    """The options of `python -m mtl_depth.benchmarks.<name>`."""
    options = argparse.ArgumentParser(prog=f"python -m mtl_depth.benchmarks.{name}")
    options.add_argument(
        "--size", type=measure.height_and_width, default=(192, 640), help="HEIGHTxWIDTH of the pictures (192x640)"
    )
    options.add_argument("--batch", type=int, default=batch, help=f"batch size ({batch})")
    options.add_argument("--encoder", default="resnet18", help="name of the encoder (resnet18)")
    options.add_argument("--width", type=float, default=1.0, help="factor on the channels (1)")
    options.add_argument(
        "--decoder_width", type=float, default=None, help="factor on the channels of the decoder (--width)"
    )
    options.add_argument(
        "--dtype", choices=("float32", "bfloat16"), default="float32", help="arithmetic inside the networks"
    )
    options.add_argument("--steps", type=int, default=rounds, help=f"timed rounds ({rounds})")
    options.add_argument("--threads", type=int, default=0, help="CPU cores (0: all that this process may use)")
    options.add_argument(
        "--compile", default="both", choices=("both", "yes", "no"), help="PyTorch with torch.compile, without, or both"
    )
    options.add_argument("--profile", action="store_true", help="also print a breakdown of our time (CPU only)")
    options.add_argument("--json", default=None, help="also write the table to this file")
    return options


def model(options: argparse.Namespace) -> dict[str, Any]:
    """The settings of `config.Model` among the options."""
    return {name: getattr(options, name) for name in ("encoder", "width", "decoder_width", "dtype")}


def run(
    name: str,
    options: argparse.Namespace,
    ours: Callable[[], Ours],
    theirs: Callable[..., Callable[[], Any]],
) -> dict[str, Any]:
    """Measures the candidates, prints and writes the table, and gives it back.

    Args:
        name: of the benchmark.
        options: from the command line.
        ours: makes our candidate. Called once the cores are chosen.
        theirs: (compiled=...) -> PyTorch's function; not called where there is no PyTorch.
    """
    _take_cores(options.threads)
    candidates, columns = {}, {}
    if peer is None:
        print("PyTorch is not installed: ours alone.")
    else:
        for compiled in {"both": (False, True), "yes": (True,), "no": (False,)}[options.compile]:
            label = "PyTorch, compiled" if compiled else "PyTorch"
            candidates[label] = theirs(compiled=compiled)
            start = time.perf_counter()
            candidates[label]()
            first = time.perf_counter() - start
            memory = measure.memory_of(candidates[label]) if peer.memory() is None else peer.memory()
            columns[label] = {"memory": memory, "compile": first if compiled else None}
    candidate = ours()
    program, cold, cached = measure.compile_twice(candidate.lower)
    candidates["ours"] = candidate.prepare(program)
    candidates["ours"]()
    memory = measure.device_memory() or measure.memory_of(candidates["ours"])
    columns["ours"] = {"memory": memory, "compile": cold, "cached": cached}
    peaks = measure.peaks(options.dtype)
    least = measure.roofline(program, peaks)

    times = measure.alternate(candidates, rounds=options.steps)
    rows = [
        {
            "what": label,
            "median ms": 1e3 * timing.median,
            "spread ms": 1e3 * timing.spread,
            "per second": options.batch / timing.median,
            "memory MB": columns[label]["memory"] and columns[label]["memory"] / 1e6,
            "compile s": columns[label]["compile"],
            "cached s": columns[label].get("cached"),
            "of roofline": f"{least / timing.median:.0%}" if least and label == "ours" else None,
        }
        for label, timing in times.items()
    ]
    ratios = {f"time / {label}": times["ours"].median / times[label].median for label in times if label != "ours"}
    settings = ("size", "batch", "encoder", "width", "decoder_width", "dtype", "steps")
    facts = {name: getattr(options, name) for name in settings}
    facts |= {"matmul GFLOP/s": peaks.flops / 1e9, "copy GB/s": peaks.bytes / 1e9}
    if options.profile:
        facts["profile"] = profile.parts(candidates["ours"], program)
    result = measure.report(name, rows, **facts, **ratios)
    measure.show(result, path=options.json)
    return result


def _take_cores(threads: int) -> None:
    """Keeps this process to its first cores, before JAX counts them."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # a GPU's memory is shared with PyTorch
    if threads:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    if peer is not None:
        peer.torch.set_num_threads(len(os.sched_getaffinity(0)))
