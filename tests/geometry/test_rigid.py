"""Rigid motions against scipy's rotations, and their gradient at rest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from jax.test_util import check_grads
from scipy.spatial.transform import Rotation

from mtl_depth.geometry.rigid import invert, rigid_from_vector, transform

VECTORS = hnp.arrays(np.float64, (3, 6), elements=st.floats(-4, 4))


@settings(max_examples=30, deadline=None)
@given(VECTORS)
def test_equals_scipy_and_is_a_rotation(vectors):
    with jax.enable_x64(True):
        motion = np.asarray(jax.jit(rigid_from_vector)(vectors))
    rotation = motion[:, :3, :3]
    np.testing.assert_allclose(rotation, Rotation.from_rotvec(vectors[:, :3]).as_matrix(), atol=2e-15)
    np.testing.assert_allclose(rotation @ rotation.swapaxes(1, 2), np.broadcast_to(np.eye(3), (3, 3, 3)), atol=3e-15)
    np.testing.assert_array_equal(motion[:, :3, 3], vectors[:, 3:])
    np.testing.assert_array_equal(motion[:, 3], np.tile([0, 0, 0, 1], (3, 1)))


@pytest.mark.parametrize("angle", [1e-12, 1e-5, 0.316, 0.3163, np.pi, 5.0])
def test_is_exact_on_both_sides_of_the_series(angle):
    vector = angle * np.array([2, -1, 2]) / 3
    expected = Rotation.from_rotvec(vector).as_matrix()
    single = jax.jit(rigid_from_vector)(jnp.array([*vector, 0, 0, 0], jnp.float32))[:3, :3]
    np.testing.assert_allclose(single, expected, atol=4e-7)
    with jax.enable_x64(True):
        double = jax.jit(rigid_from_vector)(jnp.array([*vector, 0, 0, 0]))[:3, :3]
        np.testing.assert_allclose(double, expected, atol=5e-16)


def test_a_quarter_turn_about_z_then_a_step():
    # (1, 0, 0) turns into (0, 1, 0), then moves by (0, 0, 5).
    motion = rigid_from_vector(jnp.array([0, 0, jnp.pi / 2, 0, 0, 5]))
    np.testing.assert_allclose(motion @ jnp.array([1, 0, 0, 1]), [0, 1, 5, 1], atol=1e-6)


def test_the_gradient_at_rest_is_the_generator():
    jacobian = jax.jit(jax.jacobian(rigid_from_vector))(jnp.zeros(6))[:3, :3, :3]
    generators = np.zeros((3, 3, 3), np.float32)  # d R_ij / d v_k = -epsilon_ijk
    for i, j, k, sign in ((2, 1, 0, 1), (0, 2, 1, 1), (1, 0, 2, 1), (1, 2, 0, -1), (2, 0, 1, -1), (0, 1, 2, -1)):
        generators[i, j, k] = sign
    np.testing.assert_array_equal(jacobian, generators)


def test_second_derivatives_at_rest_are_finite():
    assert np.isfinite(jax.jit(jax.hessian(lambda v: rigid_from_vector(v).sum()))(jnp.zeros(6))).all()


@pytest.mark.parametrize("angle", [0.0, 1e-8, 0.31, 0.32, 3.0])
def test_finite_differences_agree(angle):
    with jax.enable_x64(True):
        vector = jnp.array([0.6 * angle, 0, -0.8 * angle, 1, 2, 3])
        both = jax.jit(lambda v: (rigid_from_vector(v), invert(rigid_from_vector(v))))
        check_grads(both, (vector,), order=1, eps=1e-5)


def test_the_inverse_undoes():
    with jax.enable_x64(True):
        motion = rigid_from_vector(jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 6))))
        expected = np.broadcast_to(np.eye(4), (2, 3, 4, 4))
        np.testing.assert_allclose(invert(motion) @ motion, expected, atol=1e-14)
        np.testing.assert_allclose(invert(motion), np.linalg.inv(motion), atol=1e-14)


def test_transform_is_the_matrix_product():
    generator = np.random.default_rng(1)
    motion = rigid_from_vector(jnp.asarray(generator.normal(size=(2, 6)), jnp.float32))
    points = generator.normal(size=(3, 2, 4, 5)).astype(np.float32)
    moved = np.stack(transform(motion, *jnp.asarray(points)))
    expected = np.einsum("bij,jbhw->ibhw", motion[:, :3, :3], points) + np.asarray(motion)[:, :3, 3].T[..., None, None]
    np.testing.assert_allclose(moved, expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32])
def test_nothing_is_computed_in_half_precision(dtype):
    vector = jnp.array([0.25, -0.5, 0.125, 1, 2, 3], dtype)
    assert rigid_from_vector(vector).dtype == invert(rigid_from_vector(vector)).dtype == jnp.float32
    np.testing.assert_array_equal(rigid_from_vector(vector), rigid_from_vector(vector.astype(jnp.float32)))
    assert invert(jnp.eye(4, dtype=dtype)).dtype == jnp.float32


def test_doubles_stay_doubles_and_any_batch_is_welcome():
    with jax.enable_x64(True):
        vectors = jnp.asarray(np.random.default_rng(2).normal(size=(2, 3, 6)))
        batched = rigid_from_vector(vectors)
        assert batched.dtype == jnp.float64
        np.testing.assert_allclose(jax.jit(jax.vmap(jax.vmap(rigid_from_vector)))(vectors), batched, atol=1e-15)
        np.testing.assert_allclose(rigid_from_vector(vectors[1, 2]), batched[1, 2], atol=1e-15)


def test_wrong_shapes_raise():
    with pytest.raises(Exception, match="Type-check"):
        rigid_from_vector(jnp.zeros((2, 7)))
    with pytest.raises(Exception, match="Type-check"):
        invert(jnp.zeros((2, 3, 4)))
