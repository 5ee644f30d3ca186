"""Settings at their boundaries, in a table: what was given, and the sentence that has to meet it."""

from collections.abc import Callable
from typing import Any

import command_line
import fake_run
import numpy as np
import pytest
from edges.run_case import Case, check

from mtl_depth import config as configuration
from mtl_depth import data

# 1. Every boundary of a number, said before the data set is opened: there is none here.
SETTINGS = """
    train.batch_size 0 -1 99999999999
    train.accumulate 0 -2
    train.steps 0 -5 99999999999
    train.epochs 0
    train.learning_rate nan inf 0.0 -1e-4
    train.drop_after 1.5 nan
    train.drop_factor -1.0
    train.warmup_steps -1
    train.clip_norm 0.0 nan
    train.picture_every -1
    train.evaluate_every -1
    train.checkpoint_every 0
    train.keep_checkpoints 0
    train.max_skipped -1
    train.devices -1
    train.seed 99999999999999999999
    train.encoder_multiplier -1.0
    train.pose_multiplier nan
    train.reference_batch -1
    evaluation.batch_size 0 -1 1000000000
    data.threads -1 1000000
    data.workers -1 1000000
    data.stride 0 99999999999
    data.clip_length 0 1000001
    data.train_frames -1
    data.eval_frames -1
    data.size 0,640 64,1000000 64,96,3
    model.width nan inf -1.0
    tasks.depth.weight nan -1.0
    tasks.depth.nearest 0.0
    tasks.depth.farthest nan inf
    tasks.depth.initial_depth -3.0
    tasks.depth.learning_rate_multiplier nan
    tasks.depth.translation_weight -0.1
"""


def setting(name: str, value: str) -> Case:
    def done(at, patch):
        return command_line.run(
            "--config=configs/tiny.py:depth", f"--workdir={at / 'run'}", f"--config.data.data_dir={at / 'none'}",
            f"--config.{name}={value}",
        )  # fmt: skip

    return Case("1 a number at its boundary", f"{name}={value}", done, (f"error: config.{name} is",))


CASES = [setting(line.split()[0], value) for line in SETTINGS.strip().splitlines() for value in line.split()[1:]]


def config_file(**values: Any) -> Callable[..., Any]:
    """A configuration written in Python, whose values no flag has checked."""

    def done(at, patch):
        made = fake_run.config("depth")
        for name, value in values.items():
            section, field = name.split("__")
            setattr(getattr(made, section), field, value)
        sentence = getattr(configuration, "fault", lambda _: None)(made)
        return sentence or "accepted"

    return done


CASES += [
    Case(
        "1 a value of another type", "batch_size='8'", config_file(train__batch_size="8"), ("train.batch_size is '8'",)
    ),
    Case("1 a value of another type", "batch_size=True", config_file(train__batch_size=True), ("train.batch_size is",)),
    Case("1 a value of another type", "batch_size=8.0", config_file(train__batch_size=8.0), ("a whole number",)),
    Case("1 a value of another type", "size=64", config_file(data__size=64), ("data.size is 64", "2 numbers")),
    Case("1 a value of another type", "augment='no'", config_file(train__augment="no"), ("True or False",)),
    Case("1 a value of another type", "depth=True", config_file(tasks__depth=True), ("tasks.depth is True",)),
    Case("1 a value of another type", "learning_rate=1", config_file(train__learning_rate=1), ("accepted",)),
    Case("1 empty where it may be", "steps=None", config_file(train__steps=None), ("accepted",)),
    Case("1 empty where it may not be", "epochs=None", config_file(train__epochs=None), ("train.epochs is None",)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_edges(case, tmp_path, monkeypatch, capsys):
    check(case, tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize(("batch_size", "processes"), [(1, 1), (2, 2), (4, 4), (2, 1)])
def test_a_share_of_one_clip(built_city, batch_size, processes):
    """Batches of a process that gets a clip or two of each, beside those of the batch as a whole."""
    section = configuration.Data(data_dir=str(built_city), size=(64, 96), threads=1)
    opened, reads = data.open_dataset(section), frozenset()
    share = {"reads": reads, "batch_size": batch_size, "seed": 3}
    whole = next(data.train_batches(opened, section, **share | {"batch_size": 4}))["frame"]
    seen = [
        next(data.train_batches(opened, section, **share, process_index=index, process_count=processes))["frame"]
        for index in range(processes)
    ]
    assert np.concatenate(seen).tolist() == whole[:batch_size].tolist()


def test_every_number_has_its_bounds():
    from mtl_depth.bounds import BOUNDS
    from mtl_depth.commands import help_text

    numbers = {
        f"{prefix}.{field.name}".removeprefix("config.")
        for prefix, section in help_text.sections()
        for field in configuration.dataclasses.fields(section)
        if any(kind in str(field.type) for kind in ("int", "float"))
    }
    assert numbers == BOUNDS.keys()
