"""What a run tells: a progress bar, metrics.jsonl and TensorBoard."""

import json
import os
import pathlib
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tqdm


def progress(items: Iterable[Any] | None = None, **options: Any) -> tqdm.tqdm:
    """A progress bar with rate and remaining time; in a log file a line every quarter of a minute."""
    interval = 0.2 if sys.stderr.isatty() else 15
    return tqdm.tqdm(items, mininterval=interval, maxinterval=max(interval, 10), dynamic_ncols=True, **options)


def say(sentence: str) -> None:
    """Prints a line above a progress bar."""
    tqdm.tqdm.write(sentence, file=sys.stderr)


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with open(part, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


class Log:
    """metrics.jsonl and the TensorBoard folder of one run."""

    def __init__(self, workdir: pathlib.Path, *, step: int):
        """Continues at `step`: rows beyond it were never checkpointed and are dropped, they will be written again."""
        import tensorboardX  # takes most of a second, and only a training needs it

        workdir.mkdir(parents=True, exist_ok=True)
        self._path = workdir / "metrics.jsonl"
        rows = [row for row in read_metrics(self._path) if row["step"] <= step]
        part = self._path.with_name("metrics.jsonl.part")
        part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        part.replace(self._path)
        self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115 (open as long as the run)
        self._board = tensorboardX.SummaryWriter(str(workdir / "tensorboard"), purge_step=step + 1)

    def scalars(self, step: int, values: Mapping[str, Any], **labels: str) -> None:
        """One row: `{"step": step, **labels, **values}`; nested values get names joined by slashes."""
        flat = flatten(values)
        self._file.write(json.dumps({"step": step, **labels, **flat}) + "\n")
        self._file.flush()
        for name, value in flat.items():
            self._board.add_scalar("/".join([*labels.values(), name]), value, step)

    def pictures(self, step: int, pictures: Mapping[str, np.ndarray]) -> None:
        """uint8 pictures [b h w 3] by name."""
        for name, batch in pictures.items():
            self._board.add_images(name, batch, step, dataformats="NHWC")
        self._board.flush()

    def close(self) -> None:
        """Writes what is left."""
        self._file.close()
        self._board.close()


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
    """The whole rows of a metrics.jsonl; a last line that a crash cut short is left out. [] without a file."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows
