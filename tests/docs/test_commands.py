"""Every command and every Python block of docs/ is run, in order, at a tiny size on a tiny city."""

import importlib.util
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
from mtl_depth.commands import help_text
from mtl_depth.media.video_writer import Film
from tfds_kitti360 import build
from tfds_kitti360.city.__main__ import main as make_city

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
EVERY_PAGE = [ROOT / "README.md", ROOT / "tfds_kitti360" / "README.md", *sorted(DOCS.glob("*.md"))]
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
    "scaling.md": "figures; tests/training/test_scale.py counts what they count",
    "architecture.md": "no commands but the tests'",
    "exactness.md": "no commands but the tests'",
    "references.md": "BibTeX entries",
}
TINY = (
    "--config.data.size=64,96", "--config.model.width=0.125", "--config.train.batch_size=2", "--config.train.steps=2",
    "--config.train.picture_every=0", "--config.train.devices=1", "--config.evaluation.batch_size=2",
)  # fmt: skip
SMALLER = {  # options of the pages that would take long -> what is run instead
    "--drives=6": "--drives=2",
    "--frames=60": "--frames=6",
    "--size=192x704": "--size=94x352",
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
    if words[0] == "mtl-depth":
        assert command_line.run(*words[1:]) == 0, shlex.join(words)
        return
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


@pytest.mark.parametrize("page", FROM_NOTHING)
def test_the_city_of_a_page_is_as_large_as_its_build_asks(page):
    """Other sizes are run here, so this would go unnoticed."""
    text = (DOCS / page).read_text(encoding="utf-8")
    drawn, asked = (re.search(rf"tfds_kitti360\.{module} .*--size=(\d+)x(\d+)", text) for module in ("city", "build"))
    assert all(int(side) >= int(least) for side, least in zip(drawn.groups(), asked.groups() if asked else (192, 640)))


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_module_flag_and_setting_of_a_command_exists(page):
    known = {
        "mtl_depth.main": {f"--{name}" for name in command.flags.FLAGS},
        "tfds_kitti360.build": set(build._parser()._option_string_actions),
    }
    for module, rest in re.findall(r"python -m ([\w.]+)([^\n`#]*)", page.read_text(encoding="utf-8")):
        assert importlib.util.find_spec(module), module
        for flag in re.findall(r"--[\w.]+", rest) if module in known else ():
            if flag.startswith("--config."):
                assert help_text.misspelt(flag.removeprefix("--")) is None, flag
            else:
                assert flag in known[module], f"{module} {flag}"


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", prose):
        assert (page.parent / target).exists(), f"{page} links to {target}"
