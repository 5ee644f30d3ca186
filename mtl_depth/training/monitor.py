"""What the numbers of a step say about the run: skipped updates, a task that has stopped learning."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from mtl_depth.tasks.base import Task

PATIENCE = 3  # looks in a row that find a sign, before it is said
YOUNG = 100  # steps in which a fresh network may look collapsed


class Broken(Exception):
    """Too many updates in a row were skipped.

    Attributes:
        step: the last of them.
        batch: what it was given.
        in_row: how many there were.
    """

    def __init__(self, step: int, batch: Any, in_row: int):
        super().__init__(f"step {step}: {in_row} updates in a row were not finite")
        self.step, self.batch, self.in_row = step, batch, in_row


class Watch:
    """Follows a run's steps one step late, so that the device always has one to do, and tells what went wrong."""

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
        """Watches the signs of `tasks`.

        Args:
            tasks: of the run.
            row: takes a row for metrics.jsonl, a step and values.
            say: takes a sentence.
            max_skipped: updates skipped in a row before the run is broken.
            in_row: how many were skipped last, of the state that the run starts from.
            gather: makes the whole of this process's share of a batch.
        """
        self._gather = gather
        self._row, self._say, self._max_skipped, self._in_row = row, say, max_skipped, in_row
        self._signs = {name: sign for task in tasks if task.health for name, sign in task.health.signs.items()}
        self._seen = dict.fromkeys(self._signs, 0)
        self._pending: tuple[int, Mapping[str, Any], Any] | None = None
        self._loss: float | None = None

    def observe(self, step: int, metrics: Mapping[str, Any], batch: Any, *, now: bool = False) -> float | None:
        """Takes note of a step that was started, and waits for the one before, or `now` for this one.

        Returns:
            The loss of the step that was waited for last; None while none was.

        Raises:
            Broken: more than `max_skipped` updates in a row were skipped. No later step was started then.
        """
        self.finish()
        self._pending = (step, metrics, batch)
        if now or self._in_row or not self._max_skipped:
            self.finish()
        return self._loss

    def finish(self) -> None:
        """Waits for the step that was started last. Raises Broken as `follow` does."""
        if self._pending is None:
            return
        (step, metrics, batch), self._pending = self._pending, None
        numbers = jax.device_get({name: metrics[name] for name in ("loss", "gradient_norm", "skipped_in_row")})
        self._loss, self._in_row = float(numbers["loss"]), int(numbers["skipped_in_row"])
        if self._in_row:
            clips = where(self._gather({name: batch[name] for name in ("drive", "frame")}))
            found = f"loss {numbers['loss']:g}, gradient norm {numbers['gradient_norm']:g}"
            self._row(step, {"skipped_clips": clips, "found": found})
            self._say(f"warning: step {step} is skipped, not finite ({found}); its clips: {', '.join(clips)}.")
        if self._in_row > self._max_skipped:
            raise Broken(step, batch, self._in_row)

    def check_health(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Says once, in plain words, which signs of collapse the metrics of logged steps have shown for a while."""
        for name, (least, sentence) in self._signs.items():
            self._seen[name] = self._seen[name] + 1 if step > YOUNG and metrics[name] < least else 0
            if self._seen[name] == PATIENCE:
                self._signs = {other: sign for other, sign in self._signs.items() if other != name}
                self._say(f"warning: step {step}: {sentence} ({name} {float(metrics[name]):.2g} < {least:g}).")


def where(batch: Any) -> list[str]:
    """`drive_0003/0000000120` of every clip's target in a batch."""
    return [f"drive_{drive:04d}/{frame:010d}" for drive, frame in zip(batch["drive"], batch["frame"])]
