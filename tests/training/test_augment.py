"""The flip and the colour jitter against colorsys and plain numpy."""

import colorsys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_depth.geometry.rigid import rigid_from_vector
from mtl_depth.geometry.warp import inverse_warp
from mtl_depth.training.augment import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    augment,
    jitter_colours,
    mirror_motion,
)

GREY = np.array([0.2989, 0.587, 0.114])


def clip_and_labels():
    generator = np.random.default_rng(0)
    clip = jnp.asarray(generator.random((3, 4, 6, 3)), jnp.float32)
    intrinsics = jnp.array([[5.0, 0, 2], [0, 6, 1], [0, 0, 1]])
    motion = rigid_from_vector(jnp.asarray(generator.normal(0, 0.2, (2, 6)), jnp.float32))
    semantic = jnp.asarray(generator.integers(0, 255, (4, 6)), jnp.uint8)
    return clip, intrinsics, motion, {"semantic": semantic, "depth": semantic.astype(jnp.float32)}


@settings(max_examples=60, deadline=None)
@given(
    colour=st.tuples(*[st.sampled_from([0.0, 0.2, 0.5, 0.51, 1.0])] * 3), turn=st.sampled_from([-0.1, -0.03, 0.0, 0.1])
)
def test_hue_equals_colorsys(colour, turn):
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    expected = colorsys.hsv_to_rgb((hue + turn) % 1.0, saturation, value)
    np.testing.assert_allclose(turned(jnp.array([[colour]]), turn)[0, 0], expected, atol=2e-6)


turned = jax.jit(adjust_hue)


def test_blends_equal_numpy():
    images = np.random.default_rng(1).random((2, 3, 5, 3)).astype(np.float32)
    grey = (images * GREY).sum(-1, keepdims=True)
    flat = grey.mean((1, 2), keepdims=True)  # one mean a frame
    for factor in (0.8, 1.2):
        blend = lambda other, factor=factor: np.clip(factor * images + (1 - factor) * other, 0, 1)  # noqa: E731
        np.testing.assert_allclose(adjust_brightness(jnp.asarray(images), factor), blend(0), atol=1e-6)
        np.testing.assert_allclose(adjust_contrast(jnp.asarray(images), factor), blend(flat), atol=1e-6)
        np.testing.assert_allclose(adjust_saturation(jnp.asarray(images), factor), blend(grey), atol=1e-6)


def test_jitter_stays_in_range_treats_frames_alike_and_depends_on_the_key():
    frame = jnp.asarray(np.random.default_rng(2).random((4, 6, 3)), jnp.float32)
    clip = jnp.stack([frame, frame])
    jitter = jax.jit(jitter_colours)
    changed = [jitter(jax.random.key(n), clip) for n in range(8)]
    for images in changed:
        np.testing.assert_array_equal(images[0], images[1])
        assert images.min() >= 0 and images.max() <= 1
    assert len({float(images.sum()) for images in changed}) == 8
    grey = jitter(jax.random.key(0), jnp.full((1, 2, 2, 3), 0.5))  # grey has no hue: only the brightness tells
    np.testing.assert_allclose(grey, np.broadcast_to(grey[0, 0, 0, 0], grey.shape), atol=1e-3)
    assert 0.4 <= grey[0, 0, 0, 0] <= 0.6


@pytest.mark.parametrize("flip", [0, 1])
def test_a_flip_mirrors_everything_together(flip):
    clip, intrinsics, motion, labels = clip_and_labels()
    result = augment(jax.random.key(0), clip, intrinsics, motion, labels, flip_probability=flip, jitter_probability=0)
    step = -1 if flip else 1
    np.testing.assert_array_equal(result.clean, clip[:, :, ::step])
    np.testing.assert_array_equal(result.jittered, result.clean)
    for name, values in labels.items():
        np.testing.assert_array_equal(result.labels[name], values[:, ::step])
        assert result.labels[name].dtype == values.dtype
    assert result.intrinsics[0, 2] == (6 - 1 - 2 if flip else 2)
    mirror = np.diag([-1.0, 1, 1, 1]) if flip else np.eye(4)
    np.testing.assert_allclose(result.source_from_target, mirror @ np.asarray(motion) @ mirror, atol=1e-7)


def test_a_stereo_baseline_changes_sign():
    baseline = jnp.eye(4).at[0, 3].set(-0.594)
    np.testing.assert_array_equal(mirror_motion(baseline), jnp.eye(4).at[0, 3].set(0.594))


def test_the_flip_commutes_with_the_warp_by_recorded_motion():
    clip, intrinsics, motion, _ = clip_and_labels()
    depth = jnp.asarray(np.random.default_rng(3).uniform(2, 5, (4, 6)), jnp.float32)
    result = augment(
        jax.random.key(0), clip, intrinsics, motion, {"depth": depth}, flip_probability=1, jitter_probability=0
    )
    image, inside = inverse_warp(clip[0], depth, motion[0], intrinsics)
    mirrored, mirrored_inside = inverse_warp(
        result.clean[0], result.labels["depth"], result.source_from_target[0], result.intrinsics
    )
    np.testing.assert_allclose(mirrored[:, ::-1], image, atol=1e-4)
    np.testing.assert_array_equal(mirrored_inside[:, ::-1], inside)


def test_each_happens_to_half_of_the_samples_independently():
    clip, intrinsics, _, _ = clip_and_labels()
    keys = jax.random.split(jax.random.key(1), 400)
    results = jax.jit(jax.vmap(lambda key: augment(key, clip[:1], intrinsics, None, {})))(keys)
    flipped = np.asarray(results.intrinsics[:, 0, 2] == 3)
    jittered = np.asarray((results.jittered != results.clean).any((1, 2, 3, 4)))
    for share, expected in ((flipped.mean(), 0.5), (jittered.mean(), 0.5), ((flipped & jittered).mean(), 0.25)):
        assert abs(share - expected) < 0.1
    assert results.source_from_target is None and results.labels == {}


def test_the_key_alone_decides():
    first, second = (augment(jax.random.key(4), *clip_and_labels()) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_wrong_shapes_raise():
    clip, intrinsics, motion, labels = clip_and_labels()
    with pytest.raises(Exception, match="Type-check"):
        augment(jax.random.key(0), clip, intrinsics, motion[0], labels)
    with pytest.raises(Exception, match="Type-check"):
        augment(jax.random.key(0), clip[0], intrinsics, motion, labels)
