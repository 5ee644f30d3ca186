"""Metric depth: the right image as a source, and the length of predicted translations."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtl_depth import config
from mtl_depth.geometry.camera import depth_from_disparity
from mtl_depth.models.network import init
from mtl_depth.tasks import assemble
from mtl_depth.tasks import depth as depth_task
from mtl_depth.training.augment import augment
from mtl_depth.training.gradients import _prepare

SIZE = (32, 64)
FOCAL, BASELINE, DEPTH = 40.0, 0.5, 5.0  # a shift of 40 * 0.5 / 5 = 4 pixels
INTRINSICS = np.array([[[FOCAL, 0, 30.2], [0, FOCAL, 15.5], [0, 0, 1]]], np.float32)


def clip_of_a_wall() -> dict[str, np.ndarray]:
    """A wall 5 m away, seen by a standing camera and by one 0.5 m to its right, where everything is 4 pixels to the
    left."""
    generator = np.random.default_rng(0)
    coarse = generator.random((1, SIZE[0] // 4, (SIZE[1] + 16) // 4, 3))
    wall = np.asarray(jax.image.resize(coarse, (1, SIZE[0], SIZE[1] + 16, 3), "cubic")).clip(0, 1)
    wall = np.rint(wall * 255).astype(np.uint8)
    left, right = wall[:, :, :-16], wall[:, :, 4:-12]
    shift = np.eye(4, dtype=np.float32)[None, None].copy()
    shift[..., 0, 3] = -BASELINE
    return {
        "image": np.stack([left] * 3, axis=1),
        "image_right": right,
        "right_from_target": shift,
        "intrinsics": INTRINSICS,
    }


def photometric(batch, disparity, section):
    task = depth_task.make(section, width=0.125, dtype=jnp.float32)
    outputs = {"disparity": (disparity,), "source_from_target": np.tile(np.eye(4, dtype=np.float32), (1, 2, 1, 1))}
    total, count = jax.jit(lambda o, b: task.loss(jax.random.split(jax.random.key(0), 1), o, b))(outputs, batch)[
        "depth/photometric"
    ]
    return float(total / count)


def disparity_of(depth):
    nearest, farthest, _ = depth_task.METRIC
    value = (1 / depth - 1 / farthest) / (1 / nearest - 1 / farthest)
    found = np.full((1, *SIZE), value, np.float32)
    np.testing.assert_allclose(depth_from_disparity(found, nearest=nearest, farthest=farthest), depth, rtol=1e-4)
    return found


def with_its_own_past_repainted(batch):
    """The neighbours in time show something else, so that only the right image can explain the target."""
    image = batch["image"].copy()
    image[:, [0, 2]] = np.random.default_rng(1).integers(0, 255, image[:, [0, 2]].shape)
    return {name: jnp.asarray(values) for name, values in (batch | {"image": image}).items()}


def test_the_right_image_fixes_the_scale():
    section = config.DepthTask(stereo=True)
    batch, _ = _prepare(
        jax.random.split(jax.random.key(0), 1), with_its_own_past_repainted(clip_of_a_wall()), augmentation=None
    )
    errors = {depth: photometric(batch, disparity_of(depth), section) for depth in (3.0, 4.0, DEPTH, 6.5, 10.0)}
    assert min(errors, key=errors.get) == DEPTH and errors[DEPTH] < 0.3 * min(errors[4.0], errors[6.5])


def test_a_mirrored_pair_is_a_mirrored_world():
    """A flip mirrors the right image with the clip and turns the baseline's sign; the loss stays."""
    section = config.DepthTask(stereo=True)
    raw = with_its_own_past_repainted(clip_of_a_wall())
    seen = {}
    for seed in range(8):
        batch, _ = _prepare(jax.random.split(jax.random.key(seed), 1), raw, augmentation=augment)
        flipped = bool(np.abs(np.asarray(batch["image"][0, 1] - raw["image"][0, 1] / 255)).max() > 0.01)
        sign = -1 if flipped else 1
        np.testing.assert_allclose(batch["right_from_target"][0, 0, 0, 3], -sign * BASELINE)
        np.testing.assert_allclose(batch["image_right"][0], raw["image_right"][0][:, ::sign] / 255, atol=1e-6)
        seen[flipped] = photometric(batch, disparity_of(DEPTH), section)
    assert seen.keys() == {True, False}
    np.testing.assert_allclose(seen[True], seen[False], rtol=1e-3)


def test_translation_error_by_hand():
    predicted = np.tile(np.eye(4, dtype=np.float32), (1, 2, 1, 1))
    recorded = predicted.copy()
    predicted[0, 0, :3, 3] = (3, 0, 4)  # 5 m, whatever the direction
    recorded[0, 0, :3, 3] = (0, 2, 0)
    recorded[0, 1, :3, 3] = (0, 0, 1)
    value, slope = jax.value_and_grad(lambda p: depth_task.translation_error(p, recorded).sum())(jnp.asarray(predicted))
    np.testing.assert_allclose(depth_task.translation_error(predicted, recorded), [[3, 1]])
    assert float(value) == 4
    np.testing.assert_allclose(slope[0, 0, :3, 3], [0.6, 0, 0.8], rtol=1e-6)
    np.testing.assert_array_equal(slope[0, 1], 0)  # finite at no motion


def test_metric_settings_have_the_metric_range():
    for section, metric in (
        (config.DepthTask(), False),
        (config.DepthTask(motion="recorded"), True),
        (config.DepthTask(stereo=True), True),
        (config.DepthTask(translation_weight=0.05), True),
    ):
        task = depth_task.make(section, width=0.125, dtype=jnp.float32)
        assert depth_task.is_metric(section) == metric
        ends = task.decode({"disparity": (jnp.array([[[0.0, 1.0]]]),)})["depth"]
        np.testing.assert_allclose(ends[0, 0], (200, 1) if metric else (100, 0.1), rtol=1e-5)
        # published: depth starts at 0.2; here at 10 m, 50 times farther
        assert task.translation_unit == pytest.approx(50 if metric else 1)


def test_a_metric_pose_network_starts_with_longer_translations_only():
    images = jax.random.uniform(jax.random.key(1), (2, 1, 64, 96, 3))
    tasks = [config.Tasks(depth=config.DepthTask(**options)) for options in ({}, {"stereo": True})]
    published, metric = (assemble(config.Model(width=0.125), each)[0] for each in tasks)
    variables = init(published, jax.random.key(0), size=(64, 96))

    def vector(network):
        apply = functools.partial(network.apply, method=lambda self, *pair: self.pose(*pair, train=False))
        return jax.jit(apply)(variables, *images)

    vectors = [vector(published), vector(metric)]
    np.testing.assert_allclose(vectors[1], vectors[0] * np.repeat([1, 50], 3), rtol=1e-6)


@pytest.mark.parametrize(
    ("section", "reads"),
    [
        (config.DepthTask(), set()),
        (config.DepthTask(stereo=True), {"image_right"}),
        (config.DepthTask(translation_weight=1.0), {"source_from_target"}),
        (config.DepthTask(motion="recorded", stereo=True), {"source_from_target", "image_right"}),
    ],
)
def test_only_what_is_asked_for_is_read(section, reads):
    assert depth_task.make(section, width=0.125, dtype=jnp.float32).reads == reads


def test_depth_is_scaled_to_the_camera():
    """A lens twice as long shows the same picture twice as far away; without a canonical camera nothing changes."""
    section = config.DepthTask(motion="recorded", canonical_focal=0.5)
    task = depth_task.make(section, width=0.125, dtype=jnp.float32)
    predictions = task.decode({"disparity": (jnp.asarray(np.repeat(disparity_of(8.0), 2, axis=0)),)})
    seen = task.for_camera(predictions, jnp.array([0.5, 1.0]))
    np.testing.assert_allclose(seen["depth"][:, 0, 0], [8, 16], rtol=1e-4)
    np.testing.assert_allclose(seen["depth_scale"], [1, 2])
    plain = depth_task.make(config.DepthTask(), width=0.125, dtype=jnp.float32)
    assert plain.for_camera(predictions, jnp.array([0.5, 1.0])) == {}


def test_the_canonical_answer_is_learned_at_the_camera_s_scale():
    """The photometric loss is least where the canonical depth times fx / width / canonical is the true depth."""
    batch = {name: jnp.asarray(values) for name, values in with_its_own_past_repainted(clip_of_a_wall()).items()}
    batch, _ = _prepare(jax.random.split(jax.random.key(0), 1), batch, augmentation=None)
    canonical = 2 * float(batch["intrinsics"][0, 0, 0]) / SIZE[1]  # this camera answers half of the canonical depth
    section = config.DepthTask(stereo=True, canonical_focal=canonical)
    errors = {depth: photometric(batch, disparity_of(2 * depth), section) for depth in (3.0, DEPTH, 8.0)}
    assert min(errors, key=errors.get) == DEPTH


def test_scan_error_by_hand():
    truth = jnp.array([[[0.0, 2.0], [4.0, 1.0]]])
    total, count = depth_task.scan_error(jnp.full((1, 2, 2), 2.0), truth)
    np.testing.assert_allclose(total, 2 * np.log(2), rtol=1e-6)  # |log 2/2| + |log 2/4| + |log 2/1|
    assert float(count) == 3
    slope = jax.grad(lambda depth: depth_task.scan_error(depth, truth)[0])(jnp.full((1, 2, 2), 3.0))
    np.testing.assert_allclose(slope, np.array([[[0, 1], [-1, 1]]]) / 3, rtol=1e-6)
