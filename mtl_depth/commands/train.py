"""Training: one visible loop around a jitted step."""

import contextlib
import functools
import itertools
import math
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import jax

from mtl_depth import config as configuration
from mtl_depth import data, inference, pretrained
from mtl_depth.errors import UserError
from mtl_depth.evaluation import evaluator, model_card
from mtl_depth.models.camera import describe
from mtl_depth.prediction import predictor
from mtl_depth.runtime import disk, input_wait, lock, log, replay_file, run_identity
from mtl_depth.runtime.checkpoint import Checkpoints
from mtl_depth.runtime.devices import Devices, agree_on, gather, prefetch
from mtl_depth.runtime.signals import stop_requests
from mtl_depth.tasks import assemble
from mtl_depth.training import balance as balances
from mtl_depth.training import initial, monitor
from mtl_depth.training import state as states
from mtl_depth.training.augment import augment
from mtl_depth.training.optimizer import make_optimizer, schedule
from mtl_depth.training.step import make_train_step


def run(config: configuration.Config, workdir: pathlib.Path) -> None:
    """Trains until the last step, from the newest checkpoint in `workdir` if there is one, and evaluates.

    Raises:
        UserError: a setting that cannot work, a data set that is not there, a folder that holds another run or that
            another process trains in, a full disk, or too many losses or gradients in a row that are not finite.
    """
    given = inference.load_perceiver(config.initial_weights) if config.initial_weights else None
    if given is not None:
        config = initial.inherit(config, given.config)
    train = config.train
    devices = Devices(train.devices)
    check_settings(config, devices)
    balance = balances.make(train.balance, config.tasks)
    network, tasks = assemble(config.model, balance.tasks, config.camera)
    network = network.clone(gradient_scales=tuple(balance.scales.items()))
    reads = frozenset().union(*(task.reads for task in tasks))
    dataset = data.open_dataset(config.data)
    clips = len(data.clips(dataset, config.data, split="train", reads=reads))
    if not clips:
        way_out = "choose tasks that it has truth for, or give another --config.data.data_dir"
        if "source_from_target" in reads:
            way_out = "without poses, set --config.tasks.depth.motion=predicted"
        raise UserError(
            f"The data set in {config.data.data_dir} has no training clip with {', '.join(sorted(reads))}; {way_out}."
        )
    steps = train.steps if train.steps is not None else train.epochs * math.ceil(clips / train.batch_size)
    writes = jax.process_index() == 0  # of several processes one writes
    if writes:  # at once: restoring and compiling take some seconds
        unread = reads - {"source_from_target", "image_right"}
        lacking = len(data.clips(dataset, config.data, split="train", reads=unread)) - clips
        log.say(
            f"{clips} training clips in {config.data.data_dir}"
            + (f" ({lacking} more lack a pose or the right image)" if lacking > 0 else "")
            + f"; the run is {workdir}"
        )
    optimizer = make_optimizer(train, steps=steps, head_multipliers=_head_multipliers(config, tasks))
    with contextlib.ExitStack() as stack:
        stack.enter_context(disk.full_disk_is_said(workdir))
        stop_asked = stack.enter_context(stop_requests())
        if writes:
            stack.enter_context(lock.only_writer(workdir))
            run_identity.claim(workdir, config, dataset, clips=clips)
        checkpoints = Checkpoints(workdir / "checkpoints", keep=train.keep_checkpoints, writes=writes)
        stack.callback(checkpoints.close)
        state, start = _start(config, network, optimizer, checkpoints, balance.params, given)
        board = log.Log(workdir, step=start) if writes else log.Silent()
        stack.callback(board.close)
        watch = monitor.Watch(
            tasks, row=board.row, say=board.say, max_skipped=train.max_skipped, in_row=int(state.skipped_in_row)
        )
        state = devices.place_state(state)
        train_step = make_train_step(
            network, tasks, optimizer, augmented=train.augment,
            augmentation=functools.partial(augment, zoom=train.zoom, exposure=train.exposure),
            weigh=balance.weigh, rematerialise=train.rematerialise,
        )  # fmt: skip
        step_fn = devices.parallelize(train_step)
        rate = schedule(train, steps=steps)
        focal = dataset.metadata["intrinsics"][0][0] * config.data.size[1] / dataset.size[1]  # pixels, as given
        batches = prefetch(
            _host_batches(config, dataset, reads, start=start),
            lambda batch: (batch, jax.tree.map(devices.place_batch, batch, is_leaf=lambda x: isinstance(x, dict))),
        )
        reading = {"threads": config.data.threads, "workers": config.data.workers}
        batches = input_wait.metered(batches, warn=lambda share: board.say(input_wait.advice(share, **reading)))
        stack.callback(batches.close)
        perceive = predictor.make_perceive(network, tasks, flip=predictor.flip_of(config))
        look = jax.jit(functools.partial(network.apply, train=False))
        evaluate = _make_evaluate(config, tasks, dataset, devices, perceive, progress=writes)
        if writes:
            log.say(
                f"{clips} clips, {steps} steps of {train.batch_size}, {len(devices) * jax.process_count()} "
                f"{jax.devices()[0].platform} device(s)" + (f"; goes on at step {start}" if start else "")
            )
        bar = log.progress(total=steps, initial=start, desc="train", unit="step", disable=None if writes else True)
        stop, step = devices.any_process(), start
        with bar:
            while step < steps and not stop(stop_asked()):
                step += 1
                host_batch, batch = next(batches)
                state, metrics = step_fn(state, batch)
                logs = step % train.log_every == 0 or step == steps
                evaluates = step == steps or (train.evaluate_every and step % train.evaluate_every == 0)
                saves = evaluates or step % train.checkpoint_every == 0
                try:
                    loss = watch.follow(step, metrics, host_batch, now=bool(logs or saves))
                except monitor.Broken as broken:
                    _leave_evidence(config, workdir, state, broken, checkpoints, board, writes=writes)
                if loss is not None:
                    bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                bar.update()
                if logs:
                    values = jax.device_get(metrics)
                    taken = max(step - 1 - int(values["skipped"]), 0)
                    camera = describe(state.params, focal, width=config.data.size[1])
                    board.scalars(step, values | {"learning_rate": float(rate(taken))} | camera)
                    watch.look(step, values)
                if train.picture_every and step % train.picture_every == 0:
                    board.pictures(step, _pictures(look, tasks, perceive, devices.first_copy(state), host_batch))
                evaluation = evaluate(state) if evaluates else {}
                if evaluation:
                    rows = {k: v for k, v in evaluation.items() if k != "frames"}
                    board.scalars(step, rows, split=evaluation["split"])
                    if writes:
                        log.write_json(workdir / "evaluation.json", evaluation | {"step": step})
                if saves:  # last, so that a checkpoint is never there without the rows before it
                    board.sync()
                    abs_rel = evaluation.get("depth", {}).get("median_scaled", {}).get("abs_rel")
                    checkpoints.save(step, state, abs_rel=abs_rel)
        watch.settle()
        if step > start:
            board.sync()
            checkpoints.save(step, state)
            checkpoints.wait()
    if writes:
        model_card.write(workdir, metadata=dataset.metadata, splits=dataset.splits)
        log.say(
            f"step {step} of {steps} saved in {workdir / 'checkpoints'}"
            + ("" if step == steps else "; run again to go on")
        )


def check_settings(config: configuration.Config, devices: Devices) -> None:
    """Raises UserError for numbers that cannot work, before anything slow starts."""
    if config.weights:
        raise UserError("config.weights cannot be trained; to start from weights, set config.model.encoder_weights.")
    train = config.train
    for name in ("log_every", "checkpoint_every", "keep_checkpoints", "accumulate"):
        if getattr(train, name) < 1:
            raise UserError(f"config.train.{name} is {getattr(train, name)}; it must be at least 1.")
    for name in ("max_skipped", "reference_batch"):
        if getattr(train, name) < 0:
            raise UserError(f"config.train.{name} is {getattr(train, name)}; it must be at least 0.")
    devices.check_batch(train.batch_size, parts=train.accumulate)
    height, width = config.data.size if len(config.data.size) == 2 else (0, 0)
    if height < 32 or width < 32 or height % 32 or width % 32:
        raise UserError(
            f"config.data.size is {tuple(config.data.size)}; give height and width, each a multiple of 32, "
            "as in --config.data.size=192,640."
        )
    if config.tasks.depth is not None and config.data.clip_length == 1:
        raise UserError(
            "config.data.clip_length is 1, but depth is learned from neighbouring frames; choose an odd number above 1."
        )
    if train.steps is not None and train.steps < 1:
        raise UserError(f"config.train.steps is {train.steps}; it must be at least 1, or None to count epochs.")
    if not train.learning_rate > 0:
        raise UserError(f"config.train.learning_rate is {train.learning_rate}; it must be positive.")


def _head_multipliers(config: configuration.Config, tasks: tuple[Any, ...]) -> dict[str, float]:
    return {task.name: getattr(config.tasks, task.name).learning_rate_multiplier for task in tasks}


def _host_batches(
    config: configuration.Config, dataset: data.Dataset, reads: frozenset[str], *, start: int
) -> Iterator[Any]:
    """This process's share of every batch from `start` on; with gradients accumulated, a tuple of its parts."""
    parts = config.train.accumulate
    batches = data.train_batches(
        dataset, config.data, reads=reads, batch_size=config.train.batch_size // parts, seed=config.train.seed,
        start=start * parts, process_index=jax.process_index(), process_count=jax.process_count(),
    )  # fmt: skip
    return batches if parts == 1 else iter(lambda: tuple(itertools.islice(batches, parts)), ())


def _start(
    config: configuration.Config,
    network: Any,
    optimizer: Any,
    checkpoints: Checkpoints,
    further_params: dict[str, Any],
    given: inference.Perceiver | None,
) -> tuple[states.TrainState, int]:
    """The newest checkpoint's state and step, or a fresh state and 0."""
    create = functools.partial(
        states.create, network=network, optimizer=optimizer, size=tuple(config.data.size),
        frames=config.data.clip_length, further_params=further_params,
    )  # fmt: skip
    state = jax.jit(create)(jax.random.key(config.train.seed))
    step = agree_on(lambda: checkpoints.newest() or 0)
    if step:
        return checkpoints.restore(step, state), step
    if given is not None:
        variables = {"params": state.params, "batch_stats": state.batch_stats}
        variables, fresh = initial.start_from(variables, given.variables, source=config.initial_weights)
        log.say(
            f"Training starts from {config.initial_weights}"
            + (f"; not in it, so from random weights: {', '.join(fresh)}." if fresh else ".")
        )
        return states.from_variables(state.key, variables, optimizer), 0
    path, reason = pretrained.resolve_weights(config.model.encoder_weights, config.model.encoder)
    if path is None:
        log.say(
            f"The encoder starts from random weights ({reason}); expect a larger error: "
            "without ImageNet weights the original's Abs Rel was 0.132 instead of 0.115."
        )
    else:
        variables = {"params": state.params, "batch_stats": state.batch_stats}
        variables = pretrained.initialise_encoder(variables, pretrained.load_encoder(path, config.model.encoder))
        state = states.from_variables(state.key, variables, optimizer)
    return state, 0


def _make_evaluate(
    config: configuration.Config, tasks: Any, dataset: Any, devices: Devices, perceive: Any, *, progress: bool
) -> Callable[[states.TrainState], dict[str, Any]]:
    """state -> the content of evaluation.json, {} if there is nothing to score against.

    Every process computes it, so that none waits for another.
    """
    truths = frozenset().union(*(task.metrics.reads for task in tasks))
    if not data.frames(dataset, config.data, split=config.evaluation.split, reads=truths):
        if progress:
            log.say(f"The split {config.evaluation.split} has no truth, so nothing is scored; look at the pictures.")
        return lambda state: {}
    studied = functools.cache(lambda: evaluator.study(tasks, dataset, config.data, progress=progress))

    def evaluate(state: states.TrainState) -> dict[str, Any]:
        variables = devices.first_copy({"params": state.params, "batch_stats": state.batch_stats})
        return evaluator.measure(
            functools.partial(perceive, variables), tasks, dataset, config.data,
            split=config.evaluation.split, batch_size=config.evaluation.batch_size, studied=studied(),
            crop=config.tasks.depth.crop if config.tasks.depth else "", flip=predictor.flip_of(config),
            progress=progress,
        )  # fmt: skip

    return evaluate


def _leave_evidence(
    config: configuration.Config, workdir: pathlib.Path, state: states.TrainState, broken: monitor.Broken,
    checkpoints: Checkpoints, board: log.Log, *, writes: bool,
) -> None:  # fmt: skip
    """Saves the last good state and what `--mode=replay` needs, and raises the UserError that says so."""
    before = state._replace(step=state.step - 1)  # the skipped step has changed nothing else
    batch = gather(broken.batch)
    path = workdir / f"replay_{broken.step}.npz"
    if writes:
        replay_file.write(path, before, batch, settings=configuration.to_dict(config))
    board.sync()
    checkpoints.save(broken.step, state)
    raise UserError(
        f"Step {broken.step}: loss or gradient was not finite {broken.in_row} times in a row, so training has broken "
        f"down; `--mode=replay --input={path}` shows where. Then lower config.train.learning_rate or set "
        f"config.train.clip_norm; the checkpoint {broken.step} holds the last good state and the same command goes on "
        "from it."
    )


def _pictures(look: Any, tasks: tuple[Any, ...], perceive: Any, state: states.TrainState, batch: Any) -> dict[str, Any]:
    """What the first samples of a batch look like to the network now."""
    few = {name: array[:2] for name, array in (batch[0] if isinstance(batch, tuple) else batch).items()}
    few["image"] = predictor.to_float(few["image"])
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    focal = few["intrinsics"][:, 0, 0] / few["image"].shape[3]
    outputs = dict(perceive(variables, few["image"][:, few["image"].shape[1] // 2], focal))
    if any(task.predicts_motion for task in tasks) or "camera" in state.params:
        outputs |= look(variables, few["image"])
    outputs = jax.device_get(outputs)
    shown = {"input": (few["image"][:, few["image"].shape[1] // 2] * 255).astype("uint8")}
    for task in tasks:
        shown |= task.pictures(outputs, few)
    return shown
