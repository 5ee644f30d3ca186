"""`python -m mtl_depth.benchmarks.accelerator --out=DIR`: everything a machine with a GPU is asked, in nine minutes.

Writes DIR/report.md, renewed after every part: training step and inference beside PyTorch's best form, memory with and
without rematerialisation, how fast the city is drawn and clips are read, whether a resumed training is bit-identical,
and how fast configs/instance.py trains at full size. A part that fails or finds no time is named, and the others run.
"""

import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

from mtl_depth.runtime import log

SAVING = 40  # seconds that an interrupted training may take to save itself
TRAINING = 90.0  # seconds that are kept for training at full size
LAST_LINES = 30  # of a part's output in the report
DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


class Part(NamedTuple):
    """One command of the report.

    Attributes:
        title: of its section.
        command: module and options.
        seconds: that it may take at most.
    """

    title: str
    command: tuple[str, ...]
    seconds: float


def parts(*, quick: bool) -> tuple[list[Part], list[Part]]:
    """The benchmarks, and those for which other measurements come first; `quick`: at sizes that a CPU finishes."""
    benchmarks = "mtl_depth.benchmarks"
    if quick:
        small = ("--size=64x96", "--width=0.125", "--batch=2", "--steps=2", "--compile=no")
        first = [
            Part("Inference, float32, batch 2", (f"{benchmarks}.inference", *small), 60.0),
            Part("City", (f"{benchmarks}.city", "--size=64x96", "--frames=2"), 60.0),
        ]
        return first, [Part("Training step, float32, batch 2", (f"{benchmarks}.step", *small), 120.0)]
    steps = [
        Part(
            f"Training step, {dtype}, batch {batch}",
            (f"{benchmarks}.step", f"--dtype={dtype}", f"--batch={batch}", "--steps=20", "--compile=both"),
            80.0,
        )
        for dtype, batch in (("bfloat16", 8), ("float32", 8), ("bfloat16", 32), ("float32", 32))
    ]
    inference = [
        Part(
            f"Inference, bfloat16, batch {batch}",
            (f"{benchmarks}.inference", "--dtype=bfloat16", f"--batch={batch}"),
            40.0,
        )
        for batch in (1, 32)
    ]
    others = [
        Part("City at 376x1408", (f"{benchmarks}.city", "--frames=100"), 40.0),
        Part("Input", (f"{benchmarks}.input",), 60.0),
    ]
    return [steps[0], *inference, *others], steps[1:]


class Report:
    """The file, written anew after every part.

    Attributes:
        out: folder of the report and of every part's log.
        end: time.monotonic() when the machine is to be given back.
    """

    def __init__(self, out: pathlib.Path, minutes: float):
        self.out, self.end = out, time.monotonic() + 60 * minutes
        self._sections = ["# An accelerator, measured"]
        out.mkdir(parents=True, exist_ok=True)

    @property
    def left(self) -> float:
        """Seconds until the end."""
        return self.end - time.monotonic()

    def run(self, part: Part, *, flags: str = "", reserve: float = 0.0, may_end: bool = False) -> bool:
        """Runs a part as long as it may take; whether it ended well.

        Args:
            part: the command.
            flags: further ones of XLA.
            reserve: seconds that have to be left afterwards for other parts.
            may_end: whether it is well, too, that its time is over. A training that is interrupted saves itself.
        """
        seconds = min(part.seconds, self.left - SAVING - reserve)
        if seconds <= 0:
            self.add(part.title, "Not run: no time was left.")
            return False
        environment = {**os.environ, "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()}
        path, start = self.out / f"{len(self._sections):02d}.log", time.monotonic()
        log.say(f"{part.title}: python -m {' '.join(part.command)} (at most {seconds:.0f} s)")
        with path.open("w", encoding="utf-8") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", *part.command], stdout=file, stderr=subprocess.STDOUT, env=environment
            )
            try:
                status = process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(SAVING)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                status = None
        how = {0: "", None: ", ended because its time was over"}.get(status, f", exit status {status}")
        state = f"{time.monotonic() - start:.0f} s{how}"
        lines = path.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()[-LAST_LINES:]
        text = "\n".join(lines)
        self.add(part.title, f"`python -m {' '.join(part.command)}`: {state}\n\n```\n{text}\n```")
        return status == 0 or (may_end and status is None)

    def add(self, title: str, text: str) -> None:
        """Adds a section and writes the file."""
        self._sections.append(f"## {title}\n\n{text}")
        (self.out / "report.md").write_text("\n\n".join(self._sections) + "\n", encoding="utf-8")


def resume(report: Report, tfds: pathlib.Path, *, size: str) -> bool:
    """Whether four steps, and the last two of them again from a checkpoint, give the same rows of metrics.jsonl."""
    whole, again = report.out / "runs" / "whole", report.out / "runs" / "resumed"
    command = (
        "mtl_depth.main", "--config=configs/tiny.py:depth", f"--config.data.data_dir={tfds}",
        f"--config.data.size={size}", "--config.train.steps=4", "--config.train.checkpoint_every=2",
        "--config.train.log_every=1", "--config.train.batch_size=2", "--config.train.devices=1",
    )  # fmt: skip
    if not report.run(Part("Resume: four steps", (*command, f"--workdir={whole}"), 120.0), flags=DETERMINISTIC):
        return False
    shutil.copytree(whole, again)
    shutil.rmtree(again / "checkpoints" / "4")
    (again / "evaluation.json").unlink(missing_ok=True)
    if not report.run(Part("Resume: again from step 2", (*command, f"--workdir={again}"), 120.0), flags=DETERMINISTIC):
        return False
    rows = [(folder / "metrics.jsonl").read_text(encoding="utf-8") for folder in (whole, again)]
    same = rows[0] == rows[1]
    report.add("Resume", "Bit-identical." if same else "NOT bit-identical: compare the two metrics.jsonl.")
    return same


def main(argv: Sequence[str]) -> int:
    """Runs the command; the exit status is 0 where every part ended well, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m mtl_depth.benchmarks.accelerator",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--out", type=pathlib.Path, default=pathlib.Path("out/accelerator"), help="folder of the report"
    )
    parser.add_argument("--minutes", type=float, default=9.0, help="after which everything has ended (9)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try the script on a CPU")
    options = parser.parse_args(argv)
    report = Report(options.out.resolve(), options.minutes)
    first, later = parts(quick=options.quick)
    well = [report.run(part) for part in first]
    frames, height, width = (6, 64, 96) if options.quick else (200, 192, 640)
    city, tfds, size = report.out / "city", report.out / "tfds", f"{height},{width}"
    draw = (f"--out={city}", "--drives=3", f"--frames={frames}", f"--size={height}x{width}", "--no_truth")
    build = (f"--manual_dir={city}", f"--data_dir={tfds}", f"--size={height}x{width}")
    if report.run(Part("City to train on", ("tfds_kitti360.city", *draw), 90.0)) and report.run(
        Part("Its data set", ("tfds_kitti360.build", *build), 60.0)
    ):
        well.append(resume(report, tfds, size=size))
        train = ["mtl_depth.main", "--config=configs/instance.py", f"--config.data.data_dir={tfds}"]
        train += [f"--workdir={report.out / 'runs' / 'instance'}", f"--config.data.size={size}"]
        train += ["--config.model.encoder_weights="]  # the hub may be out of reach
        if options.quick:
            train += ["--config.train.steps=2", "--config.train.batch_size=2", "--config.model.width=0.125"]
            train += ["--config.train.devices=1"]
        memory = [
            ("Memory with rematerialisation", "--config.train.rematerialise=true"),
            ("Memory without rematerialisation", "--config.train.rematerialise=false"),
        ]
        for title, extra in memory[:1] if options.quick else memory:
            well.append(report.run(Part(title, (*train, extra, "--dry_run"), 90.0)))
        well += [report.run(part, reserve=TRAINING) for part in later]
        rest = Part("configs/instance.py for the rest of the time", tuple(train), report.left)
        well.append(report.run(rest, may_end=True))
    else:
        well.append(False)
    log.say(f"written: {report.out / 'report.md'}")
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
