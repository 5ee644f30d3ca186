"""SSIM, pyramid and resizing against plain loops, PyTorch and hand values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from mtl_depth.image import absolute_difference, pyramid, resize_bilinear, resize_nearest, ssim_loss

ssim = jax.jit(ssim_loss)


def pair(shape, seed=0):
    generator = np.random.default_rng(seed)
    a = generator.random(shape)
    return a, np.clip(a + generator.normal(0, 0.2, shape), 0, 1)


def ssim_by_hand(a, b):
    """Window after window, with numpy's variances, for two planes."""
    a, b = np.pad(a, 1, mode="reflect"), np.pad(b, 1, mode="reflect")
    loss = np.zeros((a.shape[0] - 2, a.shape[1] - 2))
    for row, column in np.ndindex(loss.shape):
        x, y = a[row : row + 3, column : column + 3], b[row : row + 3, column : column + 3]
        covariance = np.mean((x - x.mean()) * (y - y.mean()))
        value = (2 * x.mean() * y.mean() + 1e-4) * (2 * covariance + 9e-4)
        value /= (x.mean() ** 2 + y.mean() ** 2 + 1e-4) * (x.var() + y.var() + 9e-4)
        loss[row, column] = np.clip((1 - value) / 2, 0, 1)
    return loss


def test_ssim_equals_the_definition():
    a, b = pair((6, 9, 3))
    with jax.enable_x64(True):
        ours, mixed = (ssim(jnp.asarray(a, dtype), jnp.asarray(b)) for dtype in (jnp.float64, jnp.float32))
    assert ours.dtype == mixed.dtype == jnp.float64
    np.testing.assert_allclose(ours, np.stack([ssim_by_hand(a[..., c], b[..., c]) for c in range(3)], -1), atol=1e-12)
    np.testing.assert_allclose(ssim(jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32)), ours, atol=5e-5)
    np.testing.assert_allclose(mixed, ours, atol=1e-5)


def test_ssim_of_flat_images_by_hand():
    # No variance: SSIM = (2 * 0.5 * 0.25 + 1e-4) / (0.25 + 0.0625 + 1e-4) = 0.2501 / 0.3126; loss (1 - that) / 2.
    loss = ssim(jnp.full((4, 4, 1), 0.5), jnp.full((4, 4, 1), 0.25))
    np.testing.assert_allclose(loss, np.full((4, 4, 1), (1 - 0.2501 / 0.3126) / 2), atol=1e-6)


def test_ssim_is_symmetric_bounded_and_zero_for_the_same_image():
    a, b = (jnp.asarray(x, jnp.float32) for x in pair((2, 5, 6, 3), seed=1))
    np.testing.assert_allclose(ssim(a, b), ssim(b, a), atol=1e-6)
    np.testing.assert_allclose(ssim(a, a), 0, atol=1e-5)
    assert ssim(a, 1 - a).max() <= 1 and ssim(a, b).min() >= 0


def test_ssim_finite_differences_agree():
    a, b = pair((4, 5, 2), seed=2)
    with jax.enable_x64(True):
        check_grads(ssim, (jnp.asarray(a), jnp.asarray(b)), order=1, eps=1e-6)


@settings(max_examples=20, deadline=None)
@given(
    shape=st.sampled_from([(4, 3, 3), (4, 1, 3), (1, 1, 3)]),
    first=st.sampled_from([0.0, 0.5, 1.0]),
    second=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_ssim_of_constant_and_narrow_images_has_a_finite_gradient(shape, first, second):
    value, gradient = ssim_total(jnp.full(shape, first), jnp.full(shape, second))
    assert np.isfinite(value) and all(np.isfinite(g).all() for g in gradient)


ssim_total = jax.jit(jax.value_and_grad(lambda a, b: ssim_loss(a, b).sum(), (0, 1)))


def test_the_absolute_difference_has_no_slope_where_nothing_differs():
    slope = jax.grad(lambda a: absolute_difference(a, jnp.array([1.0, 1.0, 1.0])).sum())(jnp.array([0.0, 1.0, 3.0]))
    np.testing.assert_array_equal(slope, [-1, 0, 1])
    np.testing.assert_array_equal(absolute_difference(jnp.array([-2.0, 0.5]), jnp.array([1.0, 0.5])), [3, 0])


def test_pyramid_by_hand():
    # The columns of a 2x4 image, [0 2 4 6; 2 4 6 8] / 8: block means 2/8 and 6/8, then 4/8.
    image = jnp.array([[0.0, 2, 4, 6], [2, 4, 6, 8]])[..., None] / 8
    levels = pyramid(image, levels=3)
    assert [level.shape for level in levels] == [(2, 4, 1), (1, 2, 1), (1, 1, 1)]
    np.testing.assert_allclose(levels[1][0, :, 0], [0.25, 0.75])
    np.testing.assert_allclose(levels[2], [[[0.5]]])


def test_pyramid_keeps_the_mean_and_any_batch():
    image = jnp.asarray(np.random.default_rng(0).random((2, 3, 8, 16, 3)), jnp.float32)
    for level in pyramid(image, levels=4):
        np.testing.assert_allclose(level.mean((2, 3)), image.mean((2, 3)), atol=1e-6)


def test_pyramid_of_odd_sides_averages_what_there_is():
    image = jnp.arange(3.0).reshape(3, 1, 1)
    np.testing.assert_allclose(pyramid(image, levels=2)[1], [[[0.5]], [[2.0]]])


@pytest.mark.parametrize("size", [(6, 8), (12, 16), (24, 40), (7, 9), (3, 8)])
def test_resizing_equals_pytorch(size):
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).random((2, 6, 8))
    expected = torch.nn.functional.interpolate(torch.tensor(values)[:, None], size, mode="bilinear")[:, 0]
    with jax.enable_x64(True):
        np.testing.assert_allclose(resize_bilinear(jnp.asarray(values), size=size), expected, atol=1e-13)


def test_resizing_by_two_by_hand():
    # Centres of the new pixels at -0.25, 0.25, 0.75, 1.25 of the old ones; beyond the first and last the edge repeats.
    row = resize_bilinear(jnp.array([[0.0, 4.0]]), size=(1, 4))
    np.testing.assert_allclose(row, [[0, 1, 3, 4]])
    np.testing.assert_allclose(resize_bilinear(jnp.array([[5.0]]), size=(3, 2)), np.full((3, 2), 5.0))


def test_labels_take_the_value_at_the_centre():
    labels = np.array([[1, 2, 3]], np.int32)
    assert resize_nearest(labels, size=(1, 6)).tolist() == [[1, 1, 2, 2, 3, 3]]
    assert resize_nearest(labels, size=(1, 1)).tolist() == [[2]]
    assert resize_nearest(labels, size=(2, 3)).dtype == np.int32
    maps = np.random.default_rng(0).integers(0, 99, (2, 4, 6))
    for size in ((4, 6), (9, 17), (3, 5)):
        places = [[int((new + 0.5) * old / side) for new in range(side)] for side, old in zip(size, (4, 6))]
        expected = [[[plane[row, column] for column in places[1]] for row in places[0]] for plane in maps]
        for each in (maps, jnp.asarray(maps)):
            found = resize_nearest(each, size=size)
            assert isinstance(found, type(each))
            np.testing.assert_array_equal(found, expected)


def test_resizing_finite_differences_agree():
    with jax.enable_x64(True):
        values = jnp.asarray(np.random.default_rng(0).random((3, 2)))
        check_grads(jax.jit(lambda x: resize_bilinear(x, size=(6, 4))), (values,), order=1)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_nothing_is_computed_in_half_precision(dtype):
    a, b = (jnp.asarray(x, dtype) for x in pair((4, 6, 3)))
    assert ssim(a, b).dtype == jnp.float32
    np.testing.assert_allclose(ssim(a, b), ssim(a.astype(jnp.float32), b.astype(jnp.float32)), atol=1e-6)
    assert resize_bilinear(a[..., 0], size=(8, 12)).dtype == pyramid(a, levels=2)[1].dtype == jnp.float32


def test_any_batch_is_welcome():
    a, b = (jnp.asarray(x, jnp.float32) for x in pair((2, 2, 4, 5, 3)))
    together = ssim(a, b)
    np.testing.assert_allclose(jax.jit(jax.vmap(ssim_loss))(a, b), together, atol=1e-6)
    np.testing.assert_allclose(ssim(a[1, 0], b[1, 0]), together[1, 0], atol=1e-6)


def test_wrong_shapes_raise():
    with pytest.raises(Exception, match="Type-check"):
        ssim_loss(jnp.ones((4, 5, 3)), jnp.ones((4, 6, 3)))
    with pytest.raises(Exception, match="Type-check"):
        ssim_loss(jnp.ones((2, 4, 5, 3)), jnp.ones((4, 5, 3)))
