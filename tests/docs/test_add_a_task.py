"""docs/add_a_task.md, applied to a copy of the program as it says, trains, is scored and shown."""

import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "add_a_task.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
TINY = (
    "--config.data.size=64,96", "--config.model.width=0.125", "--config.train.batch_size=2", "--config.train.steps=2",
    "--config.train.log_every=1", "--config.train.picture_every=2", "--config.train.devices=1",
    "--config.evaluation.batch_size=2",
)  # fmt: skip


def apply(copy: pathlib.Path) -> None:
    """Does with the page's Python blocks what their first lines say."""
    for text in (text for language, text in BLOCKS if language == "python"):
        place, body = text.removeprefix("# ").split("\n", 1)
        name, _, how = place.partition(", ")
        file = copy / name
        if not how:
            assert not file.exists(), f"{name} is there already"
            file.write_text(body, encoding="utf-8")
            continue
        source = file.read_text(encoding="utf-8")
        if how == "above Tasks":
            changed = source.replace(
                "@dataclasses.dataclass\nclass Tasks:", f"{body}\n\n@dataclasses.dataclass\nclass Tasks:"
            )
        elif how == "in Tasks":
            changed = re.sub(r"(class Tasks:.*?)(\n\n\n)", rf"\1\n{body.rstrip()}\2", source, count=1, flags=re.DOTALL)
        else:
            assert how == "instead of the same two lines", how
            changed = source
            for line in filter(None, body.splitlines()):
                start = re.match(r"(MODULES = |from mtl_depth.tasks import )", line)[1]
                changed = re.sub(rf"^{re.escape(start)}.*$", line, changed, count=1, flags=re.MULTILINE)
        assert changed != source, f"{place}: nothing was changed"
        file.write_text(changed, encoding="utf-8")


def test_it_is_about_60_lines():
    lines = [line for language, text in BLOCKS if language == "python" for line in text.splitlines() if line.strip()]
    assert len(lines) < 90


@pytest.mark.slow
def test_the_page_works(built_city, tmp_path):
    for name in ("mtl_depth", "tfds_kitti360", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    apply(tmp_path)
    (line,) = [text for language, text in BLOCKS if language == "sh"]
    words = [word.replace("TFDS_DIR", str(built_city)) for word in shlex.split(line)]
    for more in ([], ["--mode=evaluate"], ["--mode=predict"]):
        done = subprocess.run([sys.executable, *words[1:], *TINY, *more], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "sky"
    assert 0 <= json.loads((run / "evaluation.json").read_text())["sky"]["iou"] <= 1
    assert "sky/cross_entropy" in (run / "metrics.jsonl").read_text()
    assert "depth, sky" in (run / "model_card.md").read_text()
    help_page = subprocess.run([sys.executable, *words[1:3], "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert "--config.tasks.sky.weight=1.0" in help_page.stdout
