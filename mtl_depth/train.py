"""Training: one visible loop around a jitted step."""

import dataclasses
import functools
import json
import math
import pathlib
import signal
from collections.abc import Iterator
from typing import Any

import jax

from mtl_depth import config as configuration
from mtl_depth import data, inference, pretrained
from mtl_depth.errors import UserError
from mtl_depth.learning import balance as balances
from mtl_depth.learning import state as states
from mtl_depth.learning.optimizer import make_optimizer, schedule
from mtl_depth.learning.step import make_train_step
from mtl_depth.runtime import log
from mtl_depth.runtime.checkpoint import Checkpoints
from mtl_depth.runtime.parallel import Devices, prefetch
from mtl_depth.tasks import assemble

# May change between two parts of a run: they say where and how, not what.
FREE_DATA_SETTINGS = ("manual_dir", "data_dir", "threads", "workers", "eval_frames")


def run(config: configuration.Config, workdir: pathlib.Path) -> None:
    """Trains until the last step, from the newest checkpoint in `workdir` if there is one, and evaluates.

    Raises:
        UserError: a setting that cannot work, a data set that is not there, a folder that holds another run.
    """
    train = config.train
    if config.weights:
        raise UserError("config.weights cannot be trained; to start from weights, set config.model.encoder_weights.")
    devices = Devices(train.devices)
    devices.check_batch(train.batch_size)
    check_settings(config)
    balance = balances.make(train.balance, config.tasks)
    network, tasks = assemble(config.model, balance.tasks)
    network = network.clone(gradient_scales=tuple(balance.scales.items()))
    reads = frozenset().union(*(task.reads for task in tasks))
    dataset = data.open_dataset(config.data)
    clips = len(data.clips(dataset, config.data, split="train", reads=reads))
    if not clips:
        raise UserError(f"The data set in {config.data.data_dir} has no training clip with {', '.join(sorted(reads))}.")
    steps = train.steps if train.steps is not None else train.epochs * math.ceil(clips / train.batch_size)
    claim_workdir(config, workdir)

    sections = {field.name: getattr(config.tasks, field.name) for field in dataclasses.fields(config.tasks)}
    multipliers = {task.name: sections[task.name].learning_rate_multiplier for task in tasks}
    optimizer = make_optimizer(train, steps=steps, head_multipliers=multipliers)
    checkpoints = Checkpoints(workdir / "checkpoints", keep=train.keep_checkpoints)
    state, start = _start(config, network, optimizer, checkpoints, devices, balance.params)
    board = log.Log(workdir, step=start)
    train_step = make_train_step(network, tasks, optimizer, augmented=train.augment, weigh=balance.weigh)
    step_fn = devices.parallelize(train_step)
    rate = schedule(train, steps=steps)
    batches = prefetch(
        data.train_batches(
            dataset, config.data, reads=reads, batch_size=train.batch_size, seed=train.seed, start=start,
            process_index=jax.process_index(), process_count=jax.process_count(),
        ),
        lambda batch: (batch, devices.place_batch(batch)),
    )  # fmt: skip
    perceive = inference.make_perceive(network, tasks)
    studied = functools.cache(lambda: inference.study(tasks, dataset, config.data))

    def evaluate(state: states.TrainState) -> dict[str, Any]:
        variables = devices.first_copy({"params": state.params, "batch_stats": state.batch_stats})
        return inference.measure(
            functools.partial(perceive, variables), tasks, dataset, config.data,
            split=config.evaluation.split, batch_size=config.evaluation.batch_size, studied=studied(),
            crop=config.tasks.depth.crop if config.tasks.depth else "",
        )  # fmt: skip

    log.say(
        f"{clips} clips, {steps} steps of {train.batch_size}, {len(devices)} {jax.devices()[0].platform} device(s)"
        + (f"; goes on at step {start}" if start else "")
    )
    metrics, evaluation = None, None
    with _stop_signals() as stop_asked, log.progress(total=steps, initial=start, desc="train", unit="step") as bar:
        for step in range(start + 1, steps + 1):
            host_batch, batch = next(batches)
            previous, (state, metrics) = metrics, step_fn(state, batch)
            _watch(previous, step - 1, bar)  # waits for the step before this one: the device always has one to do
            bar.update()
            last = step == steps or stop_asked()
            if step % train.log_every == 0 or step == steps:
                board.scalars(step, jax.device_get(metrics) | {"learning_rate": float(rate(step - 1))})
            if train.picture_every and step % train.picture_every == 0:
                board.pictures(step, _pictures(network, tasks, perceive, devices.first_copy(state), host_batch))
            if step == steps or (train.evaluate_every and step % train.evaluate_every == 0):
                evaluation = evaluate(state)
                board.scalars(step, {k: v for k, v in evaluation.items() if k != "frames"}, split=evaluation["split"])
            if last or step % train.checkpoint_every == 0 or evaluation is not None:
                abs_rel = (evaluation or {}).get("depth", {}).get("median_scaled", {}).get("abs_rel")
                checkpoints.save(step, state, abs_rel=abs_rel)
            if evaluation is not None:
                log.write_json(workdir / "evaluation.json", evaluation | {"step": step})
                evaluation = None
            if last:
                break
        else:
            step = start
    _watch(metrics, step, bar=None)
    batches.close()
    checkpoints.close()
    board.close()
    log.say(
        f"step {step} of {steps} saved in {workdir / 'checkpoints'}" + ("" if step == steps else "; run again to go on")
    )


def check_settings(config: configuration.Config) -> None:
    """Raises UserError for numbers that cannot work, before anything slow starts."""
    height, width = config.data.size if len(config.data.size) == 2 else (0, 0)
    if height < 32 or width < 32 or height % 32 or width % 32:
        raise UserError(
            f"config.data.size is {tuple(config.data.size)}; give height and width, each a multiple of 32, "
            "as in --config.data.size=192,640."
        )
    train = config.train
    for name in ("log_every", "checkpoint_every", "keep_checkpoints"):
        if getattr(train, name) < 1:
            raise UserError(f"config.train.{name} is {getattr(train, name)}; it must be at least 1.")
    if train.steps is not None and train.steps < 1:
        raise UserError(f"config.train.steps is {train.steps}; it must be at least 1, or None to count epochs.")
    if not train.learning_rate > 0:
        raise UserError(f"config.train.learning_rate is {train.learning_rate}; it must be positive.")


def claim_workdir(config: configuration.Config, workdir: pathlib.Path) -> None:
    """Saves the configuration, or checks that the run begun here is the same one.

    Raises:
        UserError: `workdir` holds a run whose model, tasks or data differ; the message names the fields.
    """
    path = workdir / "config.json"
    if path.exists():
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            raise UserError(f"{path} is damaged; restore it, or give another --workdir.") from None
        differing = [
            f"{name} ({before} there, {now} here)"
            for name, before, now in _differences(saved, json.loads(json.dumps(configuration.to_dict(config))))
        ]
        if differing:
            raise UserError(
                f"{workdir} holds a run with other settings: {'; '.join(differing)}. "
                "Give another --workdir, or the same settings."
            )
    log.write_json(path, configuration.to_dict(config))


def _differences(saved: dict[str, Any], wanted: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    def leaves(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
        if isinstance(tree, dict):
            for key, value in tree.items():
                yield from leaves(value, f"{name}.{key}")
        else:
            yield name, tree

    free = {f"config.data.{name}" for name in FREE_DATA_SETTINGS}
    for section in ("model", "tasks", "data"):
        before = dict(leaves(saved.get(section), f"config.{section}"))
        now = dict(leaves(wanted[section], f"config.{section}"))
        for name in sorted((before.keys() | now.keys()) - free):
            if before.get(name) != now.get(name):
                yield name, before.get(name), now.get(name)


def _start(
    config: configuration.Config,
    network: Any,
    optimizer: Any,
    checkpoints: Checkpoints,
    devices: Devices,
    further_params: dict[str, Any],
) -> tuple[states.TrainState, int]:
    """The newest checkpoint's state and step, or a fresh state and 0."""
    create = functools.partial(
        states.create, network=network, optimizer=optimizer, size=tuple(config.data.size),
        frames=config.data.clip_length, further_params=further_params,
    )  # fmt: skip
    state = jax.jit(create)(jax.random.key(config.train.seed))
    step = checkpoints.latest()
    if step is not None:
        return devices.place_state(checkpoints.restore(step, state)), step
    path, reason = pretrained.resolve_weights(config.model.encoder_weights)
    if path is None:
        log.say(
            f"The encoder starts from random weights ({reason}); expect a larger error: "
            "without ImageNet weights the original's Abs Rel was 0.132 instead of 0.115."
        )
    else:
        variables = {"params": state.params, "batch_stats": state.batch_stats}
        variables = pretrained.initialise_encoder(variables, pretrained.load_resnet(path))
        state = states.from_variables(state.key, variables, optimizer)
    return devices.place_state(state), 0


def _watch(metrics: dict[str, jax.Array] | None, step: int, bar: Any) -> None:
    """Waits for a step, shows its loss, and raises UserError if training has broken down."""
    if metrics is None:
        return
    loss = float(metrics["loss"])
    if not math.isfinite(loss):
        raise UserError(
            f"The loss is {loss} at step {step}: training has broken down. Lower config.train.learning_rate or set "
            "config.train.clip_norm; the last checkpoint is from before and the same command goes on from it."
        )
    if bar is not None:
        bar.set_postfix(loss=f"{loss:.4f}", refresh=False)


def _pictures(
    network: Any, tasks: tuple[Any, ...], perceive: Any, state: states.TrainState, batch: dict[str, Any]
) -> dict[str, Any]:
    """What the first samples of a batch look like to the network now."""
    few = {name: array[:2] for name, array in batch.items()}
    few["image"] = few["image"].astype("float32") / 255
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    outputs = dict(perceive(variables, few["image"][:, few["image"].shape[1] // 2]))
    if any(task.predicts_motion for task in tasks):
        outputs |= jax.jit(functools.partial(network.apply, train=False))(variables, few["image"])
    outputs = jax.device_get(outputs)
    shown = {"input": (few["image"][:, few["image"].shape[1] // 2] * 255).astype("uint8")}
    for task in tasks:
        shown |= task.pictures(outputs, few)
    return shown


class _stop_signals:
    """Turns SIGTERM and the first Ctrl-C into a request that the loop meets; a second Ctrl-C leaves at once."""

    def __enter__(self) -> Any:
        self._asked = False

        def ask(number: int, frame: Any) -> None:
            if self._asked:
                raise KeyboardInterrupt
            self._asked = True
            log.say(f"{signal.Signals(number).name}: saving, then leaving")

        self._before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return lambda: self._asked

    def __exit__(self, *error: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
