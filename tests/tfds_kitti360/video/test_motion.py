"""Motion is what the camera did: a slide of known length, standing still, a cut."""

import numpy as np
import own_video
import pytest

from tfds_kitti360.video import motion


def measure(first, second):
    return motion.measure(motion.small(first), motion.small(second))


@pytest.mark.parametrize("pixels", [2, 6, 12])
def test_a_slide_has_its_length(pixels):
    moved = measure(*own_video.frames([40, 40 + pixels]))
    assert moved.share == pytest.approx(pixels / own_video.SIZE[1], rel=0.1)
    assert not moved.still and not moved.cut and moved.resemblance > 0.8


def test_standing_still_is_seen_through_noise():
    (image,) = own_video.frames([40])
    noisy = np.clip(image + np.random.default_rng(1).normal(0, 3, image.shape), 0, 255).astype(np.uint8)
    assert measure(image, noisy).still and measure(image, image).still


def test_another_shot_is_a_cut():
    (here,), (there,) = own_video.frames([40]), own_video.frames([40], seed=7)
    assert measure(here, there).cut
    assert not measure(np.zeros_like(here), np.zeros_like(here)).cut  # black stays black
