"""Table 1: the report's numbers, ours beside them, the best in bold, what has learnt nothing."""

import json

import pytest

from mtl_depth import config as configuration
from mtl_depth import table

METRICS = ("abs_rel", "sq_rel", "rmse", "delta_1", "delta_2", "delta_3")


def _errors(*values):
    return dict(zip(METRICS, values)) | {"rmse_log": 0.3}


GOOD = _errors(0.2, 1.5, 5.0, 0.8, 0.9, 0.95)
BETTER = _errors(0.15, 1.6, 4.0, 0.85, 0.9, 0.96)
UNSCALED = _errors(0.7, 9.0, 11.0, 0.1, 0.2, 0.3)
CONSTANT = _errors(0.5, 7.0, 9.0, 0.3, 0.5, 0.7)


def _run(folder, depth, *, frames=10, weights="", split="val", sections=None, **tasks):
    config = configuration.Config(tasks=configuration.Tasks(depth=configuration.DepthTask(), **tasks), weights=weights)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(configuration.to_dict(config)))
    evaluation = {
        "split": split,
        "frames": frames,
        "depth": {"median_scaled": depth, "unscaled": UNSCALED, "constant": CONSTANT, "mean_image": GOOD},
        "recipe": "the recipe",
    }
    (folder / "evaluation.json").write_text(json.dumps(evaluation | (sections or {})))
    return str(folder)


def _cells(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


@pytest.fixture
def runs(tmp_path):
    instance = configuration.InstanceTask()
    scores = {"instance": {"ap": 0.1, "ap50": 0.2, "pq": 0.3, "sq": 0.4, "rq": 0.5, "per_class": {}}}
    return [
        _run(tmp_path / "ours", BETTER, instance=instance, sections=scores),
        _run(tmp_path / "alone", GOOD),
        _run(tmp_path / "published", CONSTANT, weights="somewhere"),
    ]


def test_table_has_the_report_beside_ours(runs, capsys):
    assert table.main(runs) == 0
    text = capsys.readouterr().out
    cells = _cells(text)
    assert cells[0] == ["run", "", "AbsRel", "SqRel", "RMSE", "d<1.25", "d<1.25^2", "d<1.25^3"]
    rows = [row for row in cells[2:]]
    assert rows[0][:3] == ["Baseline (Monodepth2, KITTI) (published)", "depth, median-scaled", "0.500 (0.525)"]
    assert rows[1][:3] == ["", "depth, unscaled", "**0.700**"]
    assert rows[2][:4] == ["Depth (alone)", "depth, median-scaled", "0.200 (0.555)", "**1.500** (16.409)"]
    assert rows[4][:4] == ["Depth + Instance (ours)", "depth, median-scaled", "**0.150** (0.459)", "1.600 (10.783)"]
    assert rows[4][5:] == ["**0.850** (0.443)", "**0.900** (0.692)", "**0.960** (0.827)"]
    assert rows[6][:3] == ["Trivial", "constant depth", "0.500"] and rows[7][1:3] == ["mean depth image", "0.200"]
    assert rows[8] == ["instance", "PQ", "SQ", "RQ", "AP", "AP50"]
    assert rows[10] == ["Depth + Instance (ours)", "0.300", "0.400", "0.500", "0.100", "0.200"]
    assert "Depth + Instance against Depth: AbsRel -25% (report: -17%)." in text
    assert "the recipe" in text


def test_a_run_that_beats_nothing_is_named(runs, capsys):
    table.main(runs[2:])
    text = capsys.readouterr().out
    assert text.count("NOT BEATEN") == 2
    assert "**0.500**" not in text and "**0.200**" in text  # a trivial baseline that wins is the one in bold


def test_the_report_head_has_the_report_s_columns(tmp_path, capsys):
    values = _errors(0.06, 0.01, 0.02, 0.9, 0.95, 0.99)
    head = configuration.SemanticTask(head="report")
    table.main([_run(tmp_path / "run", GOOD, semantic=head, sections={"report_head": values})])
    text = capsys.readouterr().out
    row = next(row for row in _cells(text) if "value map" in row[1])
    assert row[1:4] == ["semantics (value map)", "0.060 (0.051)", "0.010 (0.002)"]
    assert "inferred" in text


def test_runs_on_different_frames_are_not_compared_in_silence(tmp_path, capsys):
    table.main([_run(tmp_path / "a", GOOD), _run(tmp_path / "b", BETTER, frames=11)])
    assert "cannot be compared" in capsys.readouterr().out


def test_json_holds_the_same(runs, tmp_path, capsys):
    assert table.main([*runs, f"--json={tmp_path / 'table.json'}"]) == 0
    values = json.loads((tmp_path / "table.json").read_text())
    assert [run["kind"] for run in values["runs"]] == [table.BASELINE, table.DEPTH, table.INSTANCES]
    first = values["table"][0]
    assert first["ours"]["abs_rel"] == 0.5 and first["report"] == dict(
        zip(METRICS, table.REPORT[table.BASELINE, "depth"])
    )


def test_the_report_s_claim_is_in_its_numbers():
    depth = {kind: table.REPORT[kind, "depth"][0] for kind in table.ORDER}
    assert round(depth[table.INSTANCES] / depth[table.DEPTH] - 1, 2) == -0.17
    assert round(depth[table.SEMANTICS] / depth[table.DEPTH] - 1, 2) == 0.16


def test_a_folder_without_evaluation_is_refused(tmp_path, capsys):
    assert table.main([str(tmp_path)]) == 2
    assert "error:" in capsys.readouterr().err


def test_a_json_that_cannot_be_written_is_a_sentence(runs, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert table.main([str(runs[0]), f"--json={tmp_path / 'file' / 'table.json'}"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'file'} cannot be used")
