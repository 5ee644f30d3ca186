"""Mistakes on the command line: one sentence, exit status 2, no traceback."""

import subprocess
import sys

import pytest
from command_line import run

DEPTH = "--config=configs/depth.py"
MISTAKES = {
    "no config": (["--workdir=x"], "--config=FILE is needed"),
    "no workdir": ([DEPTH], "--workdir=DIR is needed"),
    "no such config": (["--config=configs/absent.py", "--workdir=x"], "configs/absent.py"),
    "no such variant": (["--config=configs/tiny.py:dept", "--workdir=x"], "the variants are depth"),
    "misspelt setting": ([DEPTH, "--workdir=x", "--config.train.step=3"], "did you mean 'steps'?"),
    "misspelt section": ([DEPTH, "--workdir=x", "--config.trian.steps=3"], "did you mean 'train'?"),
    "ill-typed setting": ([DEPTH, "--workdir=x", "--config.train.steps=many"], "config.train.steps"),
    "misspelt flag": ([DEPTH, "--workdri=x"], "--workdri is not a flag; did you mean --workdir?"),
    "misspelt config": (["--confg=configs/depth.py"], "did you mean --config?"),
    "misspelt deep setting": ([DEPTH, "--workdir=x", "--config.tasks.depth.moton=recorded"], "did you mean 'motion'?"),
    "setting elsewhere": ([DEPTH, "--workdir=x", "--config.motion=recorded"], "--config.tasks.depth.motion?"),
    "no such mode": ([DEPTH, "--workdir=x", "--mode=trian"], "mode"),
    "word without dashes": ([DEPTH, "--workdir=x", "train"], "'train' is not a flag"),
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


@pytest.mark.parametrize("arguments", [["--help"], ["--config.train.steps=3"]])
def test_runs_as_a_module(arguments):
    done = subprocess.run([sys.executable, "-m", "mtl_depth.main", *arguments], capture_output=True, text=True)
    if arguments == ["--help"]:
        assert done.returncode == 0
        assert "--workdir" in done.stdout and "--config.train.batch_size=8" in done.stdout
        assert "multiples of 32" in done.stdout and "Exit status" in done.stdout and "--mode=predict" in done.stdout
    else:
        assert done.returncode == 2 and "Traceback" not in done.stderr
