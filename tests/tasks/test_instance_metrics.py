"""Instance metrics of whole pictures against an independent reference, in every order of merging."""

import itertools

import numpy as np
import pytest

from mtl_depth.errors import UserError
from mtl_depth.tasks import instance_metrics
from mtl_depth.tasks.base import add

THINGS = {"car": 26, "person": 24, "building": 11}
OTHERS = (7, 21, 34, 0)  # road and vegetation; garage and unlabelled are void
VOID = (34, 0)
SIZE = (24, 30)


def _reference(pictures, official_void):
    """AP as Cityscapes counts it and PQ as Kirillov et al. define it, with boolean masks of whole pictures."""
    found = {}
    for name, label_id in THINGS.items():
        aps = []
        for threshold in (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95):
            positives, negatives, truths = [], [], 0
            for truth, predicted, scores, weight in pictures:
                void = (truth == 0) if official_void else np.isin(truth // 1000, VOID)
                true = [truth == value for value in np.unique(truth) if value // 1000 == label_id]
                guesses = [
                    (predicted == v, scores[v % 1000 - 1]) for v in np.unique(predicted) if v // 1000 == label_id
                ]
                guesses = [(mask, score) for mask, score in guesses if weight[mask].sum() > 0]
                small = [mask for mask in true if weight[mask].sum() < 100]
                large = [mask for mask in true if weight[mask].sum() >= 100]
                truths += len(large)
                for mask, score in guesses:
                    ious = [weight[mask & t].sum() / weight[mask | t].sum() for t in large]
                    if any(iou > threshold for iou in ious):  # masks do not overlap, so no truth is matched twice
                        positives.append(score)
                        continue
                    if any(weight[mask & t].sum() / weight[mask | t].sum() > threshold for t in small):
                        continue
                    excused = weight[mask & void].sum() + sum(weight[mask & t].sum() for t in small)
                    if excused / weight[mask].sum() <= threshold:
                        negatives.append(score)
            if truths:
                aps.append(_area(positives, negatives, truths))
        iou = matched = false = missed = 0
        for truth, predicted, _, weight in pictures:
            void = (truth == 0) if official_void else np.isin(truth // 1000, VOID)
            true = [truth == value for value in np.unique(truth) if value // 1000 == label_id]
            true = [mask for mask in true if weight[mask].sum() > 0]
            guesses = [predicted == value for value in np.unique(predicted) if value // 1000 == label_id]
            guesses = [mask for mask in guesses if weight[mask].sum() > 0]
            matches = {}
            for t, g in itertools.product(range(len(true)), range(len(guesses))):
                value = weight[true[t] & guesses[g]].sum() / weight[true[t] | (guesses[g] & ~void)].sum()
                if value > 0.5:
                    matches[t, g] = value
            iou += sum(matches.values())
            matched += len(matches)
            missed += len(true) - len(matches)
            unmatched = set(range(len(guesses))) - {g for _, g in matches}
            false += sum(weight[guesses[g] & void].sum() / weight[guesses[g]].sum() <= 0.5 for g in unmatched)
        numbers = {"ap": np.mean(aps), "ap50": aps[0]} if aps else {}
        if matched + missed + false:
            size = matched + missed / 2 + false / 2
            numbers |= {"pq": iou / size, "sq": iou / matched if matched else 0.0, "rq": matched / size}
        if numbers:
            found[name] = numbers
    return found


def _area(positives, negatives, truths):
    """Precision at every distinct score times half the distance in recall between the scores above and below."""
    cuts = sorted({*positives, *negatives}, reverse=True)
    if not cuts:
        return 0.0
    hits = [sum(score >= cut for score in positives) for cut in cuts]
    recall = [0.0, *(hit / truths for hit in hits)]
    precision = [1.0, *(hit / (hit + sum(s >= cut for s in negatives)) for hit, cut in zip(hits, cuts))]
    ends = [0.0, *recall, recall[-1]]
    return sum(p * (ends[i + 2] - ends[i]) / 2 for i, p in enumerate(precision))


def _picture(rng):
    """Rectangles of things on stuff, and a prediction that moves, drops, renames or invents some of them."""
    truth = np.repeat(rng.choice(OTHERS, SIZE[0]), SIZE[1]).reshape(SIZE) * 1000
    predicted = np.zeros(SIZE, int)
    number = 0
    for _ in range(rng.integers(0, 5)):
        top, left = rng.integers(0, 14), rng.integers(0, 18)
        height, width = rng.integers(6, 15, 2)
        label = rng.choice(list(THINGS.values()))
        truth[top : top + height, left : left + width] = label * 1000 + rng.integers(0, 4)
        if rng.random() < 0.8:
            number += 1
            top, left = top + rng.integers(0, 3), left + rng.integers(0, 3)
            guess = label if rng.random() < 0.8 else 26
            predicted[top : top + height, left : left + width] = guess * 1000 + number
    scores = rng.choice(np.linspace(0.1, 1, 8), 5)  # equal scores happen
    weight = np.ones(SIZE) if rng.random() < 0.5 else rng.integers(20000, 65536, SIZE) / 65535
    return truth, predicted, scores, weight


def _summary(sums):
    return instance_metrics._summarise(sums).get("instance", {"per_class": {}})


def _sums(picture, official_void=False):
    return instance_metrics.thing_sums(*picture, THINGS, official_void=official_void) | {"stuff": {}}


def _assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        assert found[name] == pytest.approx(expected[name], abs=1e-9), name


@pytest.mark.parametrize("official_void", [False, True])
def test_200_random_pictures_equal_the_reference_merged_in_any_order(official_void):
    rng = np.random.default_rng(0)
    pictures = [_picture(rng) for _ in range(200)]
    sums = [_sums(picture, official_void) for picture in pictures]
    for start in range(200):
        expected = _reference(pictures[start : start + 1], official_void)
        if _summary(sums[start]):
            _assert_equal(_summary(sums[start])["per_class"], expected)
    expected = _reference(pictures, official_void)
    assert all(0.05 < expected[name]["ap"] < 0.95 for name in THINGS)
    for _ in range(3):
        merged = [None, None, None]
        for index in rng.permutation(200):
            part = rng.integers(0, 3)
            merged[part] = add(merged[part], sums[index])
        summary = _summary(add(add(merged[2], merged[0]), merged[1]))
        _assert_equal(summary["per_class"], expected)
        for key in ("ap", "ap50", "pq", "sq", "rq"):
            assert summary[key] == pytest.approx(np.mean([expected[name][key] for name in THINGS]), abs=1e-9)


def _one(value, mask):
    return np.where(mask, value, 7000)


LEFT = np.broadcast_to(np.arange(SIZE[1]) < 10, SIZE)  # 240 pixels


def test_number_zero_counts_as_one_instance():
    picture = (_one(26000, LEFT), np.where(LEFT, 26001, 0), np.array([0.5]), np.ones(SIZE))
    assert _summary(_sums(picture))["per_class"] == {"car": {"ap": 1.0, "ap50": 1.0, "pq": 1.0, "sq": 1.0, "rq": 1.0}}


def test_a_class_without_truth_is_left_out_of_the_mean():
    predicted = np.where(LEFT, 26001, 24002)
    summary = _summary(_sums((_one(26001, LEFT), predicted, np.array([0.5, 0.9]), np.ones(SIZE))))
    assert summary["ap"] == 1.0 and "ap" not in summary["per_class"]["person"]
    assert summary["per_class"]["person"]["pq"] == 0.0  # panoptic quality counts the false positive


def test_void_is_by_class_or_by_raw_value():
    # A person is predicted on a garage, whose label is not scored as an instance.
    truth = np.where(LEFT, 26001, 34001)
    picture = (truth, np.where(LEFT, 26001, 24002), np.array([0.5, 0.9]), np.ones(SIZE))
    assert "person" not in _summary(_sums(picture))["per_class"]
    assert "person" in _summary(_sums(picture, official_void=True))["per_class"]
    picture = (np.where(LEFT, 26001, 0), *picture[1:])
    assert "person" not in _summary(_sums(picture, official_void=True))["per_class"]


def test_pictures_without_labels_count_nothing():
    picture = (np.zeros(SIZE, int), np.where(LEFT, 26001, 0), np.array([0.5]), np.ones(SIZE))
    assert instance_metrics._summarise(_sums(picture)) == {}


def test_measure_resizes_reads_confidence_and_adds_stuff():
    metrics = instance_metrics.make(THINGS)
    truth = np.where(LEFT, 26001, 7000)
    batch = {"instance": truth[None].astype(np.int32), "confidence": np.ones((1, *SIZE), np.float32)}
    small = truth[None, ::2, ::2]
    predictions = {"instances": np.where(small == 26001, 26001, 0), "scores": np.array([[0.7]])}
    summary = metrics.summarise(metrics.measure(predictions, batch, None))["instance"]
    assert summary["per_class"] == {"car": {"ap": 1.0, "ap50": 1.0, "pq": 1.0, "sq": 1.0, "rq": 1.0}}
    assert "pq_things" not in summary
    predictions["labels"] = np.where(small == 26001, 26, 7).astype(np.uint8)
    summary = metrics.summarise(metrics.measure(predictions, batch, None))["instance"]
    assert summary["pq"] == summary["pq_things"] == 1.0
    assert summary["per_class"]["road"] == {"pq": 1.0, "sq": 1.0, "rq": 1.0}


def test_a_confidence_image_of_the_wrong_size_is_refused():
    batch = {"instance": np.zeros((1, *SIZE), np.int32), "confidence": np.ones((1, 4, 4))}
    predictions = {"instances": np.zeros((1, *SIZE), np.int32), "scores": np.zeros((1, 5))}
    with pytest.raises(UserError, match="confidence image is 4 x 4 where its label image is 24 x 30"):
        instance_metrics.make(THINGS).measure(predictions, batch, None)
