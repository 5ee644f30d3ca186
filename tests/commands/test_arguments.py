"""The words of a command line: verbs, configurations by name, paths."""

import pathlib

import pytest

from mtl_depth.commands import arguments

VERBS = ("train", "predict")
DEPTH = str(arguments.CONFIGS / "depth.py")


def flags(*words):
    return arguments.as_flags(["mtl-depth", *words], VERBS, starter=("predict",))[1:]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["predict", "a.png", "--workdir=w"], ["--mode=predict", "a.png", "--workdir=w"]),
        (["--workdir=predict"], ["--workdir=predict"]),
        (["--workdir", "train"], ["--workdir", "train"]),
        (["--mode=train", "--config=depth"], [f"--config={DEPTH}", "--mode=train"]),
        (["train", "-config", "depth", "x"], [f"--config={DEPTH}", "--mode=train", "x"]),
        (["--config.train.steps=3", "--config=depth"], [f"--config={DEPTH}", "--config.train.steps=3"]),
        (["predict", "a.png"], [f"--config={arguments.SAVED}", "--mode=predict", "a.png"]),
        (["train"], ["--mode=train"]),
    ],
)
def test_words_become_flags(words, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert flags(*words) == expected


def test_a_run_has_its_own_configuration(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert flags(f"--workdir={tmp_path}")[0] == f"--config={arguments.SAVED}:{tmp_path}"
    assert flags(f"--workdir={tmp_path}", "--config=depth")[0] == f"--config={DEPTH}"


@pytest.mark.parametrize("name", ["tiny", "tiny.py", "configs/tiny.py", "configs/tiny"])
@pytest.mark.parametrize("variant", ["", ":depth"])
def test_packaged_configurations_are_found_from_any_folder(name, variant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert arguments.config_file(name + variant) == f"{arguments.CONFIGS / 'tiny.py'}{variant}"


def test_a_file_of_the_user_s_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("configs").mkdir()
    pathlib.Path("configs/tiny.py").touch()
    assert arguments.config_file("configs/tiny.py:depth") == "configs/tiny.py:depth"


def test_home_is_filled_in_for_paths_only(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    written = ["--workdir=~/run", "--config.data.data_dir=~/tfds", "--config.weights=~", "--write=~/a", "--input=a~b"]
    home = ["--workdir=/home/me/run", "--config.data.data_dir=/home/me/tfds", "--config.weights=/home/me"]
    assert flags(*written) == [*home, *written[3:]]
