"""The notebook examples/first_look.ipynb runs in an empty folder and keeps small outputs."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "examples" / "first_look.ipynb"
SMALL = 200_000  # bytes; a picture is some ten thousand


@pytest.mark.slow
def test_every_cell_runs_and_answers_as_kept(tmp_path, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("XLA_FLAGS", raising=False)  # the eight devices of the tests, which four clips cannot share
    kept = nbformat.read(NOTEBOOK, as_version=4)
    ran = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(ran, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    for before, after in zip(kept.cells, ran.cells):
        if before.cell_type == "code":
            assert kinds(before) == kinds(after), before.source
    depths = next(cell for cell in ran.cells if "starter.depth(picture" in cell.source)
    assert "depth in metres" in depths.outputs[0].text


def kinds(cell) -> set[str]:
    """What a cell has put out: the names of its streams, and the types of what it shows."""
    return {output.get("name") or "/".join(sorted(output.data)) for output in cell.outputs}


def test_the_kept_outputs_are_small_and_name_no_place():
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert 20_000 < len(text) < SMALL
    words = re.sub(r'"image/\w+": ".*"', "", text).replace("/dev/null", "")  # base64 is full of slashes
    assert not re.search(r"(?<![\w./<:*])/\w+/\w", words) and "file://" not in words  # no absolute path
