"""The label table against one typed by hand and, where reference data are present, the official table."""

import csv

import numpy as np
import pytest

from tfds_kitti360.labels import BY_NAME, LABELS, train_id_from_id

# label id: train id, by hand
TRAINED = {
    7: 0, 8: 1, 11: 2, 34: 2, 12: 3, 13: 4, 35: 4, 17: 5, 37: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12,
    26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18,
}  # fmt: skip


def test_train_ids_are_those_of_the_specification():
    for number in range(256):
        assert train_id_from_id[number] == TRAINED.get(number, 255)
    assert train_id_from_id.dtype == np.uint8 and train_id_from_id.shape == (256,)


def test_the_table_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        train_id_from_id[0] = 1


def test_names_and_order():
    assert [label.id for label in LABELS] == list(range(-1, 45))
    assert BY_NAME["license plate"].id == -1
    assert BY_NAME["car"].color == (0, 0, 142) and BY_NAME["car"].category == "vehicle"
    assert {label.train_id for label in LABELS} == {-1, 255, *range(19)}


def test_the_table_is_the_official_one(excerpt):
    with (excerpt.parent / "kitti360_labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(LABELS)
    for row, label in zip(rows, LABELS):
        color = tuple(int(row[name]) for name in ("red", "green", "blue"))
        flags = tuple(row[name] == "1" for name in ("has_instances", "ignore_in_eval", "ignore_in_instance_eval"))
        assert label == (int(row["id"]), row["name"], int(row["train_id"]), row["category"], *flags, color)
