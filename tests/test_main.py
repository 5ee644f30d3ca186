"""Mistakes on the command line: one sentence, exit status 2, no traceback."""

import json
import subprocess
import sys

import pytest
from command_line import run

from mtl_depth import config as configuration

DEPTH = "--config=configs/depth.py"
MISTAKES = {  # tests/messages has the others
    "misspelt config": (["--confg=configs/depth.py"], "did you mean --config?"),
    "misspelt deep setting": ([DEPTH, "--workdir=x", "--config.tasks.depth.moton=recorded"], "did you mean 'motion'?"),
    "old setting": ([DEPTH, "--workdir=x", "--config.model.depth=34"], "did you mean --config.model.encoder=resnet18?"),
    "export nothing": ([DEPTH, "--workdir=absent", "--mode=export", "--output=x"], "absent"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_one_sentence(mistake, capsys):
    arguments, sentence = MISTAKES[mistake]
    status = run(*arguments)
    printed = capsys.readouterr().err
    assert status == 2
    assert printed.startswith("error: ") and sentence in printed
    assert "Traceback" not in printed and len(printed.strip().splitlines()) == 1


def test_a_verb_and_a_word_are_the_flags(monkeypatch, tmp_path):
    called = []
    monkeypatch.setattr("mtl_depth.commands.predict.run", lambda *given, **_: called.append(given))
    workdir = f"--workdir={tmp_path}"
    assert run("predict", "street.png", DEPTH, workdir, "--output=out") == 0
    assert run(DEPTH, workdir, "--mode=predict", "--input=street.png", "--output=out") == 0
    assert called[0][1:] == called[1][1:] == (tmp_path, "street.png", "out")
    assert called[0][0].tasks.depth is not None and not called[0][0].weights


def test_predict_uses_the_starter_or_the_run_s_own_configuration(monkeypatch, tmp_path):
    called = []
    monkeypatch.setattr("mtl_depth.commands.predict.run", lambda config, *_, **__: called.append(config))
    assert run("predict", "street.png", "--config.evaluation.flip=True") == 0
    assert called[0].weights == "starter" and called[0].evaluation.flip
    trained = configuration.Config(data=configuration.Data(stride=3))
    (tmp_path / "config.json").write_text(json.dumps(configuration.to_dict(trained)))
    assert run("predict", "street.png", f"--workdir={tmp_path}", "--config.evaluation.batch_size=2") == 0
    assert called[1].data.stride == 3 and called[1].evaluation.batch_size == 2


def test_a_replay_of_a_file_needs_no_configuration(monkeypatch, tmp_path):
    called = []
    monkeypatch.setattr("mtl_depth.commands.replay.run", lambda *given: called.append(given))
    assert run("replay", "replay_7.npz") == 0 and called[0][1] == "replay_7.npz"


def test_table_is_a_verb(capsys):
    assert run("table", "absent") == 2 and "absent holds no config.json" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help", "--config=tiny:depth"], ["--config=configs/tiny.py:depth", "--help"]])
def test_help_shows_the_values_of_a_configuration(words, capsys):
    with pytest.raises(SystemExit):
        run(*words, "--config.train.log_every=77")
    page = capsys.readouterr().out
    assert "--config.data.size=96,320" in page and "--config.train.log_every=77" in page
    assert "--config.tasks.semantic=build adds it" in page and "--config.tasks.semantic.weight" not in page


@pytest.mark.parametrize("arguments", [["--help"], ["--config.train.steps=3"]])
@pytest.mark.parametrize("module", ["mtl_depth.main", "mtl_depth"])
def test_runs_as_a_module(module, arguments):
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True)
    if arguments == ["--help"]:
        assert done.returncode == 0
        assert "--workdir" in done.stdout and "--config.train.batch_size=8" in done.stdout
        assert "multiples of 32" in done.stdout and "Exit status" in done.stdout and "predict" in done.stdout
    else:
        assert done.returncode == 2 and "Traceback" not in done.stderr


def test_a_reader_may_close_the_pipe():
    piped = f"{sys.executable} -m mtl_depth.main --help | (exec 0<&-; sleep 3)"
    done = subprocess.run(["bash", "-c", f"{piped}; exit ${{PIPESTATUS[0]}}"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
