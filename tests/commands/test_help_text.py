"""`--help` and the hints: complete, because they are read from config.py itself."""

import dataclasses

import pytest

from mtl_depth.commands import help_text
from mtl_depth.config import Config, DepthTask, InstanceTask, ReconstructionTask, SemanticTask, Tasks, to_dict

EVERYTHING = [(prefix, *entry) for prefix, section in help_text.sections() for entry in help_text.settings(section())]


@pytest.mark.parametrize("setting", EVERYTHING, ids=lambda setting: f"{setting[0]}.{setting[1]}")
def test_every_setting_has_a_meaning(setting):
    assert len(setting[3]) > 5, "write a comment behind the setting in mtl_depth/config.py; --help shows it"


def test_no_setting_is_left_out():
    everything = Config(
        tasks=Tasks(
            depth=DepthTask(), semantic=SemanticTask(), instance=InstanceTask(), reconstruction=ReconstructionTask()
        )
    )

    def names(values, prefix):
        for name, value in values.items():
            yield from names(value, f"{prefix}.{name}") if isinstance(value, dict) else [f"{prefix}.{name}"]

    assert sorted(f"{prefix}.{name}" for prefix, name, *_ in EVERYTHING) == sorted(names(to_dict(everything), "config"))


def test_defaults_are_shown_as_they_are_written():
    shown = {f"{prefix}.{name}": default for prefix, name, default, _ in EVERYTHING}
    assert shown["config.data.size"] == "192,640" and shown["config.train.batch_size"] == "8"
    assert shown["config.train.steps"] == "None" and shown["config.evaluation.flip"] == "False"


def test_the_page_has_modes_flags_settings_and_exit_status():
    page = help_text.text("Usage.", {"sing": "sings"}, [("volume", "11", "how loud")], config=None)
    assert page.startswith("Usage.") and "  sing" in page and "--volume=11" in page and "how loud" in page
    assert all(f"--{prefix}.{name}={default}" in page for prefix, name, default, _ in EVERYTHING)
    assert all(len(line) <= help_text.WIDTH for line in page.splitlines() if "--" not in line)
    assert "Exit status" in page


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("config.train.step", "did you mean 'steps'?"),
        ("config.trian.steps", "did you mean 'train'?"),
        ("config.tasks.depth.moton", "did you mean 'motion'?"),
        ("config.motion", "did you mean --config.tasks.depth.motion?"),
        ("config.evaluation.zzz", "there are split, checkpoint"),
        ("config.train.steps.more", "config.train.steps is a single setting"),
    ],
)
def test_misspelt_settings(path, hint):
    assert hint in help_text.misspelt(path)


def test_settings_that_exist_are_not_misspelt():
    assert help_text.misspelt("config.tasks.depth.motion") is None
    assert help_text.misspelt("config.tasks.depth") is None
    assert all(dataclasses.is_dataclass(section) for _, section in help_text.sections())


def test_misspelt_flags():
    assert help_text.nearest_flag("--workdri=x", ["workdir", "mode"]) == "did you mean --workdir?"
    assert help_text.nearest_flag("--zzz", ["workdir"]) == "--help lists all flags."


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("flag --mode=eval: value should be", "--mode=eval does not exist; did you mean 'evaluate'?"),
        ("flag --mode=zzz: value should be", "--mode=zzz does not exist; choose one of train, evaluate."),
        ("flag --config.train.steps=a: invalid", "--config.train.steps=a cannot be used; it takes a whole number or N"),
        ("flag --config.train.augment=a: Non-boolean", "--config.train.augment=a cannot be used; it takes True or F"),
        ("flag --truth_scale=a: could not", "--truth_scale=a cannot be used; it takes a number."),
        ("Missing value for flag --input", "Missing value for flag --input"),
    ],
)
def test_refused_values(reason, sentence):
    assert help_text.refused(reason, ["train", "evaluate"]).startswith(sentence)


def test_words_that_are_no_verbs():
    assert help_text.nearest_verb("predct", ["predict"]) == "did you mean the verb predict, as the first word?"
    assert help_text.nearest_verb("zzz", ["predict"]) == "write flags as --name=value."
