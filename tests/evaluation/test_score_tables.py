"""Evaluations as text: the numbers where they belong, and plain words where nothing was learnt."""

from mtl_depth.evaluation import score_tables


def _errors(abs_rel):
    return {
        "abs_rel": abs_rel,
        "sq_rel": 1.0,
        "rmse": 5.0,
        "rmse_log": 0.3,
        "delta_1": 0.5,
        "delta_2": 0.7,
        "delta_3": 0.9,
    }


GOOD = {
    "split": "val",
    "frames": 12,
    "depth": {
        "median_scaled": _errors(0.2),
        "unscaled": _errors(0.9),
        "constant": _errors(0.5),
        "mean_image": _errors(0.3),
    },
    "semantic": {"miou": 0.4, "miou_category": 0.6, "per_class": {}, "majority": {"miou": 0.1, "miou_category": 0.2}},
    "instance": {"ap": 0.11, "ap50": 0.22, "pq": 0.33, "sq": 0.44, "rq": 0.55, "per_class": {}},
    "recipe": "how",
}


def test_tables_line_up():
    text = score_tables.aligned([["row", "AbsRel"], ["a long name", "0.1"], ["b", "0.25"]])
    assert text.splitlines() == [
        "| row         | AbsRel |",
        "|-------------|-------:|",
        "| a long name |    0.1 |",
        "| b           |   0.25 |",
    ]


def test_summary_shows_ours_beside_the_trivial_baselines():
    lines = {
        line.split("|")[1].strip(): line for line in score_tables.summary(GOOD).splitlines() if line.startswith("|")
    }
    assert "0.200" in lines["ours, median-scaled"] and "0.900" in lines["ours, unscaled"]
    assert "0.500" in lines["constant depth"] and "0.300" in lines["mean depth image"]
    assert "0.100" in lines["majority label image"]
    for number in ("0.110", "0.220", "0.330"):
        assert number in score_tables.summary(GOOD)
    assert "12 frames" in score_tables.summary(GOOD)
    assert score_tables.verdicts(GOOD) == []


def test_a_model_that_beats_nothing_is_told_so():
    bad = GOOD | {
        "depth": GOOD["depth"] | {"median_scaled": _errors(0.4)},
        "semantic": GOOD["semantic"] | {"miou": 0.1},
    }
    depth, semantic = score_tables.verdicts(bad)
    assert "mean depth image (Abs Rel 0.300)" in depth and "0.400" in depth and "not learned depth" in depth
    assert "majority label image (mIoU 0.100)" in semantic
    assert depth in score_tables.summary(bad)
    constant, _ = score_tables.verdicts({"depth": GOOD["depth"] | {"median_scaled": _errors(float("nan"))}})
    assert "constant depth" in constant


def test_absent_sections_and_values():
    text = score_tables.summary({"split": "val", "frames": 1, "report_head": _errors(0.05), "recipe": "how"})
    assert "value map" in text and "0.050" in text and "depth" not in text
    assert score_tables.number(None) == score_tables.number(float("nan")) == "-"
