"""Mistakes on the command line: one sentence, exit status 2, no traceback."""

import json
import subprocess
import sys

import pytest
from command_line import run

from mtl_depth import config as configuration

DEPTH = "--config=configs/depth.py"
MISTAKES = {
    "no config": (["--workdir=x"], "--config=FILE is needed"),
    "no workdir": ([DEPTH], "--workdir=DIR is needed"),
    "no such config": (["--config=configs/absent.py", "--workdir=x"], "configs/absent.py"),
    "no such variant": (["--config=configs/tiny.py:dept", "--workdir=x"], "the variants are depth"),
    "misspelt setting": ([DEPTH, "--workdir=x", "--config.train.step=3"], "did you mean 'steps'?"),
    "misspelt section": ([DEPTH, "--workdir=x", "--config.trian.steps=3"], "did you mean 'train'?"),
    "ill-typed setting": ([DEPTH, "--workdir=x", "--config.train.steps=many"], "takes a whole number or None"),
    "misspelt flag": ([DEPTH, "--workdri=x"], "--workdri is not a flag; did you mean --workdir?"),
    "misspelt config": (["--confg=configs/depth.py"], "did you mean --config?"),
    "misspelt deep setting": ([DEPTH, "--workdir=x", "--config.tasks.depth.moton=recorded"], "did you mean 'motion'?"),
    "setting elsewhere": ([DEPTH, "--workdir=x", "--config.motion=recorded"], "--config.tasks.depth.motion?"),
    "no such mode": ([DEPTH, "--workdir=x", "--mode=eval"], "--mode=eval does not exist; did you mean 'evaluate'?"),
    "no such verb": (["trian", DEPTH, "--workdir=x"], "did you mean the verb train, as the first word?"),
    "word without dashes": ([DEPTH, "--workdir=x", "streets"], "'streets' is not a flag; write flags as --name=value"),
    "section left out": ([DEPTH, "--workdir=x", "--config.tasks.semantic.weight=1"], "add --config.tasks.semantic=bu"),
    "setting without config": (["--config.train.steps=3"], "--config=FILE is needed"),
    "odd size": ([DEPTH, "--workdir=x", "--config.data.size=100,320"], "multiple of 32"),
    "batch over devices": ([DEPTH, "--workdir=x", "--config.train.batch_size=12"], "multiple of 8"),
    "no task": ([DEPTH, "--workdir=x", "--config.tasks.depth=None"], "No task is set"),
    "unknown motion": ([DEPTH, "--workdir=x", "--config.tasks.depth.motion=known"], "predicted, recorded"),
    "empty range": ([DEPTH, "--workdir=x", "--config.tasks.depth.nearest=200"], "in this order"),
    "unknown dtype": ([DEPTH, "--workdir=x", "--config.model.dtype=half"], "float32, bfloat16"),
    "unknown encoder": ([DEPTH, "--workdir=x", "--config.model.encoder=resnet20"], "one of resnet18, resnet34"),
    "old setting": ([DEPTH, "--workdir=x", "--config.model.depth=34"], "did you mean --config.model.encoder=resnet18?"),
    "no data set": ([DEPTH, "--workdir=x", "--config.data.data_dir=absent"], "tfds_kitti360.build"),
    "evaluate nothing": ([DEPTH, "--workdir=absent", "--mode=evaluate"], "absent"),
    "predict nothing": ([DEPTH, "--workdir=absent", "--mode=predict", "--input=absent.png"], "absent"),
    "predict what is not there": ([DEPTH, "--workdir=x", "--mode=predict", "--write=clouds"], "there are all, depth"),
    "no intrinsics": ([DEPTH, "--workdir=x", "--mode=predict", "--intrinsics=1,2,3"], "neither four numbers"),
    "truth without pictures": ([DEPTH, "--workdir=x", "--mode=evaluate", "--truth=x"], "needs the pictures too"),
    "pictures without truth": ([DEPTH, "--workdir=x", "--mode=evaluate", "--input=x"], "needs --truth=FOLDER too"),
    "flag of another mode": ([DEPTH, "--workdir=x", "--write=cloud"], "--write is for --mode=predict, not for"),
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
