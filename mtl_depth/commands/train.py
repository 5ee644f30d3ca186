"""`--mode=train`: the training loop around a jitted step."""

import contextlib
import pathlib
import time
from collections.abc import Collection
from typing import NamedTuple

import jax

from mtl_depth import config as configuration
from mtl_depth.commands import train_report, train_start
from mtl_depth.evaluation import model_card
from mtl_depth.runtime import disk, input_wait, lock, log, run_identity, trace
from mtl_depth.runtime.checkpoint import Checkpoints
from mtl_depth.runtime.devices import gather, prefetch
from mtl_depth.runtime.signals import stop_requests
from mtl_depth.training import monitor, optimizer


class Schedule(NamedTuple):
    """What happens after each step of a run of `steps` steps; the last step saves and evaluates."""

    train: configuration.Train
    steps: int

    def logs(self, step: int) -> bool:
        """Whether a row is written to metrics.jsonl."""
        return step % self.train.log_every == 0 or step == self.steps

    def draws(self, step: int) -> bool:
        """Whether pictures are drawn."""
        return bool(self.train.picture_every) and step % self.train.picture_every == 0

    def evaluates(self, step: int) -> bool:
        """Whether the run is scored."""
        return step == self.steps or (bool(self.train.evaluate_every) and step % self.train.evaluate_every == 0)

    def saves(self, step: int) -> bool:
        """Whether a checkpoint is written."""
        return step % self.train.checkpoint_every == 0 or self.evaluates(step)


def run(config: configuration.Config, workdir: pathlib.Path, *, typed: Collection[str] | None = None) -> None:
    """Trains until the last step, from the newest checkpoint in `workdir` if there is one, and evaluates.

    Args:
        config: the settings.
        workdir: folder of the run.
        typed: see `train_start.plan`.

    Raises:
        UserError: a setting cannot work, the data set does not exist, the folder contains another run or another
            process trains in it, the disk is full, or too many steps in a row were not finite.
    """
    config, given, devices, assembly, dataset, clips, steps = train_start.plan(config, workdir, typed=typed)
    writes = jax.process_index() == 0  # of several processes, only the first one writes
    schedule, rates = Schedule(config.train, steps), optimizer.rates(config.train, steps=steps)
    if writes:  # printed early: restoring and compiling take some seconds
        log.say(train_start.clips_sentence(config, dataset, assembly.reads, clips) + f"; the run is {workdir}")
    with contextlib.ExitStack() as stack:
        stack.enter_context(disk.reporting_full_disk(workdir))
        stop_asked = stack.enter_context(stop_requests())
        held = stack.enter_context(lock.only_writer(workdir)) if writes else None
        if writes:
            rate_at = train_start.rate_at
            run_identity.check_or_record(workdir, config, dataset, clips=clips, steps=steps, rate=rate_at)
        checkpoints = Checkpoints(workdir / "checkpoints", keep=config.train.keep_checkpoints, writes=writes)
        stack.callback(checkpoints.close)
        state, start = train_start.first_state(assembly, checkpoints, given)
        report = train_report.Report(assembly, workdir, dataset, devices, checkpoints, start=start, writes=writes)
        stack.callback(report.close)
        profile = trace.Trace(config.train.profile if writes else "", workdir / "profile")
        watch = monitor.Watch(
            assembly.tasks, row=report.board.row, say=report.board.say, max_skipped=config.train.max_skipped,
            in_row=int(state.skipped_in_row), gather=lambda clips: gather(clips, parts=config.train.accumulate),
        )  # fmt: skip
        state = devices.place_state(state)
        train_step = assembly.step(devices.parallelize)
        batches = prefetch(
            train_start.host_batches(config, dataset, assembly.reads, start=start),
            lambda batch: (batch, devices.place_batch(batch, parts=config.train.accumulate)),
        )
        reading = {"threads": config.data.threads, "workers": config.data.workers}
        batches = input_wait.metered(batches, warn=lambda share: report.board.say(input_wait.advice(share, **reading)))
        stack.callback(batches.close)
        if writes:
            log.say(
                f"{clips} clips, {steps} steps of {config.train.batch_size}, {len(devices) * jax.process_count()} "
                f"{jax.devices()[0].platform} device(s)" + (f"; resumes at step {start}" if start else "")
            )
        if schedule.evaluates(start) and train_start.lacks_evaluation(checkpoints, start):
            report.evaluate(start, state)
        bar = log.progress(total=steps, initial=start, desc="train", unit="step", disable=None if writes else True)
        stop, step, begun = devices.any_process(), start, time.monotonic()
        with bar:
            while step < steps and not stop(stop_asked()):
                step += 1
                host_batch, batch = next(batches)
                profile.begin(step)
                with report.compiling() if step == start + 1 else contextlib.nullcontext():
                    state, metrics = train_step(state, batch, rates)
                profile.end(step, metrics)
                try:
                    loss = watch.observe(step, metrics, host_batch, now=schedule.logs(step) or schedule.saves(step))
                except monitor.Broken as broken:
                    report.leave_evidence(state, broken)
                if loss is not None:
                    bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                bar.update()
                if schedule.logs(step):
                    watch.check_health(step, report.row(step, state, metrics, rates))
                if schedule.draws(step):
                    report.pictures(step, state, host_batch)
                if held and (schedule.logs(step) or schedule.saves(step)):
                    held.check()
                if schedule.saves(step):  # before the evaluation, which may fail
                    report.save(step, state)
                if schedule.evaluates(step):
                    report.evaluate(step, state)
        watch.finish()
        if step > start:
            report.save(step, state)
            checkpoints.wait()
    if writes and not step:
        log.say("stopped before the first step: nothing is saved; run again to start")
    elif writes:
        profile.close()
        model_card.write(workdir, metadata=dataset.metadata, splits=dataset.splits)
        log.say(
            f"step {step} of {steps} saved in {workdir / 'checkpoints'}"
            + ("" if step == steps else "; run again to resume")
        )
        if step > start:
            log.say(train_report.costs(time.monotonic() - begun, clips=(step - start) * config.train.batch_size))
        log.say(train_report.next_command(workdir))
