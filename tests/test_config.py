"""The configuration survives JSON, and a name that does not exist is an error."""

import json

import pytest

from mtl_depth import config


def full() -> config.Config:
    tasks = config.Tasks(depth=config.DepthTask(nearest=2.0), instance=config.InstanceTask(things=("car",)))
    return config.Config(tasks=tasks, data=config.Data(size=(96, 320)))


def test_survives_json():
    assert config.from_dict(json.loads(json.dumps(config.to_dict(full())))) == full()


def test_unknown_field_raises():
    values = config.to_dict(full())
    values["train"]["stepz"] = 3
    with pytest.raises(TypeError, match="stepz"):
        config.from_dict(values)


def test_sections_are_not_shared_between_configs():
    first, second = config.Config(), config.Config()
    first.train.steps = 5
    assert second.train.steps is None
