"""The report's value map, for semantics and for instances."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtl_depth import config
from mtl_depth.losses.smoothness import edge_aware_smoothness
from mtl_depth.tasks import instance, semantic
from mtl_depth.tasks.base import add

TASKS = {
    "semantic": (semantic.make(config.SemanticTask(head="report"), width=0.125, dtype=jnp.float32), 255, "labels"),
    "instance": (instance.make(config.InstanceTask(head="report"), width=0.125, dtype=jnp.float32), 65535, "instances"),
}
SIZE = (6, 8)


def _labels(name):
    largest = TASKS[name][1]
    labels = np.random.default_rng(0).integers(0, largest + 1, (2, *SIZE))
    labels[0, :2] = 0
    return labels.astype({"semantic": np.uint8, "instance": np.int32}[name])


@pytest.mark.parametrize("name", TASKS)
def test_loss_by_numpy_and_over_devices(name):
    task, largest, _ = TASKS[name]
    labels, rng = _labels(name), np.random.default_rng(1)
    value = jnp.asarray(rng.random(labels.shape), jnp.float32)
    clip = jnp.asarray(rng.random((2, 3, *SIZE, 3)), jnp.float32)
    loss = jax.jit(lambda value, batch: task.loss(None, {"value": value}, batch))
    terms = loss(value, {name: labels, "image": clip})
    valid = labels > 0
    expected = np.abs(np.asarray(value) - labels / largest)[valid].sum()
    np.testing.assert_allclose(terms[f"{name}/value"], [expected, valid.sum()], rtol=1e-5)
    smoothness = 1e-3 * edge_aware_smoothness(value, clip[:, 1]).sum()  # the target is the middle frame
    np.testing.assert_allclose(terms[f"{name}/smoothness"], [smoothness, 2], rtol=1e-5)
    shares = [loss(value[i : i + 1], {name: labels[i : i + 1], "image": clip[i : i + 1]}) for i in range(2)]
    for term, whole in terms.items():
        np.testing.assert_allclose(np.sum([share[term] for share in shares], axis=0), whole, rtol=1e-5)


@pytest.mark.parametrize("name", TASKS)
def test_labels_survive_the_value_map(name):
    task, largest, decoded = TASKS[name]
    labels = _labels(name)
    value = jnp.asarray(labels / largest, jnp.float32)
    np.testing.assert_array_equal(task.decode({"value": value})[decoded], labels)
    pictures = task.pictures({decoded: labels}, {name: labels, "image": np.zeros((2, 1, *SIZE, 3), np.float32)})
    np.testing.assert_array_equal(pictures[name], pictures[f"{name}_truth"])


def test_scores_are_the_depth_formulas_on_labelled_pixels():
    task, _, _ = TASKS["semantic"]
    truth = np.array([[[0, 51, 102]], [[0, 0, 0]]], np.uint8)  # 0.2 and 0.4; the second frame has no label
    value = np.array([[[0.9, 0.3, 0.4]], [[0.5, 0.5, 0.5]]])
    studied = task.metrics.study([{"semantic": truth}, {"semantic": np.array([[[0, 102, 0]]], np.uint8)}])
    np.testing.assert_allclose(studied, [[(0.2 + 0.4 + 0.4) / 3, 0.3, 0.4]])
    sums = task.metrics.measure({"value": value}, {"semantic": truth}, studied)
    found = task.metrics.summarise(add(sums, sums))["report_head"]
    trivial = found.pop("mean_image")
    # Errors 0.1 and 0: abs_rel (0.1 / 0.2) / 2, sq_rel (0.01 / 0.2) / 2, rmse sqrt(0.01 / 2); 0.3 / 0.2 = 1.5 < 1.25^2.
    expected = {"abs_rel": 0.25, "sq_rel": 0.025, "rmse": np.sqrt(0.005), "rmse_log": np.log(1.5) / np.sqrt(2)}
    assert found == pytest.approx(expected | {"delta_1": 0.5, "delta_2": 1, "delta_3": 1})
    assert trivial == pytest.approx(found)  # the mean image happens to answer the same


def test_an_underflown_sigmoid_has_finite_errors_and_no_label_no_section():
    task, _, _ = TASKS["instance"]
    truth = np.full((1, 1, 2), 26001, np.int32)
    found = task.metrics.summarise(task.metrics.measure({"value": np.zeros((1, 1, 2))}, {"instance": truth}, None))
    assert np.isfinite(list(found["report_head"].values())).all() and "mean_image" not in found["report_head"]
    sums = task.metrics.measure({"value": np.zeros((1, 1, 2))}, {"instance": truth * 0}, None)
    assert task.metrics.summarise(sums) == {} and task.metrics.study([]) is None
