"""The inverse warp against scipy, PyTorch and plain reasoning."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from mtl_depth.geometry.camera import flip_intrinsics
from mtl_depth.geometry.rigid import rigid_from_vector
from mtl_depth.geometry.warp import inverse_warp, sample_bilinear

HEIGHT, WIDTH = 7, 12
INTRINSICS = np.array([[10.0, 0, 6.2], [0, 11.0, 4.1], [0, 0, 1]])
warp = jax.jit(inverse_warp)
MIRROR = np.diag([-1.0, 1, 1, 1])


def scene(seed, batch=()):
    generator = np.random.default_rng(seed)
    vector = generator.normal(0, 0.1, (*batch, 6))
    return (
        generator.random((*batch, HEIGHT, WIDTH, 3)),
        generator.uniform(2, 6, (*batch, HEIGHT, WIDTH)),
        vector,
        np.broadcast_to(INTRINSICS, (*batch, 3, 3)),
    )


def warp_by_hand(source, depth, motion, intrinsics):
    """One pixel after the other, from the definition."""
    image, inside = np.zeros_like(source), np.zeros(depth.shape, bool)
    for row in range(HEIGHT):
        for column in range(WIDTH):
            point = depth[row, column] * np.linalg.inv(intrinsics) @ [column, row, 1]
            u, v, z = intrinsics @ (motion @ [*point, 1])[:3]
            x, y = u / (z + 1e-7), v / (z + 1e-7)
            inside[row, column] = z > 0 and -0.5 <= x <= WIDTH - 0.5 and -0.5 <= y <= HEIGHT - 0.5
            where = np.clip([y, x], 0, [HEIGHT - 1, WIDTH - 1])
            for channel in range(3):
                sampled = scipy.ndimage.map_coordinates(source[..., channel], where[:, None], order=1)
                image[row, column, channel] = sampled[0]
    return image, inside


def test_equals_the_definition():
    source, depth, vector, intrinsics = scene(0)
    depth[0, :3] = 0.3  # with a step of -1 along z these lie behind the camera
    vector[5] = -1
    with jax.enable_x64(True):
        motion = rigid_from_vector(jnp.asarray(vector))
        image, inside = warp(*map(jnp.asarray, (source, depth)), motion, jnp.asarray(intrinsics))
    expected, expected_inside = warp_by_hand(source, depth, np.asarray(motion), intrinsics)
    np.testing.assert_allclose(image, expected, atol=1e-12)
    np.testing.assert_array_equal(inside, expected_inside)
    assert not inside[0, 0] and 0.1 < np.mean(inside) < 0.95


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_motion_changes_nothing(dtype):
    source, depth, _, intrinsics = (x.astype(dtype) for x in scene(1))
    with jax.enable_x64(dtype is np.float64):
        image, inside = warp(*map(jnp.asarray, (source, depth, np.eye(4, dtype=dtype), intrinsics)))
    assert image.dtype == dtype and inside.all()
    np.testing.assert_allclose(image, source, atol=1e-5)  # the constant 1e-7 beside depth moves samples a little


def test_a_step_to_the_right_shifts_a_plane_to_the_left():
    # Plane at depth 5, f = 10, the source 1 m to the right: x' = x - 10 * 1 / 5 = x - 2.
    source, _, _, intrinsics = scene(2)
    motion = np.eye(4)
    motion[0, 3] = -1
    image, inside = warp(*(jnp.asarray(x, jnp.float32) for x in (source, np.full((7, 12), 5.0), motion, intrinsics)))
    np.testing.assert_allclose(image[:, 2:], source[:, :-2], atol=1e-4)
    np.testing.assert_allclose(image[:, :2], np.repeat(source[:, :1], 2, axis=1), atol=1e-4)
    np.testing.assert_array_equal(inside, np.broadcast_to(np.arange(12) >= 2, (7, 12)))


@pytest.mark.parametrize("seed", [3, 4])
def test_a_flip_commutes_with_the_warp(seed):
    source, depth, vector, intrinsics = scene(seed)
    with jax.enable_x64(True):
        motion = rigid_from_vector(jnp.asarray(vector))
        image, inside = warp(*map(jnp.asarray, (source, depth)), motion, jnp.asarray(intrinsics))
        flipped, flipped_inside = warp(
            jnp.asarray(source[:, ::-1]),
            jnp.asarray(depth[:, ::-1]),
            jnp.asarray(MIRROR @ np.asarray(motion) @ MIRROR),
            flip_intrinsics(jnp.asarray(intrinsics), width=WIDTH),
        )
    np.testing.assert_allclose(flipped[:, ::-1], image, atol=1e-6)
    np.testing.assert_array_equal(flipped_inside[:, ::-1], inside)


def test_sampling_equals_scipy():
    generator = np.random.default_rng(5)
    image, x, y = generator.random((7, 12, 3)), generator.uniform(-3, 14, (4, 5)), generator.uniform(-3, 9, (4, 5))
    expected = [scipy.ndimage.map_coordinates(image[..., c], [y, x], order=1, mode="nearest") for c in range(3)]
    with jax.enable_x64(True):
        sampled = jax.jit(sample_bilinear)(jnp.moveaxis(jnp.asarray(image), -1, 0), jnp.asarray(x), jnp.asarray(y))
    np.testing.assert_allclose(sampled, expected, atol=1e-13)


def test_a_position_on_or_beyond_the_border_passes_no_gradient():
    planes = jnp.asarray(np.random.default_rng(6).random((1, 3, 4)), jnp.float32)
    x = jnp.array([[-2.0, 0.0, 1.5, 3.0, 9.0]])
    y = jnp.full((1, 5), 1.25)
    slope = jax.jit(jax.grad(lambda x: sample_bilinear(planes, x, y).sum()))(x)
    np.testing.assert_array_equal(slope != 0, [[False, False, True, False, False]])
    expected = 0.75 * (planes[0, 1, 2] - planes[0, 1, 1]) + 0.25 * (planes[0, 2, 2] - planes[0, 2, 1])
    np.testing.assert_allclose(slope[0, 2], expected, rtol=1e-6)


def test_equals_pytorch_with_all_gradients():
    torch = pytest.importorskip("torch")
    source, depth, vector, intrinsics = scene(7, batch=(2,))
    vector[:, 5] -= 0.4
    weights = np.random.default_rng(8).normal(size=source.shape)
    with jax.enable_x64(True):
        inputs = (jnp.asarray(source), jnp.asarray(depth), rigid_from_vector(jnp.asarray(vector)))
        camera = jnp.asarray(intrinsics)
        ours = warp(*inputs, camera)[0]
        gradients = jax.jit(jax.grad(lambda *a: (weights * warp(*a, camera)[0]).sum(), (0, 1, 2)))(*inputs)

    leaves = [torch.tensor(np.asarray(x), requires_grad=True) for x in inputs]
    image, z, motion = leaves
    matrix = torch.tensor(np.asarray(intrinsics))
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    grid = torch.stack([columns, rows, torch.ones_like(rows)], dim=-1).double()
    points = z[..., None] * torch.einsum("bij,hwj->bhwi", torch.linalg.inv(matrix), grid)
    moved = torch.einsum("bij,bhwj->bhwi", motion[:, :3, :3], points) + motion[:, None, None, :3, 3]
    homogeneous = torch.einsum("bij,bhwj->bhwi", matrix, moved)
    pixels = homogeneous[..., :2] / (homogeneous[..., 2:] + 1e-7)
    normalised = 2 * pixels / torch.tensor([WIDTH - 1, HEIGHT - 1]) - 1
    warped = torch.nn.functional.grid_sample(
        image.permute(0, 3, 1, 2), normalised, padding_mode="border", align_corners=True
    ).permute(0, 2, 3, 1)
    (warped * torch.tensor(weights)).sum().backward()

    np.testing.assert_allclose(ours, warped.detach(), atol=1e-12)
    for gradient, leaf in zip(gradients, leaves):
        np.testing.assert_allclose(gradient, leaf.grad, atol=1e-10)


def test_finite_differences_agree():
    source, depth, vector, intrinsics = scene(9)
    with jax.enable_x64(True):
        camera = jnp.asarray(intrinsics)
        check_grads(
            jax.jit(lambda s, d, v: inverse_warp(s, d, rigid_from_vector(v), camera)[0]),
            tuple(map(jnp.asarray, (source, depth, vector))),
            order=1,
            eps=1e-6,
            rtol=1e-4,
        )


@jax.jit
@jax.value_and_grad
def total(variables, source):
    depth, vector = variables
    return inverse_warp(source, depth, rigid_from_vector(vector), jnp.array([[2.0, 0, 1], [0, 2, 1], [0, 0, 1]]))[
        0
    ].sum()


@settings(max_examples=30, deadline=None)
@given(
    depth=st.sampled_from([1e-3, 0.1, 1.0, 100.0]),
    step=st.sampled_from([0.0, -0.1, -1.0, -100.0, 1e4]),
    turn=st.sampled_from([0.0, 1e-9, 0.5, 3.14159]),
    shape=st.sampled_from([(3, 4), (3, 1), (1, 1)]),
)
def test_no_motion_or_depth_makes_nan(depth, step, turn, shape):
    source = jnp.asarray(np.random.default_rng(0).random((*shape, 3)), jnp.float32)
    value, gradients = total((jnp.full(shape, depth), jnp.array([0, turn, 0, 0, 0, step])), source)
    assert np.isfinite(value) and all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_nothing_is_computed_in_half_precision(dtype):
    source, depth, vector, intrinsics = (jnp.asarray(x, dtype) for x in scene(10))
    motion = rigid_from_vector(vector)
    image, _ = warp(source, depth, motion.astype(dtype), intrinsics)
    single = (x.astype(jnp.float32) for x in (source, depth, motion.astype(dtype), intrinsics))
    assert image.dtype == jnp.float32
    np.testing.assert_array_equal(image, warp(*single)[0])


def test_any_batch_is_welcome():
    source, depth, vector, intrinsics = (jnp.asarray(x, jnp.float32) for x in scene(11, batch=(2, 2)))
    motion = rigid_from_vector(vector)
    image, inside = warp(source, depth, motion, intrinsics)
    mapped, mapped_inside = jax.jit(jax.vmap(inverse_warp))(source, depth, motion, intrinsics)
    np.testing.assert_allclose(mapped, image, atol=1e-5)
    np.testing.assert_array_equal(mapped_inside, inside)
    alone, _ = warp(source[1, 0], depth[1, 0], motion[1, 0], intrinsics[1, 0])
    np.testing.assert_allclose(alone, image[1, 0], atol=1e-5)


def test_wrong_shapes_raise():
    source, depth, vector, intrinsics = (jnp.asarray(x, jnp.float32) for x in scene(12, batch=(2,)))
    motion = rigid_from_vector(vector)
    for broken in ((source, depth[:, 1:], motion, intrinsics), (source, depth, motion[0], intrinsics)):
        with pytest.raises(Exception, match="Type-check"):
            warp(*broken)
