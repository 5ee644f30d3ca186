"""What people do around runs, in a table: kind, case, what was done, and what has to happen."""

import contextlib
import copy
import errno
import os
import pathlib
import signal
import time
import types
from collections.abc import Callable
from typing import Any

import fake_run
import pytest
from edges.run_case import SCORES, Case, check, dataset, state

from mtl_depth import config as configuration
from mtl_depth.commands import evaluate, train_report, train_start
from mtl_depth.errors import UserError
from mtl_depth.evaluation import score_tables
from mtl_depth.runtime import distributed, lock, log, run_identity
from mtl_depth.runtime.checkpoint import Checkpoints, restore_variables
from mtl_depth.runtime.signals import stop_requests
from mtl_depth.training import balance

CASES: list[Case] = []


# 3. One exception for many meanings
def locked(number: int) -> Callable[..., Any]:
    def done(at, patch):
        def refuse(*_):
            raise OSError(number, os.strerror(number))

        patch.setattr("fcntl.flock", refuse)
        with lock.only_writer(at / "run"):
            return "trains"

    return done


def opening(number: int) -> Callable[..., Any]:
    def done(at, patch):
        def refuse(self, *_, **__):
            raise OSError(number, os.strerror(number), str(self))

        patch.setattr(pathlib.Path, "open", refuse)
        with lock.only_writer(at / "run"):
            pass

    return done


def failing_together(error: Exception) -> Callable[..., Any]:
    """What a process of several says when it fails so."""

    def done(at, patch):
        said = []

        def leave(sentence):
            said.append(sentence)
            raise SystemExit

        patch.setattr(distributed, "_leave", leave)
        patch.setattr(distributed.ctypes, "CDLL", lambda _: types.SimpleNamespace(signal=lambda *_: None))
        with contextlib.suppress(SystemExit), distributed.reporting_lost_processes():
            raise error
        return said[0].replace("Traceback", "its traceback")

    return done


GONE = "another process of this run is gone"
CASES += [
    Case("3 locks", "a file system without locks (ENOSYS)", locked(errno.ENOSYS), ("cannot be locked", "trains")),
    Case("3 locks", "a lock server that is away (ENOLCK)", locked(errno.ENOLCK), ("cannot be locked", "trains")),
    Case("3 locks", "held by another process", locked(errno.EAGAIN), ("is training in {at}/run",)),
    Case("3 locks", "a read-only file system", opening(errno.EROFS), ("cannot be written",), ("is training",)),
    Case("3 locks", "a circle of links", opening(errno.ELOOP), ("cannot be written", "--workdir"), ("is training",)),
    Case("3 processes", "a full GPU", failing_together(RuntimeError("RESOURCE_EXHAUSTED: Out of memory")),
         ("RESOURCE_EXHAUSTED", "its traceback"), (GONE,)),
    Case("3 processes", "a fault of the program", failing_together(ValueError("shapes (3,) and (4,) differ")),
         ("shapes (3,)", "its traceback"), (GONE,)),
    Case("3 processes", "a wrong key", failing_together(KeyError("depth")), ("its traceback",), (GONE,)),
    Case("3 processes", "an exchange that ends", failing_together(ValueError("UNKNOWN: Gloo all-reduce failed:"
         " Connection closed by peer")), (GONE, "Start all of them again"), ("its traceback",)),
    Case("3 processes", "a heartbeat that stops", failing_together(RuntimeError("UNAVAILABLE: heartbeat timeout")),
         (GONE,), ("its traceback",)),
    Case("3 processes", "a mistake of the user", failing_together(UserError("no data")), ("error: no data",), (GONE,)),
]  # fmt: skip


def evaluated(*, blocked: bool) -> Callable[..., Any]:
    """Scores a run; the folder cannot be written at all, or its evaluation.json cannot."""

    def done(at, patch):
        def measure(*_, **__):
            print("measured")
            return dict(SCORES)

        perceiver = types.SimpleNamespace(
            config=fake_run.config("semantic"), program=None, network=None, flip=False, size=fake_run.SIZE,
            answer=None, on=lambda devices: perceiver,
        )  # fmt: skip
        patch.setattr("mtl_depth.inference.load_perceiver", lambda *_, **__: perceiver)
        patch.setattr("mtl_depth.evaluation.evaluator.measure", measure)
        fake_run.install(patch)
        workdir = at / "run"
        if blocked:
            workdir.write_text("")
        else:
            (workdir / "evaluation.json").mkdir(parents=True)
        with contextlib.suppress(OSError):
            evaluate.run(fake_run.config("semantic"), workdir)

    return done


CASES += [
    Case("3 results", "scores that cannot be saved are printed", evaluated(blocked=False), ("0.750",)),
    Case("3 results", "a folder that cannot be is said first", evaluated(blocked=True), ("{at}/run",), ("measured",)),
]


# 8. Which data, which run
def continued(*, there: dict[str, Any] | None = None, here: dict[str, Any] | None = None, **settings: Any) -> Any:
    """Begins a run, and continues it with another data set or other settings."""

    def done(at, patch):
        begun = fake_run.config("depth")
        run_identity.check_or_record(at, begun, dataset(**(there or {})), clips=4)
        again = copy.deepcopy(begun)
        for name, value in settings.items():
            section, field = name.split("__")
            owner = again.tasks if section == "tasks" else getattr(again, section)
            owner = owner.depth if section == "tasks" else owner
            setattr(owner, field, value)
        run_identity.check_or_record(at, again, dataset(**(here or {})), clips=4)
        return "continued"

    return done


LONGER = [[610.0, 0, 48], [0, 610.0, 32], [0, 0, 1]]
CONTINUED, SAID = ("continued",), ("continued", "warning: config.")
CASES += [
    Case("8 which data", "another focal length", continued(here={"intrinsics": LONGER}),
         ("is not the data set", "275.0", "610.0"), CONTINUED),
    Case("8 which data", "a frame more", continued(here={"frames": [1, 2, 3, 5]}), ("is not the data set",), CONTINUED),
    Case("8 which data", "other splits", continued(here={"splits": "ttvv"}), ("is not the data set",), CONTINUED),
    Case("8 which data", "poses that are missing", continued(here={"pose": "1100"}), ("not the data set",), CONTINUED),
    Case("8 which data", "stored with losses", continued(here={"storage": "jpeg"}), ("not the data set",), CONTINUED),
    Case("8 which data", "another size of the pictures", continued(here={"size": [96, 320]}), ("[64, 96] there",),
         CONTINUED),
    Case("8 which data", "built from a download that was moved",
         continued(here={"settings": {"manual_dir": "/moved", "size": [64, 96]}}), CONTINUED, ("warning",)),
    Case("8 which data", "moved", continued(data__data_dir="elsewhere"), CONTINUED, ("warning",)),
    Case("8 which data", "a baseline that no stereo uses", continued(here={"baseline": 0.7}), CONTINUED, ("warning",)),
    Case("8 which data", "a baseline of a stereo data set",
         continued(there={"stereo": True}, here={"stereo": True, "baseline": 0.7}), ("is not the data set", "baseline"),
         CONTINUED),
    Case("8 which run", "more steps", continued(train__steps=900), (*SAID, "train.steps was None", "is 900")),
    Case("8 which run", "another batch size", continued(train__batch_size=4), (*SAID, "train.batch_size was 8")),
    Case("8 which run", "another seed", continued(train__seed=7), (*SAID, "train.seed was 0")),
    Case("8 which run", "another learning rate", continued(train__learning_rate=1e-3), (*SAID, "train.learning_rate")),
    Case("8 which run", "other accumulation", continued(train__accumulate=2), (*SAID, "BatchNorm")),
    Case("8 which run", "no augmentation", continued(train__augment=False), (*SAID, "train.augment")),
    Case("8 which run", "another crop", continued(tasks__crop="garg"), (*SAID, "tasks.depth.crop")),
    Case("8 which run", "another balance", continued(train__balance="uncertainty"),
         ("config.train.balance (fixed there, uncertainty here)",), (*CONTINUED, "damaged")),
    Case("8 which run", "another weight", continued(tasks__weight=3.0), ("tasks.depth.weight (1.0 there",), CONTINUED),
    Case("8 which run", "rows more often", continued(train__log_every=1), CONTINUED, ("warning",)),
    Case("8 which run", "more devices", continued(train__devices=4), CONTINUED, ("warning",)),
    Case("8 which run", "other workers", continued(data__workers=3), CONTINUED, ("warning",)),
]  # fmt: skip


def longer_run(at, patch):
    """Continues a run that has ended with ten times the steps, which undoes the drop of its learning rate."""
    config = fake_run.config("depth")
    config.train.steps = 100
    rate = train_start.rate_at
    run_identity.check_or_record(at, config, dataset(), clips=4, steps=100, rate=rate)
    (at / "checkpoints" / "100").mkdir(parents=True)
    config.train.steps = 1000
    run_identity.check_or_record(at, config, dataset(), clips=4, steps=1000, rate=rate)


CASES += [
    Case("8 which run", "more steps after the end", longer_run, ("learning rate was 1e-05 at step 100", "0.0001")),
]


# 14, 15. What is left behind, and advice that does harm
def removed_while_training(at, patch):
    with lock.only_writer(at / "run") as held:
        held.check()
        fake_run.pathlib.Path(at / "run").rename(at / "elsewhere")
        held.check()


def a_signal_of_their_own(at, patch):
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with stop_requests() as asked:
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.3)
            return "stops" if asked() else "goes on"
    finally:
        signal.signal(signal.SIGUSR1, before)


def verdicts(scaled: float, unscaled: float) -> Callable[..., Any]:
    errors = {"median_scaled": {"abs_rel": scaled}, "unscaled": {"abs_rel": unscaled}, "mean_image": {"abs_rel": 0.2}}
    return lambda at, patch: score_tables.verdicts({"depth": errors})


def best_of(split: str) -> Callable[..., Any]:
    """Which checkpoint is the best where the evaluations while training are of `split`."""

    def done(at, patch):
        checkpoints = Checkpoints(at / "checkpoints", keep=2)
        checkpoints.save(3, state())
        report = object.__new__(train_report.Report)
        report._config, report._workdir, report._writes = fake_run.config("depth"), at, True
        report._checkpoints, report.board = checkpoints, log.Silent()
        depth = {"median_scaled": {"abs_rel": 0.1}, "unscaled": {"abs_rel": 0.1}}
        report._evaluation = lambda _: {"split": split, "frames": 1, "depth": depth}
        report.evaluate(3, state())
        checkpoints.close()
        target = {"params": state().params, "batch_stats": {}}
        restore_variables(at / "checkpoints", target, checkpoint="best")
        return "there is a best one"

    return done


CASES += [
    Case("15 removed", "a workdir while it trains", removed_while_training, ("{at}/run was removed or replaced",)),
    Case("15 signals", "a handler of their own", a_signal_of_their_own, ("goes on",)),
    Case(
        "15 verdict",
        "beaten by the mean image, scaled and in metres",
        verdicts(0.3, 0.4),
        ("it has not learned depth",),
    ),
    Case("15 verdict", "better in metres alone", verdicts(0.3, 0.1), ("NOT BEATEN", "0.100"), ("not learned",)),
    Case("15 verdict", "better", verdicts(0.1, 0.4), ("[]",)),
    Case("15 best", "scored on val", best_of("val"), ("there is a best one",)),
    Case("15 best", "scored on test", best_of("test"), ("has no evaluated checkpoint",)),
    Case("15 best", "scored on train", best_of("train"), ("has no evaluated checkpoint",)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_edges(case, tmp_path, monkeypatch, capsys):
    check(case, tmp_path, monkeypatch, capsys)


def test_every_setting_has_a_rule_for_continued_runs():
    named = {name for name in run_identity.SETTINGS if "." in name}
    there = {
        f"{section}.{name}" for section, values in configuration.to_dict(configuration.Config()).items()
        if isinstance(values, dict) for name in values
    }  # fmt: skip
    assert named - {"tasks.depth.crop"} <= there
    assert run_identity.rule("tasks.depth.weight") == run_identity.NOT == run_identity.rule("of a later version")
    assert balance.MODES[0] == configuration.Train().balance
