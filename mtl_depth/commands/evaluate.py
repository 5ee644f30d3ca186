"""`--mode=evaluate`: scores a run, or published weights, on a split of a built data set."""

import dataclasses
import pathlib
from typing import Any

from mtl_depth import data as dataset_reader
from mtl_depth import inference
from mtl_depth.config import Config, Tasks, to_dict
from mtl_depth.errors import UserError
from mtl_depth.evaluation import evaluator, model_card, odometry, score_tables
from mtl_depth.prediction.predictor import flip_of
from mtl_depth.runtime import disk, log, record
from mtl_depth.runtime.devices import Devices
from mtl_depth.tasks import assemble


def run(config: Config, workdir: str | pathlib.Path) -> dict[str, Any]:
    """Prints the scores next to those of trivial predictors and saves them as `workdir`/evaluation.json.

    The model, its tasks and the size of its pictures are those of the run, regardless of `config`; the data set, the
    frames, the split, the crop and the flip are taken from `config`.

    Returns:
        The saved content.

    Raises:
        UserError: no run or weights, no data set, or a split without truth.
    """
    workdir = pathlib.Path(workdir)
    if config.weights and (workdir / "checkpoints").exists():
        raise UserError(
            f"{workdir} already holds a training run; evaluate the weights {config.weights} in another --workdir, "
            "or leave out --config.weights."
        )
    evaluation = config.evaluation
    perceiver = inference.load_perceiver(
        config.weights or workdir, checkpoint=evaluation.checkpoint, flip=flip_of(config)
    )
    if perceiver.program is not None:
        raise UserError(
            f"{config.weights or workdir} is an exported program; evaluate the run that it came from, or score it on "
            "pictures of your own with --input and --truth."
        )
    for name, theirs, ours in other_heads(perceiver.config.tasks, config.tasks):
        raise UserError(
            f"{config.weights or workdir} was trained with config.tasks.{name}.head={theirs!r}, not {ours!r}; set "
            "that one, or give the --workdir of a run with the other."
        )
    differing = differences(perceiver.config, config)
    if config.weights:
        log.say(f"{config.weights}: {perceiver.config.model.encoder} for pictures of {_sides(perceiver.size)}.")
    elif differing:
        log.say(f"As trained, not as in --config: {', '.join(differing)}.")
    disk.check_writable(workdir)
    data = dataclasses.replace(config.data, size=perceiver.size)
    _, tasks = assemble(perceiver.config.model, with_crop(perceiver.config.tasks, config.tasks))
    dataset = dataset_reader.open_dataset(data)
    devices = Devices()
    result = evaluator.measure(
        perceiver.on(devices).answer, tasks, dataset, data, split=evaluation.split, batch_size=evaluation.batch_size,
        devices=devices,
    )  # fmt: skip
    result |= {"recipe": evaluator.recipe(config.tasks, flip=perceiver.flip)}
    if perceiver.network is not None and perceiver.network.pose is not None:
        motion = odometry.measure(
            perceiver.motion, dataset, data, split=evaluation.split, batch_size=evaluation.batch_size
        )
        result |= {"odometry": motion} if motion else {}
    if not config.weights:
        result |= {"checkpoint": evaluation.checkpoint}
    score_tables.show(score_tables.summary(result))  # before it is written, which may fail
    if config.weights:
        weights = str(pathlib.Path(config.weights).resolve())
        scored = dataclasses.replace(perceiver.config, data=data, evaluation=evaluation, weights=weights)
        record.write(workdir / "config.json", to_dict(scored))
    record.write(workdir / "evaluation.json", result)
    model_card.write(workdir, metadata=dataset.metadata, splits=dataset.splits)
    log.say(f"saved in {workdir / 'evaluation.json'}")
    return result


def differences(trained: Config, given: Config) -> list[str]:
    """Names of the settings of model, tasks and size in which two configurations differ."""
    trained, given = to_dict(trained), to_dict(given)
    names = sorted(
        f"{section}.{name}"
        for section in ("model", "tasks")
        for name in trained[section].keys() - {"encoder_weights"}
        if _comparable(trained[section][name]) != _comparable(given[section][name])
    )
    return names + ["data.size"] * (tuple(trained["data"]["size"]) != tuple(given["data"]["size"]))


def other_heads(trained: Tasks, given: Tasks) -> list[tuple[str, str, str]]:
    """(task, head of the run, requested head) of the tasks that both have with different heads."""
    heads = [
        (field.name, *(getattr(getattr(tasks, field.name), "head", "") for tasks in (trained, given)))
        for field in dataclasses.fields(Tasks)
        if getattr(trained, field.name) is not None and getattr(given, field.name) is not None
    ]
    return [entry for entry in heads if entry[1] != entry[2]]


def _sides(size: tuple[int, int]) -> str:
    return "x".join(map(str, size))


def _comparable(value: Any) -> Any:
    """A task's section without what `run` takes from the given configuration anyway."""
    return {name: entry for name, entry in value.items() if name != "crop"} if isinstance(value, dict) else value


def with_crop(trained: Tasks, given: Tasks) -> Tasks:
    """The trained tasks, with depth scored inside the crop of the given ones."""
    if trained.depth is None or given.depth is None:
        return trained
    return dataclasses.replace(trained, depth=dataclasses.replace(trained.depth, crop=given.depth.crop))
