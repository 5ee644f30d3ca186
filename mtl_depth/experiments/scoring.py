"""The results of one run of the study: its scores on both streets, and its training time."""

import dataclasses
import json
import pathlib
from typing import Any

from mtl_depth import data, inference
from mtl_depth.commands import predict
from mtl_depth.evaluation import evaluator
from mtl_depth.experiments.variants import HELD_OUT_SPLIT
from mtl_depth.runtime import log, strict_json

HELD_OUT, VALIDATION, SECONDS = "held_out.json", "evaluation.json", "seconds.json"


def score(folder: pathlib.Path, held_out_dir: pathlib.Path) -> None:
    """Scores a finished run on the held-out street, unless that is done: `held_out.json`, and a figure."""
    if (folder / HELD_OUT).exists():
        return
    perceiver = inference.load_perceiver(folder)
    config, tasks = perceiver.config, perceiver.tasks
    street = dataclasses.replace(config.data, data_dir=str(held_out_dir), train_frames=0)
    result = evaluator.measure(
        perceiver.answer, tasks, data.open_dataset(street), street,
        split=HELD_OUT_SPLIT, batch_size=config.evaluation.batch_size,
        studied=evaluator.study(tasks, data.open_dataset(config.data), config.data),
    )  # fmt: skip
    evaluation = dataclasses.replace(config.evaluation, split=HELD_OUT_SPLIT)
    predict.run(dataclasses.replace(config, data=street, evaluation=evaluation), folder, None, folder / "pictures")
    log.write_json(folder / HELD_OUT, result)


def read(folder: pathlib.Path, name: str) -> dict[str, Any] | None:
    """The content of one of the three files of a run, or None if it does not exist."""
    path = folder / name
    return strict_json.decoded(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def add_seconds(folder: pathlib.Path, seconds: float) -> None:
    """Adds the time of one piece of a training."""
    before = read(folder, SECONDS) or {"seconds": 0.0, "pieces": 0}
    log.write_json(folder / SECONDS, {"seconds": before["seconds"] + seconds, "pieces": before["pieces"] + 1})
