"""A run compiles each of its programs once: training, evaluation, pictures and checkpoints share what there is."""

import collections
import logging

import command_line
import jax
import pytest

STEPS = 20
OURS = ("create", "train_step", "perceive", "explain", "score", "_score", "_class_tables")


@pytest.fixture
def compiled():
    """Names of what XLA compiles or takes from its cache, counted while the test runs."""
    counts = collections.Counter()
    jax.clear_caches()  # of earlier tests in this process

    class Handler(logging.Handler):
        def emit(self, record):
            if record.msg.startswith("Compiling "):
                counts[record.args[0]] += 1

    loggers = [logging.getLogger(f"jax._src.{name}") for name in ("interpreters.pxla", "dispatch")]
    for logger in loggers:
        logger.propagate = False
    handler = Handler()
    loggers[0].addHandler(handler)
    with jax.log_compiles():
        yield counts
    loggers[0].removeHandler(handler)
    for logger in loggers:
        logger.propagate = True


@pytest.mark.slow
def test_every_function_of_a_run_is_compiled_once(built_city, tmp_path, compiled):
    status = command_line.run(
        "--config=configs/tiny.py:panoptic", f"--workdir={tmp_path / 'run'}",
        f"--config.data.data_dir={built_city}", "--config.data.size=64,96", "--config.model.width=0.125",
        "--config.train.batch_size=2", f"--config.train.steps={STEPS}", "--config.train.log_every=3",
        "--config.train.picture_every=5", "--config.train.checkpoint_every=6", "--config.train.evaluate_every=7",
        "--config.train.devices=1", "--config.evaluation.batch_size=2",
    )  # fmt: skip
    assert status == 0
    assert {f"jit({name})" for name in OURS} <= compiled.keys()  # nothing was overlooked
    assert {name: count for name, count in compiled.items() if count > 1} == {}
