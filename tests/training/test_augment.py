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
    Window,
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    augment,
    change_exposure,
    crop_images,
    crop_intrinsics,
    crop_labels,
    jitter_colours,
    mirror_motion,
    random_window,
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


def test_a_window_moves_images_labels_and_intrinsics_alike():
    """Pictures whose colours are their own pixel coordinates: what the moved intrinsics say of a ray stays true."""
    height, width = 24, 40
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    ramp = jnp.asarray(np.stack([rows, columns, rows + columns], axis=-1))[None]
    intrinsics = jnp.array([[30.0, 0, 19], [0, 28, 11], [0, 0, 1]])
    window = Window(jnp.array([1.5, 2.0]), jnp.array([0.2, 0.3]))
    seen = np.asarray(crop_images(ramp, window))[0]
    moved = np.asarray(crop_intrinsics(intrinsics, window, size=(height, width)))
    inner = np.s_[2:-2, 2:-2]
    for channel, axis, coordinate in ((0, 1, rows), (1, 0, columns)):
        ray = (coordinate - moved[axis, 2]) / moved[axis, axis]
        before = (seen[..., channel] - intrinsics[axis, 2]) / intrinsics[axis, axis]
        np.testing.assert_allclose(ray[inner], before[inner], atol=1e-5)
    labels = np.asarray(crop_labels(jnp.asarray(columns), window))
    assert np.abs(labels - seen[..., 1])[inner].max() <= 0.5 + 1e-5  # the pixel that the centre falls into


@pytest.mark.parametrize("seed", range(5))
def test_a_random_window_lies_inside(seed):
    window = random_window(jax.random.key(seed), zoom=1.6)
    assert np.all(np.asarray(window.zoom) >= 1) and np.all(np.asarray(window.zoom) <= 1.6 * 1.15**0.5 + 1e-6)
    assert np.all(np.asarray(window.start) >= 0)
    assert np.all(np.asarray(window.start + 1 / window.zoom) <= 1 + 1e-6)


def test_zoom_and_exposure_are_off_by_default():
    clip, intrinsics, motion, labels = clip_and_labels()
    plain = augment(jax.random.key(3), clip, intrinsics, motion, labels)
    zoomed = augment(jax.random.key(3), clip, intrinsics, motion, labels, zoom=1.5, exposure=1.0)
    np.testing.assert_array_equal(
        plain.intrinsics, augment(jax.random.key(3), clip, intrinsics, motion, labels, zoom=1.0).intrinsics
    )
    assert float(zoomed.intrinsics[0, 0]) > float(plain.intrinsics[0, 0])
    np.testing.assert_array_equal(zoomed.source_from_target, plain.source_from_target)


def test_exposure_keeps_black_and_the_order_of_brightness():
    images = jnp.linspace(0, 1, 12).reshape(1, 2, 2, 3)
    for seed in range(4):
        seen = np.asarray(change_exposure(jax.random.key(seed), images, stops=1.0)).ravel()
        assert seen[0] == 0 and np.all(np.diff(seen) >= 0) and seen.max() <= 1
    slope = jax.grad(lambda x: change_exposure(jax.random.key(0), x, stops=1.0).sum())(images)
    assert np.all(np.isfinite(slope))
