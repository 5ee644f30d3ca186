"""Monitors the metrics of the steps: skipped updates, and tasks that have stopped learning."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from mtl_depth.tasks.base import Task

PATIENCE = 3  # consecutive logged steps with a sign of collapse before the warning
YOUNG = 100  # first steps, during which an untrained network may look collapsed


class Broken(Exception):
    """Too many updates in a row were skipped.

    Attributes:
        step: the last one of them.
        batch: its batch.
        in_row: their number.
    """

    def __init__(self, step: int, batch: Any, in_row: int):
        super().__init__(f"step {step}: {in_row} updates in a row were not finite")
        self.step, self.batch, self.in_row = step, batch, in_row


class Watch:
    """Checks the metrics of each step one step late, so that the device always has work, and reports problems."""

    def __init__(
        self,
        tasks: Sequence[Task],
        *,
        row: Callable[[int, Mapping[str, Any]], None],
        say: Callable[[str], None],
        max_skipped: int,
        in_row: int = 0,
        gather: Callable[[Any], Any] = lambda share: share,
    ):
        """Starts to monitor a run.

        Args:
            tasks: of the run.
            row: writes a row of metrics.jsonl, given a step and values.
            say: prints a line.
            max_skipped: updates that may be skipped in a row.
            in_row: number of updates skipped in a row in the state that the run starts from.
            gather: returns the whole batch for this process's share of it.
        """
        self._gather = gather
        self._row, self._say, self._max_skipped, self._in_row = row, say, max_skipped, in_row
        self._signs = {name: sign for task in tasks if task.health for name, sign in task.health.signs.items()}
        self._seen = dict.fromkeys(self._signs, 0)
        self._pending: tuple[int, Mapping[str, Any], Any] | None = None
        self._loss: float | None = None

    def observe(self, step: int, metrics: Mapping[str, Any], batch: Any, *, now: bool = False) -> float | None:
        """Records a step that was started, and waits for the previous one, or with `now` for this one.

        Returns:
            The loss of the latest step that was waited for; None if there was none.

        Raises:
            Broken: more than `max_skipped` updates in a row were skipped. No later step has been started.
        """
        self.finish()
        self._pending = (step, metrics, batch)
        if now or self._in_row or not self._max_skipped:
            self.finish()
        return self._loss

    def finish(self) -> None:
        """Waits for the step that was started last. Raises Broken as `observe` does."""
        if self._pending is None:
            return
        (step, metrics, batch), self._pending = self._pending, None
        numbers = jax.device_get({name: metrics[name] for name in ("loss", "gradient_norm", "skipped_in_row")})
        self._loss, self._in_row = float(numbers["loss"]), int(numbers["skipped_in_row"])
        if self._in_row:
            clips = where(self._gather({name: batch[name] for name in ("drive", "frame")}))
            found = f"loss {numbers['loss']:g}, gradient norm {numbers['gradient_norm']:g}"
            self._row(step, {"skipped_clips": clips, "found": found})
            self._say(
                f"warning: step {step} is skipped, as it was not finite ({found}); its clips: {', '.join(clips)}."
            )
        if self._in_row > self._max_skipped:
            raise Broken(step, batch, self._in_row)

    def check_health(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Prints a warning, once, for each sign of collapse that several logged steps in a row have shown."""
        for name, (least, sentence) in self._signs.items():
            self._seen[name] = self._seen[name] + 1 if step > YOUNG and metrics[name] < least else 0
            if self._seen[name] == PATIENCE:
                self._signs = {other: sign for other, sign in self._signs.items() if other != name}
                self._say(f"warning: step {step}: {sentence} ({name} {float(metrics[name]):.2g} < {least:g}).")


def where(batch: Any) -> list[str]:
    """The targets of the clips in a batch, as `drive_0003/0000000120`."""
    return [f"drive_{drive:04d}/{frame:010d}" for drive, frame in zip(batch["drive"], batch["frame"])]
