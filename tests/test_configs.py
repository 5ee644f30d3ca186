"""The files in configs/: the report's experiment in the full ones, what `tiny` shrinks, mistakes."""

import pathlib
import runpy

import pytest

from mtl_depth import config as configuration
from mtl_depth.errors import UserError
from mtl_depth.tasks import assemble

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "configs"
TASKS = {
    "depth": {"depth"},
    "semantic": {"depth", "semantic"},
    "instance": {"depth", "instance"},
    "panoptic": {"depth", "semantic", "instance"},
    "baseline": {"depth"},
}
VARIANTS = ("depth", "semantic", "instance", "panoptic")


def _get(name, *arguments):
    return runpy.run_path(str(FOLDER / f"{name}.py"))["get_config"](*arguments)


def _names(config):
    return {name for name, section in vars(config.tasks).items() if section is not None}


@pytest.mark.parametrize("name", TASKS)
def test_full_configs_are_the_report_s_experiment(name):
    config = _get(name)
    assert _names(config) == TASKS[name]
    assert (config.data.train_frames, config.data.eval_frames) == (9000, 2000)
    assert config.data.size == (192, 640) and config.model.width == 1.0
    assert (config.train.epochs, config.train.batch_size, config.train.learning_rate) == (20, 8, 1e-4)
    assert config.train.steps is None and config.train.clip_norm is None
    assert config.tasks.depth.weight == (5.5 if len(TASKS[name]) > 1 else 1.0)
    assert config.tasks.depth.motion == "predicted"
    for other in TASKS[name] - {"depth"}:
        assert getattr(config.tasks, other).weight == 1.0


def test_the_variants_differ_by_sections_only():
    plain = configuration.to_dict(_get("depth"))
    for name in ("semantic", "instance", "panoptic"):
        assert {**configuration.to_dict(_get(name)), "tasks": plain["tasks"]} == plain


@pytest.mark.parametrize("variant", VARIANTS)
def test_tiny_shrinks_every_variant(variant):
    config = _get("tiny", variant)
    assert _names(config) == TASKS[variant]
    assert config.data.size == (96, 320) and config.model.width == 0.5 and config.train.batch_size == 4
    assert (config.data.train_frames, config.data.eval_frames) == (0, 0)
    assert config.tasks.depth.motion == "recorded" and config.train.steps <= 1000
    network, tasks = assemble(config.model, config.tasks)
    assert {task.name for task in tasks} == TASKS[variant] and network.pose is None


@pytest.mark.parametrize("variant", VARIANTS)
def test_laptop_is_tiny_with_an_encoder_that_knows_pictures(variant):
    tiny, laptop = _get("tiny", variant), _get("laptop", variant)
    assert (laptop.model.encoder, laptop.model.encoder_weights) == ("efficientnet_lite0", "imagenet")
    assert laptop.train.encoder_multiplier < 1 and laptop.model.freeze_statistics
    laptop.model = tiny.model
    for name in ("steps", "learning_rate", "warmup_steps", "encoder_multiplier"):
        setattr(laptop.train, name, getattr(tiny.train, name))
    assert laptop == tiny


def test_tiny_without_a_variant_is_the_headline_one():
    assert configuration.to_dict(_get("tiny")) == configuration.to_dict(_get("tiny", "instance"))


def test_unknown_variant_names_the_variants():
    with pytest.raises(UserError, match=r"tiny.py:lidar.*depth, semantic, instance, panoptic"):
        _get("tiny", "lidar")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_every_config_opens_with_its_command(path):
    text = path.read_text(encoding="utf-8")
    assert f"python -m mtl_depth.main --config=configs/{path.name}" in text.split('"""')[1]
    assert "Expect: " in text
