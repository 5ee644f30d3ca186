"""AP and PQ against implementations that others wrote: Cityscapes' own script and torchmetrics."""

import types

import numpy as np
import pytest
import torch

from mtl_depth.metrics.instance import THRESHOLDS, TRUE, average_precision, detections
from mtl_depth.metrics.overlap import map_overlaps
from mtl_depth.metrics.panoptic import panoptic_counts, qualities

PICTURES, SIZE, CLASSES = 5, (28, 32), ("car", "person")
LABEL_IDS = {"car": 26, "person": 24}


def segments(generator, *, count: int, like: np.ndarray | None = None) -> np.ndarray:
    """A map of `count` rectangles, 0 elsewhere; `like` another map, moved and cut so that IoUs vary."""
    if like is not None:
        moved = np.roll(like, generator.integers(-2, 3, 2), axis=(0, 1))
        cuts = generator.random((SIZE[0] // 4, SIZE[1] // 4)) < 0.1
        return np.where(np.kron(cuts, np.ones((4, 4), bool)), 0, moved)
    values = np.zeros(SIZE, np.int64)
    for number in range(1, count + 1):
        top, left = generator.integers(0, SIZE[0] - 8), generator.integers(0, SIZE[1] - 8)
        height, width = generator.integers(5, 17, 2)
        values[top : top + height, left : left + width] = number
    return values


def picture(seed: int):
    """True and predicted raw values of both classes, scores of the predicted numbers, and where nothing is labelled."""
    generator = np.random.default_rng(seed)
    true_map = segments(generator, count=7)
    guess_map = segments(generator, count=0, like=true_map) if seed % 3 else segments(generator, count=6)
    classes = generator.choice(list(LABEL_IDS.values()), 20)
    truth = np.where(true_map > 0, classes[true_map] * 1000 + true_map, 0)
    wrong = np.where(generator.random(20) < 0.15, 50 - classes, classes)  # car <-> person
    guess = np.where(guess_map > 0, wrong[guess_map] * 1000 + guess_map, 0)
    void = generator.random(SIZE) < 0.05
    truth = np.where(void & (generator.random() < 0.7), 0, truth)
    return truth, guess, generator.choice(np.linspace(0.1, 0.9, 5), 20), truth == 0


def ours(pictures, label_id: int) -> list[float]:
    """AP at every threshold."""
    kept, missed = [[] for _ in THRESHOLDS], np.zeros(len(THRESHOLDS))
    for truth, guess, scores, void in pictures:
        overlaps = map_overlaps(truth, guess, np.ones(SIZE), void)
        own = overlaps.of(overlaps.truths // 1000 == label_id, overlaps.guesses // 1000 == label_id)
        own_scores = scores[own.guesses % 1000]
        found = detections(own, own_scores)
        missed += found.missed
        for index in range(len(THRESHOLDS)):
            kept[index] += [(s, bool(o[index] == TRUE)) for s, o in zip(own_scores, found.outcomes) if o[index] >= 0]
    return [
        average_precision([s for s, _ in rows], [t for _, t in rows], int(count)) for rows, count in zip(kept, missed)
    ]


def as_cityscapes(pictures):
    """The dictionaries that Cityscapes' `evaluateMatches` takes, counted with masks of whole pictures."""
    matches = {}
    for index, (truth, guess, scores, void) in enumerate(pictures):
        true = {name: [] for name in CLASSES}
        guessed = {name: [] for name in CLASSES}
        for name, label_id in LABEL_IDS.items():
            for value in np.unique(truth[truth // 1000 == label_id]):
                true[name].append(
                    {"instID": int(value), "pixelCount": int((truth == value).sum()), "medDist": 0.0, "distConf": 1.0,
                     "matchedPred": []}
                )  # fmt: skip
            for value in np.unique(guess[guess // 1000 == label_id]):
                mask = guess == value
                entry = {"pixelCount": int(mask.sum()), "confidence": float(scores[value % 1000]),
                         "voidIntersection": int((mask & void).sum()), "matchedGt": []}  # fmt: skip
                for instance in true[name]:
                    if common := int((mask & (truth == instance["instID"])).sum()):
                        entry["matchedGt"].append({**instance, "intersection": common})
                        instance["matchedPred"].append({**entry, "intersection": common})
                guessed[name].append(entry)
        matches[index] = {"groundTruth": true, "prediction": guessed}
    return matches


def test_average_precision_equals_cityscapes_own_script():
    script = pytest.importorskip("cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling")
    settings = types.SimpleNamespace(
        overlaps=THRESHOLDS, minRegionSizes=[100], distanceThs=[float("inf")], distanceConfs=[-float("inf")],
        distanceAvailable=False, instLabels=list(CLASSES),
    )  # fmt: skip
    compared = 0
    for trial in range(40):
        pictures = [picture(100 * trial + n) for n in range(PICTURES)]
        try:
            theirs = script.evaluateMatches(as_cityscapes(pictures), settings)[0]
        except IndexError:  # it cannot count where every prediction of a class is excused
            continue
        for row, label_id in zip(theirs, LABEL_IDS.values()):
            if not np.isnan(row).any():
                np.testing.assert_allclose(ours(pictures, label_id), row, atol=1e-12)
                compared += 1 if row.max() > 0 else 0
    assert compared > 30


def test_panoptic_quality_equals_torchmetrics():
    """Without void, which torchmetrics treats by its own rule: every pixel is a thing or the one stuff class."""
    panoptic = pytest.importorskip("torchmetrics.detection").PanopticQuality
    compared = 0
    for trial in range(40):
        pictures = [picture(100 * trial + n) for n in range(PICTURES)]
        reference = panoptic(things=set(LABEL_IDS.values()), stuffs={7}, return_per_class=True)
        counts = {label_id: np.zeros(4) for label_id in LABEL_IDS.values()}
        for truth, guess, _, _ in pictures:
            pair = [np.where(values > 0, values, 7000) for values in (truth, guess)]
            tensors = [torch.tensor(np.stack([v // 1000, v % 1000], axis=-1))[None] for v in pair]
            reference.update(tensors[1], tensors[0])
            overlaps = map_overlaps(truth, guess, np.ones(SIZE), np.zeros(SIZE, bool))
            for label_id in counts:
                own = overlaps.of(overlaps.truths // 1000 == label_id, overlaps.guesses // 1000 == label_id)
                counts[label_id] += panoptic_counts(own)
        theirs = dict(zip((*sorted(LABEL_IDS.values()), 7), reference.compute()[0].tolist()))
        for label_id, sums in counts.items():
            np.testing.assert_allclose(qualities(sums)["pq"], theirs[label_id], atol=1e-6)
            compared += theirs[label_id] > 0
    assert compared > 30
