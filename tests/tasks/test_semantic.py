"""The semantic task: label ids in, label ids out, and the scores of whole pictures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtl_depth import config
from mtl_depth.data import LABELS, train_id_from_id
from mtl_depth.errors import UserError
from mtl_depth.tasks import semantic
from mtl_depth.tasks.base import add
from mtl_depth.tasks.classes import ID_FROM_TRAIN_ID, SCORED_CATEGORIES, SCORED_CLASSES, stuff_classes

ROAD, CAR, GARAGE, BUILDING, BUS = 7, 26, 34, 11, 28


@pytest.fixture(scope="module")
def task():
    return semantic.make(config.SemanticTask(weight=2.0), width=0.125, dtype=jnp.float32)


def _logits(labels):
    return np.eye(19, dtype=np.float32)[np.minimum(train_id_from_id[labels], 18)] * 5


def _batch(*labels):
    labels = np.array(labels, np.uint8)
    return {"semantic": labels, "confidence": np.ones(labels.shape, np.float32)}


def test_classes_of_the_benchmark():
    assert len(SCORED_CLASSES) == 17 and {"bus", "train"}.isdisjoint(SCORED_CLASSES)
    assert list(SCORED_CATEGORIES) == ["flat", "construction", "object", "nature", "sky", "human", "vehicle"]
    assert SCORED_CATEGORIES["vehicle"] == (13, 14, 17, 18)
    assert list(ID_FROM_TRAIN_ID[[2, 4, 5]]) == [11, 13, 17]  # building, fence and pole, not garage, gate and smallpole
    assert (train_id_from_id[ID_FROM_TRAIN_ID] == np.arange(19)).all()
    assert "car" not in stuff_classes([CAR]) and len(stuff_classes([CAR])) == 16


def test_loss_is_the_mean_over_trained_pixels(task):
    labels = np.array(
        [[[ROAD, CAR, GARAGE, 0], [200, 255, 29, BUS]]], np.uint8
    )  # 0, 200, 255 and 29 (caravan) are ignored
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(1, 2, 4, 19)).astype(np.float32)
    errors = np.log(np.exp(logits).sum(-1)) - np.take_along_axis(
        logits, np.minimum(train_id_from_id[labels], 18).astype(int)[..., None], -1
    ).squeeze(-1)
    terms = jax.jit(lambda x, y: task.loss(None, {"semantic": x}, {"semantic": y}))(logits, labels)
    ((name, (total, count)),) = terms.items()
    assert name == "semantic/cross_entropy" and count == 4
    counted = [errors[0, 0, 0], errors[0, 0, 1], errors[0, 0, 2], errors[0, 1, 3]]
    np.testing.assert_allclose(total, 2 * np.sum(counted), rtol=1e-5)


def test_decoded_labels_are_label_ids(task):
    labels = task.decode({"semantic": jnp.asarray(_logits(np.array([[[ROAD, CAR, GARAGE, BUS]]])))})["labels"]
    assert labels.dtype == jnp.uint8
    np.testing.assert_array_equal(labels, [[[ROAD, CAR, BUILDING, BUS]]])


def test_scores_and_the_majority_image(task):
    truth = [[ROAD, ROAD, CAR, CAR], [ROAD, ROAD, GARAGE, 0]]
    training = [_batch(truth, truth), _batch([[ROAD] * 4, [CAR] * 4])]
    studied = task.metrics.study(iter(training))
    np.testing.assert_array_equal(studied, [[0, 0, 13, 13], [0, 0, 2, 13]])
    guess = np.array([[[ROAD, CAR, CAR, CAR], [ROAD, ROAD, BUILDING, ROAD]]], np.uint8)
    sums = task.metrics.measure({"labels": guess}, _batch(truth), studied)
    scores = task.metrics.summarise(sums)["semantic"]
    # road 3 of 4, car 2 of 3, building 1; the unlabelled pixel counts nowhere.
    assert scores["per_class"] == pytest.approx({"road": 3 / 4, "building": 1, "car": 2 / 3})
    assert scores["miou"] == pytest.approx((3 / 4 + 1 + 2 / 3) / 3)
    assert scores["majority"] == {"miou": 1.0, "miou_category": 1.0}
    twice = task.metrics.summarise(add(sums, sums))["semantic"]
    assert twice["miou"] == pytest.approx(scores["miou"])


def test_logits_are_interpolated_before_the_choice(task):
    small = np.array([[[ROAD, CAR]]])
    batch = _batch([[ROAD, ROAD, CAR, CAR]])
    for predictions in ({"semantic": _logits(small)}, {"labels": small.astype(np.uint8)}):
        scores = task.metrics.summarise(task.metrics.measure(predictions, batch, None))["semantic"]
        assert scores["miou"] == 1.0


def test_frames_and_runs_without_labels(task):
    nothing = _batch([[0, 0]])
    assert task.metrics.study([nothing]) is None and task.metrics.study([]) is None
    assert task.metrics.summarise(task.metrics.measure({"labels": np.full((1, 1, 2), ROAD)}, nothing, None)) == {}


def test_ids_outside_the_table_are_void_and_a_wrong_size_is_refused(task):
    batch = _batch([[ROAD, 99]])
    sums = task.metrics.measure({"labels": np.array([[[ROAD, ROAD]]], np.uint8)}, batch, None)
    assert task.metrics.summarise(sums)["semantic"]["per_class"] == {"road": 1.0}
    with pytest.raises(UserError, match="confidence image is 3 x 3"):
        task.metrics.measure({"labels": batch["semantic"]}, batch | {"confidence": np.ones((1, 3, 3))}, None)


def test_pictures_have_the_colours_of_the_table(task):
    labels = np.array([[[ROAD, CAR]]], np.uint8)
    pictures = task.pictures({"labels": labels}, {"semantic": labels[:, :, ::-1]})
    colors = {label.id: label.color for label in LABELS}
    np.testing.assert_array_equal(pictures["semantic"], [[[colors[ROAD], colors[CAR]]]])
    np.testing.assert_array_equal(pictures["semantic_truth"], [[[colors[CAR], colors[ROAD]]]])


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (config.SemanticTask(head="panoptic"), "choose one of classes, report"),
        (config.SemanticTask(hardest=0.0), "above 0 and at most 1"),
    ],
)
def test_settings_that_do_not_exist_are_refused(section, message):
    with pytest.raises(UserError, match=message):
        semantic.make(section, width=0.125, dtype=jnp.float32)
