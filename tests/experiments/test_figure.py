"""The figure of the README is drawn in the style of the code, and shows what the command draws."""

import pathlib

import PIL.Image
import pytest

from mtl_depth.experiments import figure
from mtl_depth.media import visualize

FIGURE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "figure.png"


def test_the_figure_of_the_readme_has_the_style_of_the_code():
    with PIL.Image.open(FIGURE) as picture:
        drawn = picture.text.get(figure.STYLE)
    assert drawn == figure.style(), "draw docs/figure.png again: python -m mtl_depth.experiments.figure"


def test_another_style_has_another_digest(monkeypatch):
    before = figure.style()
    assert figure.style() == before
    monkeypatch.setattr(visualize, "INK", (0, 0, 0))
    assert figure.style() != before


@pytest.mark.slow
def test_the_command_draws_it(tmp_path, monkeypatch):
    for name, smaller in (("DRIVES", 1), ("FRAMES", 3), ("SIZE", (64, 224))):
        monkeypatch.setattr(figure, name, smaller)
    assert figure.main([f"--out={tmp_path}/figure.png"]) == 0
    with PIL.Image.open(tmp_path / "figure.png") as picture:
        assert picture.text[figure.STYLE] == figure.style() and picture.height > 4 * 100
