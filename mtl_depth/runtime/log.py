"""The output of a run: a progress bar, metrics.jsonl and TensorBoard."""

import errno
import json
import os
import pathlib
import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import tqdm

from mtl_depth.runtime import strict_json
from mtl_depth.runtime.manifest import sync_folder


def progress(items: Iterable[Any] | None = None, **options: Any) -> tqdm.tqdm:
    """A progress bar with rate and remaining time; if the output is a file, one line every 15 seconds."""
    if sys.stderr.isatty():
        return tqdm.tqdm(items, mininterval=0.2, dynamic_ncols=True, **options)
    return tqdm.tqdm(items, mininterval=15, maxinterval=15, ncols=100, file=_Lines(), **options)


class _Lines:
    """A file for a progress bar that is not on a screen: one line per state, without carriage returns."""

    def write(self, text: str) -> None:
        """Writes a state of the bar, without the blanks that clear a line on a screen."""
        if text := text.strip():
            sys.stderr.write(text + "\n")

    def flush(self) -> None:
        """Flushes the underlying stream."""
        sys.stderr.flush()


def say(sentence: str) -> None:
    """Prints a line above a progress bar."""
    tqdm.tqdm.write(sentence, file=sys.stderr)


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes a JSON file atomically."""
    write_text(path, json.dumps(strict_json.encoded(value), indent=1, allow_nan=False) + "\n")


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a file atomically; it is on disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


class Log:
    """metrics.jsonl and the TensorBoard folder of one run."""

    def __init__(
        self,
        workdir: pathlib.Path,
        *,
        step: int,
        notes: Mapping[str, Any] = MappingProxyType({}),
        further: Iterable[Any] = (),
    ):
        """Continues at `step`: later rows, which belong to no checkpoint, are dropped and will be written again.

        Args:
            workdir: folder of the run.
            step: step of the checkpoint that the run starts from.
            notes: notes of that checkpoint: the number of `rows`, and whether the step is `evaluated`.
            further: `loggers.Logger`s, which get every row too.
        """
        import tensorboardX  # takes most of a second, and only a training needs it

        workdir.mkdir(parents=True, exist_ok=True)
        path = workdir / "metrics.jsonl"
        rows = [row for row in read_metrics(path) if row["step"] <= step]
        scores = [row for row in rows if row["step"] == step and "split" in row]  # written after the checkpoint
        lost = notes.get("rows", 0) - (len(rows) - len(scores))
        if lost > 0:
            say(f"warning: {path} lacks {lost} of the rows up to step {step}; it was cut, edited or removed.")
        if "evaluated" not in notes:
            rows = [row for row in rows if row not in scores]
        self.rows = len(rows)
        write_text(path, "".join(_line(row) for row in rows))
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (open as long as the run)
        self._board = tensorboardX.SummaryWriter(str(workdir / "tensorboard"), purge_step=step + 1)
        self._further = list(further)

    def scalars(self, step: int, values: Mapping[str, Any], **labels: str) -> None:
        """Writes a row `{"step": step, **labels, **values}`; names of nested values are joined by slashes."""
        flat = flatten(values)
        self.row(step, {**labels, **flat})
        for name, value in flat.items():
            self._board.add_scalar("/".join([*labels.values(), name]), value, step)

    def row(self, step: int, values: Mapping[str, Any]) -> None:
        """Writes a row with any JSON values to metrics.jsonl only."""
        self._file.write(_line({"step": step, **values}))
        self.rows += 1
        self._file.flush()
        for logger in list(self._further):
            try:
                logger.write(step, values)
            except Exception as error:  # a service that is gone must not end a training
                self._further.remove(logger)
                self.say(f"warning: {logger.name} gets no more rows ({error}); metrics.jsonl has them all.")

    def say(self, sentence: str) -> None:
        """Prints a line."""
        say(sentence)

    def sync(self) -> None:
        """Waits until the rows are on disk: a checkpoint must not exist without the rows before it."""
        os.fsync(self._file.fileno())

    def pictures(self, step: int, pictures: Mapping[str, np.ndarray]) -> None:
        """Writes uint8 pictures [b h w 3], given by name, to TensorBoard."""
        for name, batch in pictures.items():
            self._board.add_images(name, batch, step, dataformats="NHWC")
        self._board.flush()

    def close(self) -> None:
        """Writes pending data and closes the files."""
        self._file.close()
        self._board.close()
        for logger in self._further:
            logger.close()


class Silent:
    """A Log that writes nothing, for the processes of a run that do not write."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(strict_json.encoded(dict(row)), allow_nan=False) + "\n"


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """{"depth": {"abs_rel": 0.1}} -> {"depth/abs_rel": 0.1}; what is neither a number nor a mapping is left out."""
    flat = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}/")
        elif isinstance(value, int | float | np.number | np.ndarray) and not isinstance(value, bool):
            flat[prefix + name] = float(value)
    return flat


def read_metrics(path: pathlib.Path) -> list[dict[str, Any]]:
    """The rows of a metrics.jsonl; [] without a file.

    A last line that was cut short by a crash is ignored; a damaged line elsewhere is ignored with a warning.
    """
    if not path.exists():
        return []
    if not path.is_file():  # a pipe would be waited for
        raise OSError(errno.EISDIR, "it is a folder, a pipe or a device, not a file", str(path))
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
        try:
            row = strict_json.decoded(json.loads(line))
            if type(row["step"]) is not int:
                raise ValueError
            rows.append(row)
        except (ValueError, KeyError, TypeError, RecursionError):
            if line.endswith(b"\n"):
                say(f"warning: {path} line {number} is damaged and left out.")
    return rows
