"""Profiles a compiled program on a CPU: time of XLA's operations by part of the system and by kind."""

import collections
import glob
import re
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import jax

# What an operation's name holds -> its part; the first that matches. `jvp` marks what is differentiated.
PARTS = (
    ("Network.motion", "pose network"),
    ("/head_", "heads"),
    ("/encoder", "encoder"),
    ("jvp(", "objective"),
    ("vmap(", "augmentation"),
)
KINDS = (("conv", "convolution"), ("dot", "convolution"), ("transpose", "copies to other layouts"))


def parts(run: Callable[[], Any], program: Any) -> list[dict[str, Any]]:
    """Milliseconds of one run by part, forward and backward apart, and of them those in convolutions and copies.

    Args:
        run: runs the program once and waits for it.
        program: compiled, as `jax.jit(f).lower(...).compile()` gives it.
    """
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            run()
        (path,) = glob.glob(f"{folder}/**/*.xplane.pb", recursive=True)
        milliseconds = collections.Counter()
        for plane in jax.profiler.ProfileData.from_file(path).planes:
            for line in plane.lines:
                for event in line.events:
                    milliseconds[event.name] += event.duration_ns / 1e6
    return table(program.as_text(), milliseconds)


def table(text: str, milliseconds: Mapping[str, float]) -> list[dict[str, Any]]:
    """Rows of `parts` from the program's text and the time of each of its instructions."""
    bodies = {m[1]: m[0] for m in re.finditer(r"(?ms)^%?([\w.\-]+) \([^\n]*\{\n.*?^\}", text)}
    sums = collections.defaultdict(collections.Counter)
    for instruction, line in {m[1]: m[0] for m in re.finditer(r"(?m)^ +(?:ROOT )?%?([\w.\-]+) = .*$", text)}.items():
        if instruction not in milliseconds:
            continue
        called = re.search(r"calls=%?([\w.\-]+)", line)
        whole = line + (bodies.get(called[1], "") if called else "")
        names = collections.Counter(re.findall(r'op_name="([^"]*)"', line) or re.findall(r'op_name="([^"]*)"', whole))
        name = names.most_common(1)[0][0] if names else ""
        kind = instruction if "ynn" not in instruction else f"{instruction} {name}"
        row = sums[
            next((part for key, part in PARTS if key in name), "optimiser and the rest"),
            "backward" if "transpose(jvp" in name else "forward",
        ]
        row["ms"] += milliseconds[instruction]
        row[next((part for key, part in KINDS if key in kind), "other")] += milliseconds[instruction]
    return [
        {"part": part, "pass": direction, "ms": row["ms"], **{kind: row[kind] for kind in dict(KINDS[::-1]).values()}}
        for (part, direction), row in sorted(sums.items(), key=lambda entry: -entry[1]["ms"])
    ]
