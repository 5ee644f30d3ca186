"""Submissions read back as the benchmark's server reads them."""

import cv2
import numpy as np
import pytest

from mtl_depth.errors import UserError
from mtl_depth.evaluation import submission

SIZE, SMALL = (20, 40), (10, 20)
CAR, PERSON, ROAD = 26, 24, 7


@pytest.fixture
def root(tmp_path):
    """Two test drives of two pictures and one; frame numbers as the download has them."""
    for drive, frames in (("0018", (7,)), ("0008", (2, 1040))):
        images = tmp_path / "raw" / "data_2d_test" / f"2013_05_28_drive_{drive}_sync" / "image_00" / "data_rect"
        images.mkdir(parents=True)
        for frame in frames:
            cv2.imwrite(str(images / f"{frame:010d}.png"), np.full((*SIZE, 3), frame % 256, np.uint8))
    return tmp_path / "raw"


def perceive(image):
    """A car left, a person right, road below; logits say the same at half the size."""
    assert image.shape[1:] == (*SIZE, 3) and image.max() <= 1
    labels = np.full((len(image), *SMALL), ROAD, np.uint8)
    labels[:, :5, :10], labels[:, :5, 10:] = CAR, PERSON
    instances = np.where(labels == CAR, CAR * 1000 + 2, np.where(labels == PERSON, PERSON * 1000 + 1, 0))
    return {"labels": labels, "instances": instances, "scores": np.tile([[0.25, 0.75]], (len(image), 1))}


def test_every_picture_has_its_files_in_one_folder(root, tmp_path):
    assert submission.write(root, tmp_path / "out", perceive) == 3
    stems = {"0008_0000000002", "0008_0000001040", "0018_0000000007"}
    assert {path.name for path in (tmp_path / "out" / "semantic").iterdir()} == {f"{stem}.png" for stem in stems}
    assert {path.stem for path in (tmp_path / "out" / "instance").glob("*.txt")} == stems


@pytest.mark.parametrize("batch_size", [1, 2])
def test_read_back(root, tmp_path, batch_size):
    submission.write(root, tmp_path / "out", perceive, batch_size=batch_size)
    labels = cv2.imread(str(tmp_path / "out" / "semantic" / "0008_0000001040.png"), cv2.IMREAD_UNCHANGED)
    expected = np.full(SIZE, ROAD, np.uint8)
    expected[:10, :20], expected[:10, 20:] = CAR, PERSON
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, expected)
    lines = (tmp_path / "out" / "instance" / "0008_0000001040.txt").read_text().splitlines()
    found = {}
    for line in lines:
        mask, label_id, confidence = line.split()
        picture = cv2.imread(str(tmp_path / "out" / "instance" / mask), cv2.IMREAD_UNCHANGED)
        assert set(np.unique(picture)) == {0, 255}
        found[int(label_id)] = (float(confidence), picture > 0)
    assert {label_id: score for label_id, (score, _) in found.items()} == {CAR: 0.75, PERSON: 0.25}
    for label_id, (_, mask) in found.items():
        np.testing.assert_array_equal(mask, expected == label_id)


def test_logits_are_interpolated_before_the_class_is_chosen(root, tmp_path):
    """Half-way between pixels the stronger logit wins, where labels would be repeated in blocks."""
    logits = np.zeros((1, *SMALL, 19), np.float32)
    logits[..., :10, 0], logits[..., 10:, 13] = 1.0, 3.0  # road, car
    answers = {"semantic": logits, "labels": np.zeros((1, *SMALL), np.uint8)}
    labels = submission.label_ids(answers, 0, SIZE)
    # between columns 9 and 10: weights 3/4, 1/4 -> 0.75 against 0.75 at 19; the car wins from there on, not from 20
    assert labels[0, 18] == ROAD and labels[0, 20] == CAR and set(np.unique(labels)) == {ROAD, CAR}


def test_a_picture_without_instances_has_an_empty_list(root, tmp_path):
    def nothing(image):
        return {"instances": np.zeros((len(image), *SMALL), np.int32), "scores": np.zeros((len(image), 2))}

    submission.write(root, tmp_path / "out", nothing)
    assert (tmp_path / "out" / "instance" / "0018_0000000007.txt").read_text() == ""
    assert not (tmp_path / "out" / "semantic").exists()


def test_mistakes_are_one_sentence(root, tmp_path):
    with pytest.raises(UserError, match="holds no data_2d_test/<drive>/image_00/data_rect"):
        submission.write(tmp_path, tmp_path / "out", perceive)
    with pytest.raises(UserError, match="predicts depth only; a submission needs semantics or instances"):
        submission.write(root, tmp_path / "out", lambda image: {"depth": np.ones((len(image), *SMALL))})
