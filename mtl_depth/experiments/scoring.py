"""What is known of one run of the study: its scores on the streets, and the time it took."""

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any

from mtl_depth import data, inference
from mtl_depth.commands import predict
from mtl_depth.evaluation import evaluator
from mtl_depth.experiments.variants import HELD_OUT_SPLIT
from mtl_depth.runtime import log, strict_json

HELD_OUT, VALIDATION, SECONDS = "held_out.json", "evaluation.json", "seconds.json"


def score(folder: pathlib.Path, streets: Sequence[pathlib.Path]) -> None:
    """Scores a finished run on the held-out streets, unless that is done: `held_out.json`, and a figure of the first.

    The scores are the mean over the streets; `streets` in the file holds those of each.
    """
    if (folder / HELD_OUT).exists():
        return
    perceiver = inference.load_perceiver(folder)
    config, tasks = perceiver.config, perceiver.tasks
    studied = evaluator.study(tasks, data.open_dataset(config.data), config.data)
    scored = []
    for held_out in streets:
        street = dataclasses.replace(config.data, data_dir=str(held_out), train_frames=0)
        scored.append(
            evaluator.measure(
                perceiver.answer, tasks, data.open_dataset(street), street,
                split=HELD_OUT_SPLIT, batch_size=config.evaluation.batch_size, studied=studied,
            )
        )  # fmt: skip
    first = dataclasses.replace(config.data, data_dir=str(streets[0]), train_frames=0)
    evaluation = dataclasses.replace(config.evaluation, split=HELD_OUT_SPLIT)
    predict.run(dataclasses.replace(config, data=first, evaluation=evaluation), folder, None, folder / "pictures")
    log.write_json(folder / HELD_OUT, {**average(scored), "streets": scored})


def average(scored: Sequence[Any]) -> Any:
    """The mean of every number over streets, those without it left out; what is no number is that of the first."""
    if isinstance(scored[0], dict):
        keys = dict.fromkeys(key for one in scored for key in one)
        return {key: average([one[key] for one in scored if key in one]) for key in keys}
    numbers = [one for one in scored if isinstance(one, int | float) and not isinstance(one, bool)]
    return sum(numbers) / len(numbers) if len(numbers) == len(scored) else scored[0]


def read(folder: pathlib.Path, name: str) -> dict[str, Any] | None:
    """The content of one of the three files of a run, or None if it does not exist."""
    path = folder / name
    return strict_json.decoded(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def add_seconds(folder: pathlib.Path, seconds: float) -> None:
    """Adds the time of one piece of a training."""
    before = read(folder, SECONDS) or {"seconds": 0.0, "pieces": 0}
    log.write_json(folder / SECONDS, {"seconds": before["seconds"] + seconds, "pieces": before["pieces"] + 1})
