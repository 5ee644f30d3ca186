"""`mtl-depth train --dry_run`: estimates the cost of a training from three steps; nothing is written."""

import math
import pathlib
import time
from collections.abc import Callable, Collection
from typing import Any

import jax

from mtl_depth.commands import train_start
from mtl_depth.config import Config
from mtl_depth.runtime import log
from mtl_depth.runtime.devices import Devices, prefetch
from mtl_depth.training import optimizer

STEPS = 3  # that are timed, after one that is not


def run(config: Config, workdir: pathlib.Path, *, typed: Collection[str] | None = None) -> None:
    """Prints parameters, memory of the compiled step, clips, steps, and the time that they would take.

    Args:
        config: the settings.
        workdir: folder of the run; read only.
        typed: see `train_start.plan`.

    Raises:
        UserError: what ends a training before its first step.
    """
    plan = train_start.plan(config, workdir, typed=typed)
    devices, train = plan.devices, plan.config.train
    log.say(train_start.clips_sentence(plan.config, plan.dataset, plan.assembly.reads, plan.clips))
    parts = {
        name: sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))
        for name, tree in plan.assembly.shapes().params.items()
    }
    named = ", ".join(f"{name} {count / 1e6:.2f}" for name, count in parts.items())
    log.say(f"parameters: {sum(parts.values()) / 1e6:.2f} million ({named})")
    programs: list[Any] = []
    step = plan.assembly.step(lambda *given, **options: _recorded(devices, programs, *given, **options))
    state = devices.place_state(jax.jit(plan.assembly.create)(jax.random.key(train.seed)))
    batches = prefetch(
        train_start.host_batches(plan.config, plan.dataset, plan.assembly.reads, start=0),
        lambda batch: devices.place_batch(batch, parts=train.accumulate),
    )
    rates, begun = optimizer.rates(train, steps=plan.steps), time.monotonic()
    log.say("compiling the step (once for these shapes; the training finds it in the cache)")
    state, metrics = step(state, next(batches), rates)
    jax.block_until_ready(metrics)
    log.say(f"compiled and run once in {time.monotonic() - begun:.0f} s; {memory(programs)}")
    begun = time.monotonic()
    for _ in range(STEPS):
        state, metrics = step(state, next(batches), rates)
    jax.block_until_ready(metrics)
    seconds = (time.monotonic() - begun) / STEPS
    batches.close()
    log.say(
        f"{plan.steps} steps of {train.batch_size} clips on {len(devices) * jax.process_count()} "
        f"{jax.devices()[0].platform} device(s), {seconds:.2f} s each (mean of {STEPS}), take "
        f"{duration(plan.steps * seconds)} ({train.batch_size / seconds:.1f} clips per second), without "
        "evaluations and pictures"
    )
    log.say("nothing was written; the same command without --dry_run trains")


def memory(programs: Collection[Any]) -> str:
    """The memory of the largest compiled program, by XLA's analysis."""
    analyses = [found for program in programs if (found := program.memory_analysis()) is not None]
    if not analyses:
        return "this platform has no analysis of memory"

    def peak(found: Any) -> int:
        kept = found.argument_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes
        return kept + found.temp_size_in_bytes

    most = max(analyses, key=peak)
    return (
        f"memory on each device, by XLA's analysis: {peak(most) / 1e9:.2f} GB ({most.argument_size_in_bytes / 1e9:.2f} "
        f"state and batch, {most.temp_size_in_bytes / 1e9:.2f} intermediate results)"
    )


def duration(seconds: float) -> str:
    """`3 h 20 min`, or `45 min`, or `50 s`."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _recorded(devices: Devices, programs: list[Any], *given: Any, **options: Any) -> Callable[..., Any]:
    """A function compiled for the devices at its first call, and noted in `programs`."""
    function, compiled = devices.parallelize(*given, **options), None

    def call(*arguments: Any) -> Any:
        nonlocal compiled
        if compiled is None:
            compiled = function.lower(*arguments).compile()
            programs.append(compiled)
        return compiled(*arguments)

    return call
