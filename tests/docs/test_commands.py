"""Every command and every Python block of docs/ is run, in order, at a tiny size on a tiny city."""

import pathlib
import re
import shlex
import subprocess
import sys

import command_line
import cv2
import numpy as np
import pytest

from mtl_depth import main as command
from mtl_depth import table
from mtl_depth.film import Film
from tfds_kitti360 import build
from tfds_kitti360.city.__main__ import main as make_city

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
# Pages whose blocks are run here. A page with words of its own in capitals (RUN, VIDEO) finds them in `places`.
PAGES = ("kitti360.md", "numbers.md", "use.md")
FROM_NOTHING = ("kitti360.md",)  # pages that make their data set themselves
ELSEWHERE = {
    "add_a_task.md": "tests/docs/test_add_a_task.py applies it to a copy of the program",
    "own_video.md": "tests/docs/test_own_video.py runs it on a video",
    "experiments.md": "its command trains for hours; tests/experiments runs its parts",
    "performance.md": "figures; tests/benchmarks runs what measured them",
    "performance_input.md": "figures; tests/benchmarks runs what measured them",
    "reliability.md": "tables; tests/reliability runs what made them",
    "scaling.md": "tables; tests/reliability runs what made them",
    "design.md": "no commands but the tests'",
    "exactness.md": "no commands but the tests'",
}
TINY = (
    "--config.data.size=64,96", "--config.model.width=0.125", "--config.train.batch_size=2", "--config.train.steps=2",
    "--config.train.picture_every=0", "--config.train.devices=1", "--config.evaluation.batch_size=2",
)  # fmt: skip
SMALLER = {  # options of the pages that would take long -> what is run instead
    "--drives=6": "--drives=2",
    "--frames=60": "--frames=6",
    "--size=188x704": "--size=94x352",
    "--workers=8": "--workers=1",
}


def blocks(page: str) -> list[tuple[str, str]]:
    """(language, text) of the fenced blocks of a page."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """The command lines of a block, backslashes at their ends joined, comments gone."""
    return [words for line in text.replace("\\\n", " ").splitlines() if (words := shlex.split(line, comments=True))]


def run_command(words: list[str], places: dict[str, str]) -> None:
    """Runs one line in this process where that is possible."""
    words = [SMALLER.get(word, _placed(word, places)) for word in words]
    if words[0] == "pip":
        return  # the test environment has it installed
    assert words[:2] == ["python", "-m"], f"no test knows how to run {shlex.join(words)}"
    module, arguments = words[2], words[3:]
    if module == "mtl_depth.main":
        status = command_line.run(*arguments, *TINY)
    elif module == "tfds_kitti360.build":
        status = build.main([*arguments, "--size=64x96"])
    elif module == "tfds_kitti360.city":
        status = make_city(arguments)
    elif module == "mtl_depth.table":
        status = table.main(arguments)
    else:
        status = subprocess.run([sys.executable, "-m", module, *arguments]).returncode
    assert status == 0, shlex.join(words)


def _placed(text: str, places: dict[str, str]) -> str:
    for name, path in places.items():
        text = re.sub(rf"(?<![\w/]){re.escape(name)}(?![A-Z_])", path, text)
    return text


@pytest.fixture(scope="module")
def places(city, built_city, tmp_path_factory) -> dict[str, str]:
    """What the words in capitals stand for."""
    root = tmp_path_factory.mktemp("docs")
    picture = np.random.default_rng(0).integers(0, 255, (94, 352, 3), np.uint8)
    (root / "pictures").mkdir()
    (root / "truth").mkdir()
    film = Film(root / "drive.mp4", 10.0)
    for name in ("a", "b"):
        cv2.imwrite(str(root / "pictures" / f"{name}.png"), picture)
        cv2.imwrite(str(root / "truth" / f"{name}.png"), np.full((94, 352), 2560, np.uint16))
        film.add([picture])
    film.close()
    found = {
        "KITTI360_ROOT": str(city),
        "TFDS_DIR": str(built_city),
        "PICTURES": str(root / "pictures"),
        "PICTURE": str(root / "pictures" / "a.png"),
        "VIDEO": str(root / "drive.mp4"),
        "TRUTH": str(root / "truth"),
        "RUN": str(root / "run"),
        "runs/": f"{root}/runs/",
        "out/": f"{root}/out/",
    }
    train = ["python", "-m", "mtl_depth.main", "--config=configs/tiny.py:depth", "--workdir=RUN"]
    run_command([*train, "--config.data.data_dir=TFDS_DIR"], found)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_block_runs(page, places):
    ran = 0
    if page in FROM_NOTHING:
        places = places | {name: f"{places[name]}_of_the_page" for name in ("KITTI360_ROOT", "TFDS_DIR")}
    for language, text in blocks(page):
        if language == "sh":
            for words in commands(text):
                run_command(words, places)
                ran += 1
        elif language == "python":
            exec(compile(_placed(text, places), f"{page}", "exec"), {})
            ran += 1
    assert ran >= 3


def test_every_page_is_tested_somewhere():
    here = {page.name for page in DOCS.glob("*.md")}
    assert set(PAGES) <= here <= set(PAGES) | set(ELSEWHERE), "a page of docs/ belongs into PAGES or ELSEWHERE"


@pytest.mark.parametrize("page", [*PAGES, "add_a_task.md"])
def test_every_flag_of_the_pages_exists(page):
    for text in (text for language, text in blocks(page) if language == "sh"):
        for words in commands(text):
            if "mtl_depth.main" in words:
                flags = [word for word in words[3:] if not word.startswith(("--config.", "--config="))]
                assert all(word.split("=")[0].lstrip("-") in command.flags.FLAGS for word in flags), words


@pytest.mark.parametrize("page", sorted(page.name for page in DOCS.glob("*.md")))
def test_links_lead_somewhere(page):
    prose = re.sub(r"^```.*?^```$", "", (DOCS / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", prose):
        assert (DOCS / target).exists(), f"{page} links to {target}"
