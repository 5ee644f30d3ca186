"""Functions of all benchmarks: alternating timing, memory, compile time, the device's measured peaks, the table."""

import argparse
import ctypes
import functools
import json
import os
import pathlib
import platform
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental.compilation_cache import compilation_cache

_STATUS, _FORGET = pathlib.Path("/proc/self/status"), pathlib.Path("/proc/self/clear_refs")


class Timing(NamedTuple):
    """Seconds of one candidate's runs: median and interquartile range."""

    median: float
    spread: float


class Peaks(NamedTuple):
    """What the device was seen to reach: floating-point operations a second, bytes read and written a second."""

    flops: float
    bytes: float


def alternate(
    candidates: Mapping[str, Callable[[], Any]], *, rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Timing]:
    """Runs the candidates in turn, `rounds` times, after one round that does not count.

    Alternating, so that other load on the machine affects all of them alike. A candidate returns when its work is done
    (`jax.block_until_ready`, `torch.cuda.synchronize`).
    """
    seconds = {name: [] for name in candidates}
    for number in range(rounds + 1):
        for name, run in candidates.items():
            start = clock()
            run()
            if number:
                seconds[name].append(clock() - start)
    return {name: timing(values) for name, values in seconds.items()}


def timing(seconds: Sequence[float]) -> Timing:
    """Median and interquartile range of some times."""
    if len(seconds) < 2:
        return Timing(seconds[0], 0.0)
    lower, _, upper = statistics.quantiles(seconds, n=4, method="inclusive")
    return Timing(statistics.median(seconds), upper - lower)


def compile_twice(lower: Callable[[], Any]) -> tuple[Any, float, float]:
    """Compiles with an empty and with a filled compilation cache.

    Args:
        lower: traces and lowers the program, `lambda: jax.jit(f).lower(*arguments)`, with a new `f` each time or else
            what jax remembers of the first call makes the second too short.

    Returns:
        The compiled program and the seconds from Python to a program ready to run, cold and cached.
    """
    settings = {
        "jax_compilation_cache_dir": None,
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    with tempfile.TemporaryDirectory() as folder:
        for name, value in (settings | {"jax_compilation_cache_dir": folder}).items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()
        try:
            seconds = []
            for _ in range(2):
                start = time.perf_counter()
                compiled = lower().compile()
                seconds.append(time.perf_counter() - start)
        finally:
            for name, value in before.items():
                jax.config.update(name, value)
            compilation_cache.reset_cache()
    return compiled, *seconds


def memory_of(run: Callable[[], Any]) -> int | None:
    """Bytes by which one run raises this process's memory at its highest point; None where Linux does not tell.

    For work on the CPU. What was freed before is handed back first, so that every candidate starts alike.
    """
    if not _FORGET.exists():
        return None
    ctypes.CDLL(None).malloc_trim(0)
    try:
        _FORGET.write_text("5")  # the highest point is forgotten: proc(5)
    except OSError:
        return None
    before = _status_bytes("VmRSS")
    run()
    return max(0, _status_bytes("VmHWM") - before)


def device_memory() -> int | None:
    """Peak memory of the first device in bytes; None if it is not available (on a CPU)."""
    return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


def peaks(dtype: Any = jnp.float32, *, rounds: int = 5) -> Peaks:
    """The fastest matrix product and the fastest addition that this device was seen to do."""
    accelerator = jax.default_backend() != "cpu"
    side, length = (8192, 2**28) if accelerator else (2048, 2**26)
    square, line = jnp.ones((side, side), dtype), jnp.ones((length,), dtype)
    product = jax.jit(jnp.matmul)
    addition = jax.jit(lambda x: x + 1, donate_argnums=0)  # in place: fresh memory is slow the first time
    fastest = []
    for run, values in ((lambda x: product(x, square), square), (addition, line)):
        seconds = []
        for _ in range(rounds + 1):
            start = time.perf_counter()
            values = jax.block_until_ready(run(values))
            seconds.append(time.perf_counter() - start)
        fastest.append(min(seconds))
    return Peaks(flops=2 * side**3 / fastest[0], bytes=2 * line.nbytes / fastest[1])


def roofline(compiled: Any, peak: Peaks) -> float | None:
    """Seconds below which the device cannot run the program: its operations, or its bytes, at the measured peaks.

    Both are XLA's own count. None where it does not count.
    """
    cost = compiled.cost_analysis() or {}
    if "flops" not in cost:
        return None
    return max(cost["flops"] / peak.flops, cost.get("bytes accessed", 0.0) / peak.bytes)


@functools.cache
def machine() -> dict[str, Any]:
    """What the numbers were measured on: device, cores of this process, memory, versions."""
    device = jax.devices()[0]
    return {
        "device": f"{len(jax.devices())} x {device.device_kind}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "jax": jax.__version__,
    }


def report(name: str, rows: Sequence[Mapping[str, Any]], **facts: Any) -> dict[str, Any]:
    """A benchmark's result as it is printed and written: its name, the machine, further facts, the table's rows."""
    return {"benchmark": name, "machine": machine(), **facts, "rows": [dict(row) for row in rows]}


def show(result: Mapping[str, Any], *, path: str | pathlib.Path | None = None) -> None:
    """Prints a `report` and, given a path, writes it there as JSON."""
    print(f"{result['benchmark']}  ({', '.join(f'{name} {value}' for name, value in result['machine'].items())})")
    for name, value in result.items():
        if name not in ("benchmark", "machine") and not isinstance(value, list):
            print(f"{name}: {_text(value)}")
    for value in result.values():
        if isinstance(value, list):
            print(table(value))
    if path is not None:
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as text, in the Markdown that the documentation takes; the first row's keys are the columns."""
    columns = list(rows[0])
    cells = [columns, *([_text(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _text(value: Any) -> str:
    """A cell: floats with three digits that count, nothing as a dash."""
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")


def _processor() -> str:
    path = pathlib.Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", path.read_text(encoding="utf-8")) if path.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _status_bytes(field: str) -> int:
    return int(re.search(rf"{field}:\s*(\d+) kB", _STATUS.read_text(encoding="utf-8"))[1]) * 1024


def height_and_width(text: str) -> tuple[int, int]:
    """A command line's HEIGHTxWIDTH."""
    try:
        height, width = map(int, text.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH, such as 192x640") from None
    return height, width
