"""The outputs of a training: rows of metrics, pictures, scores, checkpoints, and the files for `--mode=replay`."""

import contextlib
import functools
import pathlib
import resource
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import jax

from mtl_depth import config as configuration
from mtl_depth import data
from mtl_depth.errors import UserError
from mtl_depth.evaluation import evaluator
from mtl_depth.models.camera import describe
from mtl_depth.prediction import predictor
from mtl_depth.runtime import log, loggers, record, replay_file
from mtl_depth.runtime.checkpoint import BEST, Checkpoints
from mtl_depth.runtime.devices import Devices, gather
from mtl_depth.training import monitor
from mtl_depth.training.assembly import Assembly
from mtl_depth.training.optimizer import Rates, learning_rate
from mtl_depth.training.state import TrainState

_learning_rate = jax.jit(learning_rate)  # one program instead of one for each operation


class Report:
    """The outputs of one training. Of several processes only one `writes`; the others take part in computing."""

    def __init__(
        self, assembly: Assembly, workdir: pathlib.Path, dataset: data.Dataset, devices: Devices,
        checkpoints: Checkpoints, *, start: int, writes: bool,
    ):  # fmt: skip
        """Continues metrics.jsonl at step `start`."""
        config = assembly.config
        self._assembly, self._config, self._workdir, self._dataset = assembly, config, workdir, dataset
        self._devices, self._checkpoints, self._writes = devices, checkpoints, writes
        notes = checkpoints.notes(start) if writes and start else {}
        further = loggers.open_loggers(config.log, workdir, configuration.to_dict(config)) if writes else ()
        self.board = log.Log(workdir, step=start, notes=notes, further=further) if writes else log.Silent()
        self._perceive = predictor.make_perceive(assembly.network, assembly.tasks, flip=predictor.flip_of(config))
        self._look = jax.jit(functools.partial(assembly.network.apply, train=False))
        self._scored = self._frames_to_score()
        self._focal = dataset.metadata["intrinsics"][0][0] * config.data.size[1] / dataset.size[1]  # pixels, as given

    @contextlib.contextmanager
    def compiling(self) -> Iterator[None]:
        """Context of the first step: prints that it is being compiled, and how long that took."""
        self.board.say("compiling the step (once for these shapes; the next start finds it in the cache)")
        begun = time.monotonic()
        yield
        self.board.say(f"compiled in {time.monotonic() - begun:.0f} s")

    def row(self, step: int, state: TrainState, metrics: Mapping[str, Any], rates: Rates) -> Mapping[str, Any]:
        """Writes the row of a step; returns its values."""
        values = jax.device_get(metrics)
        taken = max(step - 1 - int(values["skipped"]), 0)
        camera = describe(state.params, self._focal, width=self._config.data.size[1])
        rate = {"learning_rate": float(_learning_rate(taken, rates))}
        self.board.scalars(step, values | rate | camera)
        return values

    def pictures(self, step: int, state: TrainState, batch: Mapping[str, Any]) -> None:
        """Draws the current predictions for the first samples of a batch."""
        state, tasks = self._devices.first_copy(state), self._assembly.tasks
        few = {name: array[:2] for name, array in batch.items()}
        few["image"] = predictor.to_float(few["image"])
        target = few["image"][:, few["image"].shape[1] // 2]
        variables = {"params": state.params, "batch_stats": state.batch_stats}
        seen = self._devices.on_first((target, few["intrinsics"][:, 0, 0] / target.shape[2]))
        outputs = dict(self._perceive(variables, *seen))
        if any(task.predicts_motion for task in tasks) or "camera" in state.params:
            outputs |= self._look(variables, few["image"])
        outputs = jax.device_get(outputs)
        pictures = {"input": (target * 255).astype("uint8")}
        for task in tasks:
            pictures |= task.pictures(outputs, few)
        self.board.pictures(step, pictures)

    def save(self, step: int, state: TrainState) -> None:
        """Writes a checkpoint, after the rows of metrics before it: it must not exist without them."""
        self.board.sync()
        self._checkpoints.save(step, state, notes={"rows": self.board.rows} if self._writes else {})

    def evaluate(self, step: int, state: TrainState) -> None:
        """Scores the state saved at `step`, and notes in its checkpoint that it is evaluated."""
        evaluation = self._evaluation(state)
        notes = {"evaluated": self._config.evaluation.split}
        if evaluation:
            rows = {name: value for name, value in evaluation.items() if name != "frames"}
            self.board.scalars(step, rows, split=evaluation["split"])
            self.board.sync()
            abs_rel = evaluation.get("depth", {}).get("median_scaled", {}).get("abs_rel")
            if self._writes:
                record.write(self._workdir / "evaluation.json", evaluation | {"step": step})
            if abs_rel is not None and evaluation["split"] == "val":  # the best is never chosen on test frames
                notes[BEST] = abs_rel
        self._checkpoints.note(step, notes)

    def leave_evidence(self, state: TrainState, broken: monitor.Broken) -> None:
        """Saves the last good state and the input of `--mode=replay`, and raises a UserError about it."""
        before = state._replace(step=state.step - 1)  # the skipped step changed nothing else
        batch = gather(broken.batch, parts=self._config.train.accumulate)
        path = self._workdir / f"replay_{broken.step}.npz"
        if self._writes:
            replay_file.write(path, before, batch, settings=configuration.to_dict(self._config))
        self.save(broken.step, state)
        raise UserError(
            f"Step {broken.step}: loss or gradient was not finite {broken.in_row} times in a row, so training has "
            f"broken down; `--mode=replay --input={path}` shows where. Then lower config.train.learning_rate or set "
            f"config.train.clip_norm; the checkpoint {broken.step} holds the last good state and the same command "
            "resumes from it."
        )

    def close(self) -> None:
        """Writes pending rows and pictures."""
        self.board.close()

    def _evaluation(self, state: TrainState) -> dict[str, Any]:
        """The content of evaluation.json, the same on all processes; {} if there is nothing to score against."""
        if not self._scored:
            return {}
        config, tasks, devices = self._config, self._assembly.tasks, self._devices
        variables = {"params": state.params, "batch_stats": state.batch_stats}
        variables = devices.place_state(devices.first_copy(variables))
        evaluation = evaluator.measure(
            functools.partial(self._perceive, variables), tasks, self._dataset, config.data,
            split=config.evaluation.split, batch_size=config.evaluation.batch_size, studied=self._studied,
            devices=devices, progress=self._writes,
        )  # fmt: skip
        return evaluation | {"recipe": evaluator.recipe(config.tasks, flip=predictor.flip_of(config))}

    def _frames_to_score(self) -> int:
        """The number of frames that can be scored; prints a message if there are none."""
        split = self._config.evaluation.split
        truths = frozenset().union(*(task.metrics.reads for task in self._assembly.tasks))
        frames = data.frames(self._dataset, self._config.data, split=split, reads=truths)
        if not frames:
            self.board.say(f"The split {split} has no truth, so there are no scores; look at the pictures.")
        return frames

    @functools.cached_property
    def _studied(self) -> dict[str, Any]:
        return evaluator.study(self._assembly.tasks, self._dataset, self._config.data, progress=self._writes)


def costs(seconds: float, *, clips: int) -> str:
    """The cost of a training: time, clips per second, memory."""
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    memory = f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9:.1f} GB of memory at most"
    on_device = (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    memory += f", {on_device / 1e9:.1f} GB on a device" if on_device else ""
    hours, rest = divmod(round(seconds), 3600)
    return f"took {hours}:{rest // 60:02}:{rest % 60:02}, {clips / max(seconds, 1e-9):.1f} clips per second, {memory}"


def next_command(workdir: pathlib.Path) -> str:
    """The message with the command that shows the predictions."""
    config = next((word for word in sys.argv[1:] if word.startswith("--config=")), "--config=configs/depth.py")
    return "next: " + shlex.join(["python", "-m", "mtl_depth.main", config, f"--workdir={workdir}", "--mode=predict"])
