"""The photometric objective against PyTorch's autograd, and its promises about masks, noise and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_depth.geometry.rigid import rigid_from_vector
from mtl_depth.losses.photometric import depth_objective, depth_terms, photometric_error
from mtl_depth.losses.smoothness import edge_aware_smoothness

RANGE = {"nearest": 0.1, "farthest": 100.0}
INTRINSICS = np.array([[18.0, 0, 15.2], [0, 19.0, 9.1], [0, 0, 1]])


def arguments(disparities, vector, target, sources):
    intrinsics = jnp.broadcast_to(jnp.asarray(INTRINSICS, target.dtype), (target.shape[0], 3, 3))
    return disparities, target, sources, rigid_from_vector(vector), intrinsics


@jax.jit
def objective(*inputs, key=None):
    return depth_objective(*arguments(*inputs), **RANGE, key=key)


@jax.jit
def objective_and_gradients(disparities, vector, *images):
    def evaluate(disparities, vector):
        results = depth_objective(*arguments(disparities, vector, *images), **RANGE)
        return results[0], results

    gradients, results = jax.grad(evaluate, (0, 1), has_aux=True)(disparities, vector)
    return results, gradients


def smooth_image(generator, shape):
    """Waves: bilinear interpolation has few kinks that matter on it."""
    rows, columns = np.meshgrid(np.arange(shape[-2]), np.arange(shape[-1]), indexing="ij")
    phase, slope = generator.uniform(0, 6, (2, *shape[:-2], 3, 1, 1))
    waves = np.sin(phase + 0.3 * columns + slope * 0.1 * rows) + np.cos(slope + 0.5 * rows - 0.2 * columns)
    return np.moveaxis(0.5 + 0.2 * waves, -3, -1)


def example(seed=0, *, scales=4, dtype=np.float32):
    generator = np.random.default_rng(seed)
    target = smooth_image(generator, (2, 16, 32))
    # The left half of the first source is nearly the target, so that it is masked; the rest are other pictures.
    sources = smooth_image(generator, (2, 2, 16, 32))
    sources[:, 0, :, :16] = target[:, :, :16] + 0.01 * generator.random((2, 16, 16, 3))
    disparities = tuple(generator.uniform(0.01, 0.5, (2, 16 >> s, 32 >> s)) for s in range(scales))
    vector = generator.normal(0, 0.03, (2, 2, 6))
    inputs = (disparities, vector, np.clip(target, 0, 1), np.clip(sources, 0, 1))
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), inputs)


def test_equals_pytorch_with_all_gradients():
    torch = pytest.importorskip("torch")
    from mtl_depth.benchmarks import peer_objective

    with jax.enable_x64(True):
        inputs = example(dtype=np.float64)
        (loss, per_scale, selected), (by_disparity, by_vector) = objective_and_gradients(*inputs)
        motions, back = jax.vjp(rigid_from_vector, inputs[1])

        leaves = [torch.tensor(np.asarray(x), requires_grad=True) for x in (*inputs[0], motions)]
        images = [torch.tensor(np.moveaxis(np.asarray(x), -1, -3)) for x in inputs[2:]]
        terms, masks = peer_objective.per_scale(leaves[:4], leaves[4], *images, torch.tensor(INTRINSICS))
        terms.mean().backward()
        (expected_by_vector,) = back(jnp.asarray(leaves[4].grad.numpy()))

    np.testing.assert_allclose(per_scale, terms.detach(), rtol=1e-12)
    np.testing.assert_allclose(loss, terms.mean().item(), rtol=1e-12)
    np.testing.assert_array_equal(selected, masks)
    assert 0.1 < np.mean(selected) < 0.9
    for ours, leaf in zip(by_disparity, leaves):
        np.testing.assert_allclose(ours, leaf.grad, atol=1e-9 * leaf.grad.abs().max().item())
    np.testing.assert_allclose(by_vector, expected_by_vector, atol=1e-9 * np.abs(expected_by_vector).max())

    np.testing.assert_allclose(objective(*example())[1], per_scale, rtol=2e-5)


def test_photometric_error_of_flat_images_by_hand():
    # SSIM loss (1 - 0.2501 / 0.3126) / 2 as in test_image, |a - b| = 0.25.
    error = photometric_error(jnp.full((3, 4, 3), 0.5), jnp.full((3, 4, 3), 0.25))
    np.testing.assert_allclose(error, np.full((3, 4), 0.85 * (1 - 0.2501 / 0.3126) / 2 + 0.15 * 0.25), atol=1e-6)
    only_absolute = photometric_error(jnp.full((3, 4, 3), 0.5), jnp.full((3, 4, 3), 0.25), ssim_weight=0.0)
    np.testing.assert_allclose(only_absolute, np.full((3, 4), 0.25), atol=1e-6)


def test_the_loss_is_the_mean_of_its_parts():
    inputs = example(scales=3)
    terms = jax.jit(lambda *inputs: depth_terms(*arguments(*inputs), **RANGE))
    (loss, per_scale, selected), (photometric, smoothness, _) = objective(*inputs), terms(*inputs)
    assert photometric.shape == smoothness.shape == (3, 2) and selected.shape == (3, 2, 16, 32)
    np.testing.assert_allclose(per_scale, (photometric + smoothness).mean(1), rtol=1e-6)
    np.testing.assert_allclose(loss, per_scale.mean(), rtol=1e-6)
    disparities, _, target, _ = inputs
    quarter = target.reshape(2, 4, 4, 8, 4, 3).mean((2, 4))
    np.testing.assert_allclose(smoothness[0], 1e-3 * edge_aware_smoothness(disparities[0], target), rtol=1e-6)
    np.testing.assert_allclose(smoothness[2], 1e-3 / 4 * edge_aware_smoothness(disparities[2], quarter), rtol=1e-5)


def test_a_standing_camera_selects_nothing_and_teaches_nothing():
    disparities, vector, target, _ = example(1, scales=1)
    still = jnp.stack([target, target], axis=1)
    flat = tuple(map(jnp.ones_like, disparities))
    (loss, _, selected), gradients = objective_and_gradients(flat, vector, target, still)
    assert not selected.any()
    np.testing.assert_allclose(loss, 0, atol=1e-6)
    assert all(not slope.any() for slope in jax.tree.leaves(gradients))


def test_noise_is_drawn_per_sample_so_that_dividing_the_batch_changes_nothing():
    disparities, vector, target, _ = example(2, scales=1)
    keys = jax.random.split(jax.random.key(5), 2)
    inputs = (disparities, vector[:, :1], target, target[:, None])  # identity error 0: all that is left is the noise
    _, terms, selected = objective(*inputs, key=keys)
    pick = lambda n: jax.tree.map(lambda x: x[n : n + 1], inputs)  # noqa: E731
    halves = [objective(*pick(n), key=keys[n : n + 1]) for n in range(2)]
    np.testing.assert_allclose(np.mean([half[1] for half in halves], axis=0), terms, rtol=1e-5)
    np.testing.assert_array_equal(np.concatenate([half[2] for half in halves], axis=1), selected)
    # One key is split into these, whether it is a typed key or an old one.
    np.testing.assert_allclose(objective(*inputs, key=jax.random.key(5))[1], terms, rtol=1e-5)
    np.testing.assert_allclose(objective(*inputs, key=jax.random.PRNGKey(5))[1], terms, rtol=1e-5)
    assert abs(objective(*inputs, key=jax.random.key(6))[0] - terms.mean()) > 1e-8


@settings(max_examples=25, deadline=None)
@given(
    disparity=st.sampled_from([0.0, 1e-6, 0.5, 1.0]),
    step=st.sampled_from([0.0, -0.1, -1.0, -150.0]),
    turn=st.sampled_from([0.0, 1e-9, 3.0]),
    colour=st.sampled_from([None, 0.0, 1.0]),
    size=st.sampled_from([(8, 16), (8, 1)]),
)
def test_the_gradient_is_always_finite(disparity, step, turn, colour, size):
    disparities = (jnp.full((1, *size), disparity),)
    vector = jnp.array([[[0, turn, 0, 0, 0, step], [0, 0, 0, 0, 0, 0]]], jnp.float32)
    target = jnp.asarray(np.random.default_rng(0).random((1, *size, 3)), jnp.float32)
    target = target if colour is None else jnp.full_like(target, colour)
    sources = jnp.stack([target, target[:, ::-1]], axis=1)
    results, gradients = objective_and_gradients(disparities, vector, target, sources)
    assert all(np.isfinite(value).all() for value in jax.tree.leaves((results, gradients)))


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_nothing_is_computed_in_half_precision(dtype):
    disparities, vector, target, sources = example(3, scales=1)
    intrinsics = jnp.broadcast_to(jnp.asarray(INTRINSICS), (2, 3, 3))
    motions = rigid_from_vector(vector)
    halves = jax.tree.map(lambda x: x.astype(dtype), (disparities, target, sources, motions, intrinsics))
    singles = jax.tree.map(lambda x: x.astype(jnp.float32), halves)
    run = jax.jit(lambda *inputs: depth_objective(*inputs, **RANGE)[0])
    loss, expected = run(*halves), run(*singles)
    assert loss.dtype == photometric_error(halves[1], halves[1]).dtype == jnp.float32
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


def test_any_batch_is_welcome():
    a, b = jnp.asarray(np.random.default_rng(5).random((2, 2, 3, 4, 5, 3)), jnp.float32)
    together = photometric_error(a, b)
    assert together.shape == (2, 3, 4, 5)
    np.testing.assert_allclose(jax.jit(jax.vmap(photometric_error))(a, b), together, atol=1e-6)
    np.testing.assert_allclose(photometric_error(a[1, 2], b[1, 2]), together[1, 2], atol=1e-6)


def test_wrong_shapes_raise():
    disparities, vector, target, sources = example(6, scales=1)
    with pytest.raises(Exception, match="Type-check"):
        objective(disparities, vector, target[:, 1:], sources)
    with pytest.raises(Exception, match="Type-check"):
        objective(disparities, vector[:, :1], target, sources)
