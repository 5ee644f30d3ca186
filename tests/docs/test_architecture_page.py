"""The tables of docs/architecture.md agree with the code: layers in order, files that exist, names that they define."""

import ast
import pathlib
import re

import pytest
from test_architecture import LAYERS, PACKAGES

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([\w/]+\.py)` \| (.+?) \| .+ \|$", PAGE, re.MULTILINE)


def test_the_layers_are_those_that_are_enforced():
    block = re.search(r"\| layer, from top to bottom .+?\n\n", PAGE, re.DOTALL)[0]
    listed = [set(re.findall(r"`(\w+)`", line.split("|")[1])) for line in block.splitlines()[2:] if line]
    assert listed[0] == set(LAYERS[-2])  # above it, __main__ only calls main
    order = {name: position for position, layer in enumerate(reversed(LAYERS)) for name in layer}
    assert set().union(*listed) == set(order) - {"__main__"}
    positions = [{order[name] for name in names} for names in listed]
    assert all(len(position) == 1 for position in positions) and sorted(positions, key=min) == positions


def test_every_module_of_the_package_is_in_a_layer():
    top = {
        path.stem for path in (ROOT / PACKAGES[0]).iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert top - {"__init__"} == {name for layer in LAYERS for name in layer}


@pytest.mark.parametrize(("file", "names"), ROWS, ids=[file for file, _ in ROWS])
def test_files_define_the_names_that_the_page_gives_them(file, names):
    found = ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
    defined = {node.name for node in found if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert set(re.findall(r"`(\w+)`", names)) <= defined


def test_a_batch_and_a_setting_are_followed_in_ten_steps_each():
    sections = PAGE.split("\n## ")
    for title in ("How a batch", "How a setting"):
        (section,) = (text for text in sections if text.startswith(title))
        assert sum(f"`{file}`" in section for file, _ in ROWS) >= 10
