"""`python -m mtl_depth.experiments.table1 --scale=small`: the study of Table 1 on synthetic data.

Draws synthetic cities, trains depth alone and together with semantics, instances and both, over several seeds with the
same budget, weights, batches and augmentation for all variants of a seed, scores them on held-out streets, and writes
out/table1_small/report.md. The same command resumes an interrupted study, also in the middle of training.
"""

import argparse
import dataclasses
import json
import pathlib
import shlex
import sys
import time
from collections.abc import Sequence

from mtl_depth.commands import train
from mtl_depth.errors import UserError
from mtl_depth.experiments import curves, report, scoring, speed, variants
from mtl_depth.experiments.pieces import Deadline, Stopped, make_city
from mtl_depth.experiments.variants import ARMS, SCALES, VARIANTS, Scale
from mtl_depth.runtime import log


def run(
    scale: Scale, out: pathlib.Path, *, seeds: int, names: Sequence[str], minutes: float | None, command: str
) -> bool:
    """Does the remaining work, until the minutes are over, and writes the report of the finished part.

    Returns:
        Whether everything is finished.

    Raises:
        UserError: `out` contains a study with other settings, or its content is damaged.
    """
    curves.check()
    check_same_study(scale, out)
    runs = [(name, seed) for seed in range(seeds) for name in names]
    finished = True
    with Deadline(minutes) as deadline:
        try:
            if scale.announce and not (out / "runs").exists():
                announce(scale)
            cities = [city(out, seed, scale, deadline) for seed in scale.cities]
            streets = [city(out, seed, scale, deadline, held_out=True) for seed in scale.held_out]
            data_dir = ",".join(map(str, cities))
            for done, (name, seed) in enumerate(runs):
                log.say(f"{done} of {len(runs)} trainings done")
                train_run(scale, out, name, seed, data_dir, deadline)
            for name, seed in runs:  # only now: nothing is chosen by the held-out street
                deadline.check()
                scoring.score(folder_of(out, name, seed), streets)
        except Stopped:
            finished = False
            log.say("Stopped, everything is saved; run the same command to resume.")
    begun = {name for name in ARMS for seed in range(seeds) if folder_of(out, name, seed).exists()}
    shown = [name for name in ARMS if name in begun or name in names]
    report.write(scale, out, seeds=seeds, names=shown, command=command)
    log.say(f"written: {out / 'report.md'}")
    return finished


def check_same_study(scale: Scale, out: pathlib.Path) -> None:
    """Saves the scale in `out`, or raises UserError if a study with another one was begun there."""
    wanted = json.loads(json.dumps(dataclasses.asdict(scale)))
    path = out / "study.json"
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        differing = [name for name in wanted if found.get(name) != wanted[name]]
        if differing:
            raise UserError(f"{out} holds a study with other settings ({', '.join(differing)}); give another --out.")
    log.write_json(path, wanted)


def announce(scale: Scale) -> None:
    """Prints the speed of a step of every variant on this machine, and the hours per seed."""
    steps = scale.steps or 20 * -(-scale.train_frames // scale.batch_size)
    hours = {}
    for name, arm in VARIANTS.items():
        config = variants.configuration(scale, arm, seed=0, data_dir="")
        rate = speed.steps_a_second(config)
        hours[name] = steps / rate / 3600
        log.say(f"{arm.title}: {rate:.3g} steps per second without reading, {steps} steps take {hours[name]:.3g} h")
    log.say(f"A whole seed of all four variants takes {sum(hours.values()):.3g} h.")


def city(out: pathlib.Path, seed: int, scale: Scale, deadline: Deadline, *, held_out: bool = False) -> pathlib.Path:
    """The data set of one city of the study, drawn and built unless that is done."""
    streets, frames = (1, scale.held_out_frames) if held_out else (scale.streets, scale.frames)
    return make_city(
        out, seed, deadline, drives=streets, frames=frames, drawn=scale.drawn, stored=scale.size,
        options=[f"--variety={int(scale.variety)}"],
    )  # fmt: skip


def folder_of(out: pathlib.Path, name: str, seed: int) -> pathlib.Path:
    """The run folder of a variant and a seed."""
    return out / "runs" / f"{name}_seed{seed}"


def train_run(scale: Scale, out: pathlib.Path, name: str, seed: int, data_dir: str, deadline: Deadline) -> None:
    """Trains one run to its end, or raises Stopped with everything saved."""
    folder = folder_of(out, name, seed)
    if (folder / "evaluation.json").exists():  # written after the last step
        return
    deadline.check()
    log.say(f"== {ARMS[name].title}, seed {seed}: {folder}")
    start = time.monotonic()
    train.run(variants.configuration(scale, ARMS[name], seed=seed, data_dir=data_dir), folder)
    scoring.add_seconds(folder, time.monotonic() - start)
    if not (folder / "evaluation.json").exists():
        raise Stopped


def main(argv: Sequence[str]) -> int:
    """The command; returns the exit status: 0, 2 for a user's mistake, 3 if the time was over before the end."""
    parser = argparse.ArgumentParser(
        prog="python -m mtl_depth.experiments.table1", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--scale", required=True, choices=SCALES)
    parser.add_argument("--out", type=pathlib.Path, help="folder of the study (out/table1_<scale>)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of every variant (3)")
    parser.add_argument(
        "--only", default=",".join(VARIANTS), metavar="VARIANT,VARIANT",
        help=f"variants to train and report ({','.join(VARIANTS)}); there are also "
        f"{', '.join(name for name in ARMS if name not in VARIANTS)}",
    )  # fmt: skip
    parser.add_argument("--minutes", type=float, help="stop after this many minutes, saved; the same command resumes")
    options = parser.parse_args(argv)
    try:
        names = options.only.split(",")
        if unknown := [name for name in names if name not in ARMS]:
            raise UserError(f"--only: there is no variant {unknown[0]!r}; there are {', '.join(ARMS)}.")
        if options.seeds < 1:
            raise UserError(f"--seeds={options.seeds}: at least one is needed.")
        out = options.out or pathlib.Path("out") / f"table1_{options.scale}"
        command = shlex.join(["python", "-m", "mtl_depth.experiments.table1", *argv])
        done = run(
            SCALES[options.scale], out, seeds=options.seeds, names=names, minutes=options.minutes,
            command=command,
        )  # fmt: skip
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0 if done else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
