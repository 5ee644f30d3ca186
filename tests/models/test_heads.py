"""What the segmentation heads promise of their own: channels enough in a narrow network, offsets in pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtl_depth.models.heads import DisparityHead, InstanceHead, SemanticHead

CHANNELS = (64, 64, 128, 256, 512)


def features(width, *, size=(64, 96)):
    """Of the encoder: strides 2 to 32."""
    return [
        jnp.ones((1, size[0] // 2**level, size[1] // 2**level, round(channels * width)))
        for level, channels in enumerate(CHANNELS, start=1)
    ]


def finest(head, width):
    """Channels of the decoder's finest map."""
    shapes = jax.eval_shape(head.init, jax.random.key(0), features(width))["params"]["decoder"]
    return jax.tree.leaves(shapes["level0_out"])[0].shape[-1]


@pytest.mark.parametrize("head", [SemanticHead, InstanceHead])
def test_nineteen_classes_do_not_have_to_fit_into_four_channels(head):
    assert finest(head(width=0.25), 0.25) == 16
    assert finest(head(width=1.0), 1.0) == 16  # as published
    assert finest(DisparityHead(width=0.25), 0.25) == 4


@pytest.mark.slow
@pytest.mark.parametrize("width", [96, 320])
def test_offsets_are_pixels_and_a_unit_of_the_convolution_is_a_tenth_of_the_width(width):
    head = InstanceHead(width=0.125)
    given = features(0.125, size=(64, width))
    shapes = dict(jax.eval_shape(head.init, jax.random.key(0), given))["params"]
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    params["offset"]["bias"] = jnp.array([1.0, -0.5])
    offset = head.apply({"params": params}, given)["offset"]
    np.testing.assert_allclose(offset[0, 3, 5], [0.1 * width, -0.05 * width], rtol=1e-6)
