"""The study's command: what it resumes, and what it reports of what it has."""

import dataclasses
import json

import numpy as np
import pytest

from mtl_depth import config as configurations
from mtl_depth.experiments import scoring, table1, tables
from mtl_depth.experiments.variants import SCALES, configuration

MINIATURE = dataclasses.replace(
    SCALES["small"], cities=(0, 1), streets=2, frames=6, held_out=(2, 3), held_out_frames=8, drawn=(94, 352),
    size=(64, 96), model=configurations.Model(width=0.125), steps=2, batch_size=2,
)  # fmt: skip
LEVEL = {"depth": 0.30, "instance": 0.20, "semantic": 0.30, "panoptic": 0.25}


def scores(name, seed):
    """An evaluation: each seed has a level of its own, each variant a distance from depth alone."""
    depth = dict.fromkeys(("abs_rel", "sq_rel", "rmse", "rmse_log", "delta_1", "delta_2", "delta_3"), 0.5)
    found = {
        "split": "val",
        "frames": 4,
        "depth": {
            "median_scaled": depth | {"abs_rel": LEVEL[name] + 0.1 * seed + 0.001 * (seed == 2)},
            "unscaled": depth,
            "constant": depth | {"abs_rel": 0.6},
            "mean_image": depth,
        },
    }
    if name == "instance":
        found["instance"] = {"pq": 0.1, "ap": 0.0, "ap50": 0.1, "per_class": {"car": {"pq": 0.2 - 0.1 * seed}}}
    return found


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """Trainings and cities that cost nothing; the list of what was trained grows."""
    done = []

    def train(config, folder):
        name, seed = folder.name.split("_seed")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(configurations.to_dict(config)))
        (folder / "metrics.jsonl").write_text(
            "".join(json.dumps({"step": s, "depth/photometric": 1 / s}) + "\n" for s in (1, 2, 3))
        )
        (folder / "evaluation.json").write_text(json.dumps(scores(name, int(seed))))
        done.append(folder.name)

    def score(folder, streets):
        name, seed = folder.name.split("_seed")
        (folder / scoring.HELD_OUT).write_text(json.dumps(scores(name, int(seed))))
        done.append(f"scored {folder.name}")

    monkeypatch.setattr("mtl_depth.commands.train.run", train)
    monkeypatch.setattr("mtl_depth.experiments.scoring.score", score)
    monkeypatch.setattr("mtl_depth.experiments.table1.make_city", lambda out, seed, *_, **__: out / str(seed))
    return done


def study(out, *, names=("depth", "instance"), seeds=2, minutes=None, scale=MINIATURE):
    return table1.run(scale, out, seeds=seeds, names=names, minutes=minutes, command="the command")


def test_all_arms_of_a_seed_come_before_the_next_and_the_held_out_street_last(trained, tmp_path):
    assert study(tmp_path)
    assert trained == [
        "depth_seed0", "instance_seed0", "depth_seed1", "instance_seed1",
        "scored depth_seed0", "scored instance_seed0", "scored depth_seed1", "scored instance_seed1",
    ]  # fmt: skip


def test_what_is_finished_is_not_trained_again(trained, tmp_path):
    study(tmp_path, seeds=1)
    trained.clear()
    study(tmp_path, seeds=2)
    assert [run for run in trained if not run.startswith("scored")] == ["depth_seed1", "instance_seed1"]


def test_no_time_no_training_and_the_report_says_so(trained, tmp_path):
    assert not study(tmp_path, minutes=0.0)
    assert trained == []
    text = (tmp_path / "report.md").read_text()
    assert "## Held-out streets\n\nNot run." in text and "| depth_seed0    | not run |" in text


def test_a_training_that_stops_early_stops_the_study(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("mtl_depth.commands.train.run", lambda config, folder: trained.append(folder.name))
    assert not study(tmp_path)
    assert trained == ["depth_seed0"]


def test_the_minutes_reach_a_training_as_a_signal(trained, tmp_path, monkeypatch):
    """As train.run meets it: SIGTERM, which it turns into a checkpoint."""
    import signal
    import time

    seen = []

    def train(config, folder):
        before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
        end = time.monotonic() + 10
        while not seen and time.monotonic() < end:
            time.sleep(0.01)
        signal.signal(signal.SIGTERM, before)

    monkeypatch.setattr("mtl_depth.commands.train.run", train)
    assert not study(tmp_path, minutes=0.005)
    assert seen == [signal.SIGTERM]


def test_report_in_plain_words(trained, tmp_path):
    study(tmp_path, seeds=3, names=("depth", "instance", "semantic"))
    text = (tmp_path / "report.md").read_text()
    held_out = text[text.index("## Held-out streets") : text.index("## Validation street")]
    # depth alone: 0.3, 0.4, 0.501: mean 0.400, spread 0.1005; instance is 0.1 better in every seed: 25.0 %
    assert "0.400 ± 0.101 (0.555)" in held_out and "0.300 ± 0.101 (0.459)" in held_out
    assert "Depth + Instance helps depth by 10 % or more: AbsRel -25.0%, significant." in held_out
    assert "Depth + Semantics: not significant at this scale, AbsRel +0.0% over 3 seed(s)." in held_out
    # 0.6 / 0.501 = 1.198 < 1 / 0.7
    assert "constant depth's AbsRel / AbsRel at least 1.43: NOT reached by Depth (1.2 in the worst seed)." in held_out
    assert "PQ of cars at least 0.15: NOT reached by Depth + Instance (0 in the worst seed)." in held_out
    assert (tmp_path / "curves.svg").stat().st_size > 1000 and "the command" in text


def test_differences_by_street_are_paired(trained, tmp_path):
    """Depth 0.3 and 0.5 on two streets, instances 0.2 and 0.4: better on both by 0.1, with no spread."""
    by_arm = {"depth": (0.3, 0.5), "instance": (0.2, 0.4)}
    found = {
        (name, seed): {"streets": [{"depth": {"median_scaled": {"abs_rel": value}}} for value in each]}
        for name, each in by_arm.items()
        for seed in range(2)
    }
    row = tables.street_table(found, ["depth", "instance"]).splitlines()[2]
    assert [cell.strip() for cell in row.split("|")[1:-1]] == [
        "Depth + Instance", "2", "-0.1000", "0.0000", "2", "yes",
    ]  # fmt: skip


def test_arms_trained_before_stay_in_the_report(trained, tmp_path):
    study(tmp_path, seeds=1)
    study(tmp_path, seeds=1, names=("semantic",))
    text = (tmp_path / "report.md").read_text()
    assert all(f"| {name}_seed0 " in text for name in ("depth", "instance", "semantic"))
    assert "panoptic" not in text


def test_another_scale_in_the_same_folder_is_refused(trained, tmp_path, capsys):
    study(tmp_path)
    with pytest.raises(table1.UserError, match=r"other settings \(steps\); give another --out"):
        study(tmp_path, scale=dataclasses.replace(MINIATURE, steps=5))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--only=depht"], "error: --only: there is no variant 'depht'; there are depth, semantic,"),
        (["--seeds=0"], "error: --seeds=0: at least one is needed."),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, capsys, options, sentence):
    assert table1.main(["--scale=small", f"--out={tmp_path}", *options]) == 2
    assert capsys.readouterr().err.startswith(sentence)


def on_one_device(*arguments, **options):
    """The tests' processor is cut into eight devices, which do not share two clips."""
    config = configuration(*arguments, **options)
    config.train.devices = 1
    return config


@pytest.mark.slow
def test_the_whole_study_in_miniature(tmp_path, monkeypatch, capsys):
    """Four real cities, two trainings of two steps, a stop between them, scores of all streets, the report."""
    monkeypatch.setitem(SCALES, "small", MINIATURE)
    monkeypatch.setattr("mtl_depth.experiments.variants.configuration", on_one_device)
    options = ["--scale=small", f"--out={tmp_path}", "--seeds=1", "--only=depth,panoptic_guided"]
    assert table1.main([*options, "--minutes=0"]) == 3
    assert table1.main(options) == 0
    for name in ("depth", "panoptic_guided"):
        found = json.loads((tmp_path / "runs" / f"{name}_seed0" / "held_out.json").read_text())
        assert found["split"] == "train" and len(found["streets"]) == 2
        each = [street["depth"]["median_scaled"]["abs_rel"] for street in found["streets"]]
        assert found["depth"]["median_scaled"]["abs_rel"] == pytest.approx(sum(each) / 2)
        assert np.isfinite(found["depth"]["constant"]["abs_rel"])
    text = (tmp_path / "report.md").read_text()
    assert "trained, scored" in text and "![panoptic_guided](figure2_panoptic_guided.png)" in text
    assert (tmp_path / "figure2_panoptic_guided.png").stat().st_size > 1000 and (tmp_path / "curves.svg").exists()
    assert table1.main(options) == 0  # everything is there: nothing is done again
