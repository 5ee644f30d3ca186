"""Kind 16: figures of the documentation are measured as they are read, by commands that still work as they say."""

import argparse
import json
import pathlib
import re
import runpy

import pytest

from mtl_depth.benchmarks import devices
from mtl_depth.config import Config, to_dict

ROOT = pathlib.Path(__file__).parents[2]
VARIANTS = ("depth", "semantic", "instance", "panoptic")
OPTIONS = argparse.Namespace(size=(64, 96), width=0.125, steps=20)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_runs_on_several_devices_are_the_shipped_variants(variant):
    """16: sizes, counts and places are other ones; optimiser, losses and augmentation are not."""
    shipped = to_dict(runpy.run_path(str(ROOT / "configs/tiny.py"))["get_config"](variant))
    ours = to_dict(devices.settings(OPTIONS, variant, pathlib.Path("data"), batch_size=8, devices=4))
    assert ours["tasks"] == shipped["tasks"] and ours["camera"] == shipped["camera"]
    changed = {name for name in ours["train"] if ours["train"][name] != shipped["train"][name]}
    assert changed == {"batch_size", "steps", "log_every", "picture_every", "devices"}


def test_differences_by_hand():
    """16: relative to the first run, at the first step and the largest of all."""
    one = [{"loss": 2.0, "gradient_norm": 10.0}, {"loss": 1.0, "gradient_norm": 4.0}]
    many = [{"loss": 2.0, "gradient_norm": 10.5}, {"loss": 0.9, "gradient_norm": 4.0}]
    found = devices.differences(one, many)
    assert found == pytest.approx(
        {"loss, step 1": 0, "loss, all": 0.1, "gradient norm, step 1": 0.05, "gradient norm, all": 0.05}
    )
    with pytest.raises(ValueError):
        devices.differences(one, many[:1])


def test_the_command_compares_what_the_runs_have_written(tmp_path, monkeypatch, capsys):
    """16: rows of metrics.jsonl of real runs, by device and variant."""
    seen = []

    def train(config: Config, workdir):
        seen.append((config.train.devices, config.train.batch_size))
        workdir.mkdir()
        rows = [{"step": n, "loss": 1 + 0.01 * n * config.train.devices, "gradient_norm": 2.0} for n in (1, 2)]
        (workdir / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    monkeypatch.setattr(devices.train, "run", train)
    monkeypatch.setattr(devices.city, "draw", lambda folder, **_: folder)
    monkeypatch.setattr(devices.city, "build", lambda raw, folder: folder)
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=8")
    path = tmp_path / "devices.json"
    options = ["--variants=depth,panoptic", "--devices=1,2", "--steps=2", f"--json={path}"]
    assert devices.main(options) == 0
    assert seen == [(1, 2), (2, 2)] * 2
    rows = json.loads(path.read_text())["rows"]
    assert [(row["variant"], row["devices"]) for row in rows] == [("depth", 2), ("panoptic", 2)]
    assert rows[0]["loss, step 1"] == pytest.approx(1.02 / 1.01 - 1) and rows[0]["gradient norm, all"] == 0
    assert "| panoptic | 2 " in capsys.readouterr().out
    assert devices.main([*options, "--steps=3"]) == 130  # runs that were stopped are not compared


def test_the_page_holds_both_figures_and_their_command():
    """16: docs/reliability.md has a row for each variant and number of devices beside the unit test's."""
    text = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    assert "python -m mtl_depth.benchmarks.devices" in text and "tests/training/test_step.py" in text
    rows = re.findall(r"^\| (\w+) +\| ([248]) +\|((?: [\d.e-]+ +\|){4})$", text, re.MULTILINE)
    assert [(variant, int(count)) for variant, count, _ in rows] == [(name, n) for name in VARIANTS for n in (2, 4, 8)]
    for _, _, figures in rows:
        first, overall, norm, norms = (float(figure) for figure in figures.strip(" |").split("|"))
        assert first <= overall and norm <= norms


def test_the_rules_of_a_continued_run_are_all_on_the_page():
    """8: what may change, what may with a warning, and what may not: the page names each entry of the table."""
    from mtl_depth.runtime import run_identity

    text = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    for rule in (run_identity.MAY, run_identity.WARNS, run_identity.NOT):
        (line,) = re.findall(rf"^\| {re.escape(rule)} \| (.*) \|$", text, re.MULTILINE)
        named = set(re.findall(r"`([\w.]+)`", line))
        assert named == {name for name, found in run_identity.SETTINGS.items() if found == rule}
