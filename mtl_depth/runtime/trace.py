"""A profiler trace of some steps of a training."""

import pathlib
import re
from typing import Any

import jax

from mtl_depth.errors import UserError
from mtl_depth.runtime import log


class Trace:
    """Records the steps that `wanted` names; the first step of a process compiles, so a later one tells more."""

    def __init__(self, wanted: str, folder: pathlib.Path):
        """Of `wanted`, as `parse` takes it, into `folder`; "" records nothing."""
        self._steps, self._folder, self._state = parse(wanted), folder, "none"

    def begin(self, step: int) -> None:
        """To be called before a step."""
        if self._steps and self._state == "none" and self._steps[0] <= step <= self._steps[1]:
            jax.profiler.start_trace(self._folder, create_perfetto_trace=True)
            self._state = "running"

    def end(self, step: int, result: Any) -> None:
        """To be called after a step, with what it has computed."""
        if self._state == "running" and step == self._steps[1]:
            jax.block_until_ready(result)
            self._stop()

    def close(self) -> None:
        """Finishes what has begun, and says where the trace is."""
        if self._state == "running":
            self._stop()
        if self._state == "written":
            trace = max(self._folder.rglob("perfetto_trace.json.gz"), key=lambda path: path.stat().st_mtime)
            log.say(f"The profile is {trace}: open it in ui.perfetto.dev, or run tensorboard --logdir={self._folder}.")
        elif self._steps:
            first, last = self._steps
            log.say(f"There is no profile: the steps {first} to {last} of config.train.profile were not trained now.")

    def _stop(self) -> None:
        jax.profiler.stop_trace()
        self._state = "written"


def parse(wanted: str) -> tuple[int, int] | None:
    """The first and the last step of `START:STOP`, both included; None where nothing is wanted.

    Raises:
        UserError: it is not that.
    """
    if not wanted:
        return None
    match = re.fullmatch(r"([1-9]\d*):([1-9]\d*)", wanted)
    if not match or int(match[1]) > int(match[2]):
        raise UserError(
            f"config.train.profile is {wanted!r}; give the first and the last step of the trace, such as 10:12."
        )
    return int(match[1]), int(match[2])
