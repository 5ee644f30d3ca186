"""Classes and confusions of batches on the device: the reference's, frame by frame."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from metric_references import confusion

from mtl_depth.errors import UserError
from mtl_depth.image import resize_bilinear
from mtl_depth.metrics.pixels import check_confidence, confusions, enlarged, enlarged_classes, pixel_weights, with_rows

CLASSES = 5


@pytest.mark.parametrize("old", [(4, 6), (1, 5), (3, 1)])
@pytest.mark.parametrize("size", [(4, 6), (9, 17), (3, 5)])
def test_maps_are_interpolated_as_in_training(old, size):
    values = np.random.default_rng(0).random((2, *old)).astype(np.float32)
    expected = resize_bilinear(values, size=size)
    np.testing.assert_allclose(enlarged(jnp.asarray(values), size=size), expected, rtol=1e-5)


@pytest.mark.parametrize("size", [(4, 6), (9, 17), (3, 5), (40, 6)])
def test_logits_are_interpolated_before_the_choice(size):
    logits = np.random.default_rng(0).normal(size=(3, 4, 6, 7)).astype(np.float32)
    classes = np.asarray(jax.jit(lambda x: enlarged_classes(x, size=size))(logits))
    assert classes.dtype == np.uint8
    for index, frame in enumerate(logits):
        whole = cv2.resize(frame, size[::-1], interpolation=cv2.INTER_LINEAR)
        best = np.take_along_axis(whole, classes[index][..., None].astype(int), axis=-1)[..., 0]
        np.testing.assert_allclose(best, whole.max(axis=-1), atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (16, 8), (50, 60)])
def test_confusions_are_the_reference_s(size):
    generator = np.random.default_rng(1)
    truth = generator.choice([0, 1, 2, 3, 4, 255], (4, *size))
    predicted = generator.choice([-1, 0, 1, 2, 3, 4, 9], (4, *size))
    weight = generator.random((4, *size)).astype(np.float32)
    found = np.asarray(confusions(jnp.asarray(truth), jnp.asarray(predicted), jnp.asarray(weight), classes=CLASSES))
    for index in range(4):
        expected = confusion(truth[index], predicted[index], weight[index].astype(np.float64), classes=CLASSES)
        np.testing.assert_allclose(found[index, :-1], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=(1, 2)), weight.sum(axis=(1, 2)), rtol=1e-5)  # void has a row too


def test_a_large_picture_loses_no_digits():
    weight = np.random.default_rng(2).random((1, 376, 1408)).astype(np.float32)
    nothing = jnp.zeros(weight.shape, jnp.int32)
    found = confusions(nothing, nothing, jnp.asarray(weight), classes=CLASSES)[0, 0, 0]
    assert abs(float(found) / weight.sum(dtype=np.float64) - 1) < 1e-5


def test_confidence_becomes_weight_and_fillings_are_zero():
    confidence = np.random.default_rng(3).random((3, 4, 5)).astype(np.float32)
    confidence[1] = 0
    for weights in (pixel_weights(confidence), pixel_weights(jnp.asarray(confidence))):
        assert weights.dtype == np.float32
        np.testing.assert_array_equal(weights, [confidence[0], np.ones((4, 5)), confidence[2]])
    with pytest.raises(UserError, match="2 x 2 where its label image is 1 x 2"):
        check_confidence(np.ones((1, 2, 2)), np.zeros((1, 1, 2), int))
    filled = with_rows(confidence, 5)
    np.testing.assert_array_equal(filled[:3], confidence)
    assert filled.shape == (5, 4, 5) and not filled[3:].any()
