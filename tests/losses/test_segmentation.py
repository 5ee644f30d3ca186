"""Segmentation losses: hand values, NumPy references, nothing valid, and batches split over devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtl_depth.losses import segmentation

cross_entropy = jax.jit(segmentation.cross_entropy, static_argnames="hardest")
center_error, offset_error, value_error = map(
    jax.jit, (segmentation.center_error, segmentation.offset_error, segmentation.value_error)
)


def _softmax_errors(logits, classes):
    """-log softmax of the true class, in float64."""
    logits = logits.astype(np.float64)
    log_sum = np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1)) + logits.max(-1)
    return log_sum - np.take_along_axis(logits, classes[..., None], -1)[..., 0]


def test_cross_entropy_by_hand():
    # Two pixels: logits (0, 0) -> log 2; logits (0, log 3), class 1 -> -log(3/4). The third is ignored.
    logits = jnp.array([[[[0.0, 0.0], [0.0, np.log(3.0)], [9.0, -9.0]]]])
    total, count = cross_entropy(logits, jnp.array([[[0, 1, 255]]]))
    assert count == 2
    np.testing.assert_allclose(total, np.log(2) + np.log(4 / 3), rtol=1e-6)


def test_cross_entropy_equals_numpy():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (2, 6, 7, 19)).astype(np.float32)
    classes = rng.integers(0, 19, (2, 6, 7))
    ignored = rng.random(classes.shape) < 0.3
    total, count = cross_entropy(jnp.asarray(logits), jnp.asarray(np.where(ignored, 255, classes)))
    assert count == (~ignored).sum()
    np.testing.assert_allclose(total, _softmax_errors(logits, classes)[~ignored].sum(), rtol=1e-5)


@pytest.mark.parametrize("hardest", [0.2, 0.5])
def test_hardest_pixels_are_chosen_within_each_picture(hardest):
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 3, (3, 5, 8, 4)).astype(np.float32)
    classes = rng.integers(0, 4, (3, 5, 8))
    ignored = rng.random(classes.shape) < 0.25
    ignored[2] = True  # a picture without labels
    errors = _softmax_errors(logits, classes)
    expected_total, expected_count = 0.0, 0
    for picture, hidden in zip(errors, ignored):
        valid = np.sort(picture[~hidden])[::-1]
        number = max(1, round(hardest * len(valid))) if len(valid) else 0
        expected_total, expected_count = expected_total + valid[:number].sum(), expected_count + number
    total, count = cross_entropy(jnp.asarray(logits), jnp.asarray(np.where(ignored, 255, classes)), hardest=hardest)
    assert count == expected_count
    np.testing.assert_allclose(total, expected_total, rtol=1e-5)


def test_easy_pixels_get_no_gradient():
    logits = jnp.array([[[[0.0, 5.0], [0.0, -5.0], [0.0, 4.0], [0.0, 6.0], [0.0, 7.0]]]])  # class 1: the second is hard
    classes = jnp.ones((1, 1, 5), jnp.int32)
    gradient = jax.jit(jax.grad(lambda x: segmentation.cross_entropy(x, classes, hardest=0.2)[0]))(logits)
    np.testing.assert_array_equal(np.abs(gradient).sum(-1)[0, 0] > 0, [False, True, False, False, False])


def test_center_and_offset_errors_by_hand():
    valid = jnp.array([[[True, True, False]]])
    total, count = center_error(jnp.array([[[0.5, 0.0, 9.0]]]), jnp.array([[[1.0, 0.25, 0.0]]]), valid)
    np.testing.assert_allclose([total, count], [0.25 + 0.0625, 2])
    offset = jnp.array([[[[1.0, -2.0], [0.0, 0.0], [7.0, 7.0]]]])
    target = jnp.array([[[[0.0, 1.0], [0.5, 0.0], [0.0, 0.0]]]])
    np.testing.assert_allclose(offset_error(offset, target, valid), [1 + 3 + 0.5, 2])


def test_value_error_ignores_value_zero():
    total, count = value_error(jnp.array([[[0.5, 0.5, 0.5]]]), jnp.array([[[0.25, 0.0, 1.0]]]))
    np.testing.assert_allclose([total, count], [0.75, 2])


def test_an_exact_prediction_gets_no_gradient():
    target = jnp.array([[[0.25, 0.5]]])
    assert not jax.grad(lambda p: value_error(p, target)[0])(target).any()
    offset, valid = jnp.ones((1, 1, 2, 2)), jnp.ones((1, 1, 2), bool)
    assert not jax.grad(lambda p: offset_error(p, offset, valid)[0])(offset).any()


NOTHING = {
    "cross_entropy": (cross_entropy, (2, 4, 4, 3), jnp.full((2, 4, 4), 255)),
    "hardest": (lambda x, y: cross_entropy(x, y, hardest=0.2), (2, 4, 4, 3), jnp.full((2, 4, 4), 255)),
    "center": (lambda x, y: center_error(x, y, jnp.zeros((2, 4, 4), bool)), (2, 4, 4), jnp.ones((2, 4, 4))),
    "offset": (lambda x, y: offset_error(x, y, jnp.zeros((2, 4, 4), bool)), (2, 4, 4, 2), jnp.ones((2, 4, 4, 2))),
    "value": (value_error, (2, 4, 4), jnp.zeros((2, 4, 4))),
}


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_valid_is_zero_with_zero_gradient(name):
    function, shape, target = NOTHING[name]
    summed = jax.jit(jax.value_and_grad(lambda x: function(x, target), has_aux=True))
    for prediction in (np.ones(shape, np.float32), np.full(shape, 1e30, np.float32)):
        (total, count), gradient = summed(prediction)
        assert total == 0 and count == 0
        np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("hardest", [1.0, 0.2])
def test_sums_over_devices_equal_one_device(hardest):
    rng = np.random.default_rng(2)
    logits = jnp.asarray(rng.normal(0, 3, (4, 5, 6, 7)), jnp.float32)
    classes = jnp.asarray(np.where(rng.random((4, 5, 6)) < [[[0.1]], [[0.9]], [[0.5]], [[1.0]]], 255, 3))
    whole = cross_entropy(logits, classes, hardest=hardest)
    shares = [cross_entropy(logits[i : i + 1], classes[i : i + 1], hardest=hardest) for i in range(4)]
    np.testing.assert_allclose(np.sum(shares, axis=0), whole, rtol=1e-6)


def test_half_precision_is_summed_in_float32():
    logits = jnp.zeros((1, 64, 64, 2), jnp.bfloat16)
    total, count = cross_entropy(logits, jnp.zeros((1, 64, 64), jnp.int32))
    assert total.dtype == count.dtype == jnp.float32
    # XLA adds 4,096 equal numbers one after the other, to 1e-5; in bfloat16 the sum would stay at a few hundred.
    np.testing.assert_allclose(total / count, np.log(2), rtol=1e-4)


def test_shapes_that_do_not_fit_raise():
    with pytest.raises(Exception, match=r"shape|type"):
        cross_entropy(jnp.zeros((1, 4, 4, 3)), jnp.zeros((1, 4, 5), jnp.int32))
