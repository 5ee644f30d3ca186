"""What training needs before its first step: valid settings, clips, and the initial state."""

import functools
import math
import pathlib
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from mtl_depth import config as configuration
from mtl_depth import data, inference, pretrained
from mtl_depth.commands import dataset_defaults
from mtl_depth.errors import UserError
from mtl_depth.evaluation import evaluator
from mtl_depth.runtime import log, settings, trace
from mtl_depth.runtime.checkpoint import Checkpoints
from mtl_depth.runtime.devices import Devices, agree_on, broadcast
from mtl_depth.training import initial
from mtl_depth.training import state as states
from mtl_depth.training.assembly import Assembly, assemble_run
from mtl_depth.training.optimizer import learning_rate, rates


class Plan(NamedTuple):
    """A training that can begin.

    Attributes:
        config: all settings, those that were inherited or taken from the data set included.
        given: the network whose weights it starts from, if any.
        devices: of this process.
        assembly: what the settings become.
        dataset: the opened data set.
        clips: how many there are to train on.
        steps: length of the run.
    """

    config: configuration.Config
    given: inference.Perceiver | None
    devices: Devices
    assembly: Assembly
    dataset: data.Dataset
    clips: int
    steps: int


def plan(config: configuration.Config, workdir: pathlib.Path, *, typed: Collection[str] | None) -> Plan:
    """Checks everything that can be checked before the first step, and writes nothing.

    Args:
        config: as it was given.
        workdir: folder of the run.
        typed: settings of the command line; what it leaves open is taken from the data set. None: nothing is.

    Raises:
        UserError: a setting that cannot work, or a data set that is not there or has no clip to train on.
    """
    given = inference.load_perceiver(config.initial_weights) if config.initial_weights else None
    config = config if given is None else initial.inherit(config, given.config)
    devices = Devices(config.train.devices)
    check_settings(config, devices)
    assembly = assemble_run(config)  # mistakes in the settings are reported before those of the data set
    if typed is not None:
        config = dataset_defaults.adopt(config, workdir, typed=typed)
        assembly = assemble_run(config)
    dataset = data.open_dataset(config.data)
    clips = count_clips(config, dataset, assembly.reads)
    return Plan(config, given, devices, assembly, dataset, clips, count_steps(config.train, clips))


def check_settings(config: configuration.Config, devices: Devices) -> None:
    """Raises UserError for settings that cannot work together, before anything slow starts."""
    if config.weights:
        raise UserError("config.weights cannot be trained; to start from weights, set config.model.encoder_weights.")
    settings.check(config)
    trace.parse(config.train.profile)
    evaluator.check_split(config.evaluation.split)
    devices.check_batch(config.train.batch_size, parts=config.train.accumulate)
    if any(side % 32 for side in config.data.size):
        raise UserError(
            f"config.data.size is {tuple(config.data.size)}; give height and width, each a multiple of 32, "
            "as in --config.data.size=192,640."
        )
    if config.tasks.depth is not None and config.data.clip_length == 1:
        raise UserError(
            "config.data.clip_length is 1, but depth is learned from neighbouring frames; choose an odd number above 1."
        )


def count_clips(config: configuration.Config, dataset: data.Dataset, reads: frozenset[str]) -> int:
    """The number of training clips. Raises UserError if there are none."""
    clips = len(data.clips(dataset, config.data, split="train", reads=reads))
    if not clips:
        why = data.why_no_clip(dataset, config.data, split="train", reads=reads)
        raise UserError(f"The data set in {config.data.data_dir} has no training clip: {why}.")
    return clips


def clips_sentence(config: configuration.Config, dataset: data.Dataset, reads: frozenset[str], clips: int) -> str:
    """States the number of clips, and how many are left out for lack of a pose or a right image."""
    unread = reads - {"source_from_target", "image_right"}
    lacking = len(data.clips(dataset, config.data, split="train", reads=unread)) - clips
    more = f" ({lacking} more lack a pose or the right image)" if lacking > 0 else ""
    return f"{clips} training clips in {config.data.data_dir}{more}"


def count_steps(train: configuration.Train, clips: int) -> int:
    """The number of steps of a run, from its steps or its epochs."""
    return train.steps if train.steps is not None else train.epochs * math.ceil(clips / train.batch_size)


def rate_at(train: configuration.Train, steps: int, step: int) -> float:
    """The learning rate of the update that follows `step` updates, in a run of `steps`."""
    return float(learning_rate(step, rates(train, steps=steps)))


def host_batches(
    config: configuration.Config, dataset: data.Dataset, reads: frozenset[str], *, start: int
) -> Iterator[dict[str, np.ndarray]]:
    """This process's share of every batch from `start` on, one part after another where gradients are accumulated."""
    parts = config.train.accumulate
    batches = data.train_batches(
        dataset, config.data, reads=reads, batch_size=config.train.batch_size // parts, seed=config.train.seed,
        start=start * parts, process_index=jax.process_index(), process_count=jax.process_count(),
    )  # fmt: skip
    if parts == 1:
        return batches
    join = functools.partial(jax.tree.map, lambda *arrays: np.concatenate(arrays))
    return (join(*group) for group in zip(*[batches] * parts))


def first_state(
    assembly: Assembly, checkpoints: Checkpoints, given: inference.Perceiver | None = None
) -> tuple[states.TrainState, int]:
    """The state and step of the newest checkpoint, or a new state and 0, the same on all processes.

    A new state starts from the weights of `given` as far as they fit, or else from those of the encoder.
    """
    key, step = jax.random.key(assembly.config.train.seed), agree_on(lambda: checkpoints.newest() or 0)
    if step:
        return checkpoints.restore(step, assembly.shapes()._replace(key=key)), step
    state = jax.jit(assembly.create)(key)
    model = assembly.config.model
    variables: dict[str, Any] = {"params": state.params, "batch_stats": state.batch_stats}

    def load() -> bool:
        nonlocal variables
        if given is not None:
            source = assembly.config.initial_weights
            variables, fresh = initial.start_from(variables, given.variables, source=source)
            if "pose" in fresh and "encoder" not in fresh:  # better than random weights for the pose network
                encoder = {name: tree["encoder"] for name, tree in variables.items() if "encoder" in tree}
                variables = pretrained.initialise_encoder(variables, encoder)
            named = [
                f"{part} (except its encoder)" if part == "pose" and "encoder" not in fresh else part for part in fresh
            ]
            rest = f"; these parts start from random weights: {', '.join(named)}" if fresh else ""
            log.say(f"Training starts from {source}{rest}.")
            return True
        path, reason = pretrained.resolve_weights(model.encoder_weights, model.encoder)
        if path is None:
            log.say(
                f"The encoder starts from random weights ({reason}); expect a larger error: "
                "without ImageNet weights Monodepth2's Abs Rel was 0.132 instead of 0.115."
            )
            return False
        variables = pretrained.initialise_encoder(variables, pretrained.load_encoder(path, model.encoder))
        return True

    if agree_on(load):
        state = states.from_variables(state.key, broadcast(variables), assembly.optimizer)
    return state, 0


def lacks_evaluation(checkpoints: Checkpoints, step: int) -> bool:
    """Whether a run was stopped between the checkpoint of `step` and its evaluation."""
    return bool(agree_on(lambda: bool(step) and "evaluated" not in checkpoints.notes(step)))
