"""The speed that is told before anything is drawn."""

import pytest

from mtl_depth.experiments import speed, table1, variants
from mtl_depth.experiments.variants import ARMS, SCALES, VARIANTS
from mtl_depth.tasks import assemble


@pytest.mark.parametrize("name", VARIANTS)
def test_the_noise_holds_what_the_tasks_read(name):
    config = variants.configuration(SCALES["small"], ARMS[name], seed=0, data_dir="")
    _, tasks = assemble(config.model, config.tasks)
    batch = speed.noise(config)
    assert frozenset().union(*(task.reads for task in tasks)) <= batch.keys()
    assert batch["image"].shape == (4, 3, 96, 320, 3)
    assert len(set(batch["instance"][0].ravel().tolist())) == 20


def test_hours_of_a_seed(monkeypatch, capsys):
    """At 2 steps per second the 20 * 9000 / 8 = 22,500 steps of the report take 3.125 h, a seed four times as long."""
    monkeypatch.setattr("mtl_depth.experiments.speed.steps_a_second", lambda config: 2.0)
    table1.announce(SCALES["paper"])
    said = capsys.readouterr().err
    assert "Depth + Instance: 2 steps per second without reading, 22500 steps take 3.12 h" in said
    assert "A whole seed of all four variants takes 12.5 h." in said


@pytest.mark.slow
def test_steps_are_timed():
    config = variants.configuration(SCALES["small"], ARMS["panoptic"], seed=0, data_dir="")
    config.data.size, config.model.width, config.train.devices = (64, 96), 0.125, 1
    assert 0.01 < speed.steps_a_second(config, steps=2) < 1000
