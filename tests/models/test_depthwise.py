"""Depthwise convolution: shifted maps equal XLA's grouped convolution and PyTorch's, with their gradients."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtl_depth.models.convolution import margins
from mtl_depth.models.depthwise import convolve_depthwise, correlate_grouped, correlate_shifted

SIDES = ((6, 8), (7, 5), (8, 3), (1, 2))


def maps(size, sides, *, batch=2, channels=3, dtype=np.float32):
    generator = np.random.default_rng(size)
    return (
        jnp.asarray(generator.normal(size=(batch, *sides, channels)), dtype),
        jnp.asarray(generator.normal(size=(size, size, 1, channels)), dtype),
    )


def assert_near(ours, theirs, tolerance):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * max(np.abs(theirs).max(), 1e-30))


@pytest.mark.parametrize("sides", SIDES, ids=str)
@pytest.mark.parametrize(("size", "stride", "one_sided"), list(itertools.product((3, 5), (1, 2), (False, True))))
def test_both_forms_and_their_gradients_are_equal(size, stride, one_sided, sides):
    with jax.enable_x64(True):
        x, kernel = maps(size, sides, dtype=np.float64)
        padding = tuple(margins(side, size, stride=stride, one_sided=one_sided) for side in sides)
        ours, backward = jax.vjp(lambda x, k: convolve_depthwise(x, k, stride=stride, one_sided=one_sided), x, kernel)
        theirs, expected = jax.vjp(lambda x, k: correlate_grouped(x, k, stride, padding), x, kernel)
        assert ours.shape == (2, -(-sides[0] // stride), -(-sides[1] // stride), 3)
        assert_near(ours, theirs, 1e-12)
        gradient = jnp.cos(jnp.arange(ours.size, dtype=ours.dtype)).reshape(ours.shape)
        for own, other in zip(backward(gradient), expected(gradient), strict=True):
            assert_near(own, other, 1e-12)


@pytest.mark.parametrize("batch", [1, 6, 11])
def test_the_kernel_s_gradient_for_any_batch(batch):
    """The batch is added up in parts: of 1, 6 and 1 here."""
    x, kernel = maps(3, (4, 6), batch=batch)
    ours, theirs = (
        jax.grad(lambda kernel, form=form: jnp.square(form(x, kernel, 1, ((1, 1), (1, 1)))).sum())(kernel)
        for form in (correlate_shifted, correlate_grouped)
    )
    assert_near(ours, theirs, 1e-6)


def test_half_types_are_added_up_in_full():
    """In bfloat16 the result is the one of float32, rounded once."""
    x, kernel = maps(5, (8, 6), dtype=jnp.bfloat16)
    wide = [y.astype(jnp.float32) for y in (x, kernel)]
    padding = ((2, 2), (2, 2))
    ours, backward = jax.vjp(lambda x, kernel: correlate_shifted(x, kernel, 1, padding), x, kernel)
    theirs, expected = jax.vjp(lambda x, kernel: correlate_shifted(x, kernel, 1, padding), *wide)
    gradient = jnp.ones_like(theirs)
    for own, other in ((ours, theirs), *zip(backward(gradient.astype(x.dtype)), expected(gradient), strict=True)):
        assert own.dtype == jnp.bfloat16
        np.testing.assert_array_equal(own, other.astype(jnp.bfloat16))


@pytest.mark.parametrize(("size", "stride"), list(itertools.product((3, 5), (1, 2))))
def test_pytorch_s_padding(size, stride):
    torch = pytest.importorskip("torch")
    x, kernel = maps(size, (6, 8))
    nchw, weight = (
        torch.from_numpy(np.array(y.transpose(axes))) for y, axes in ((x, (0, 3, 1, 2)), (kernel, (3, 2, 0, 1)))
    )
    theirs = torch.nn.functional.conv2d(nchw, weight, stride=stride, padding=size // 2, groups=3)
    assert_near(convolve_depthwise(x, kernel, stride=stride), theirs.permute(0, 2, 3, 1).numpy(), 1e-6)


def test_tensorflow_s_padding():
    """Of 4 pixels a 3x3 kernel with stride 2 sees (0, 1, 2) and (2, 3, outside): sums 0+1+2 = 3 and 2+3 = 5."""
    x = jnp.broadcast_to(jnp.arange(4.0)[None, :, None, None], (1, 4, 1, 1))
    found = convolve_depthwise(x, jnp.ones((3, 3, 1, 1)), stride=2, one_sided=True)
    assert found[0, :, 0, 0].tolist() == [3, 5]
    # PyTorch's sees (outside, 0, 1) and (1, 2, 3).
    assert convolve_depthwise(x, jnp.ones((3, 3, 1, 1)), stride=2)[0, :, 0, 0].tolist() == [1, 6]
    sides = {(4, 3): (0, 1), (5, 3): (1, 1), (4, 5): (1, 2), (5, 5): (2, 2)}
    assert {key: margins(*key, stride=2, one_sided=True) for key in sides} == sides


def lowered(platform, **options):
    x, kernel = maps(3, (4, 6))
    step = jax.jit(jax.grad(lambda x, kernel: convolve_depthwise(x, kernel, **options).sum(), argnums=(0, 1)))
    return step.trace(x, kernel).lower(lowering_platforms=(platform,)).as_text()


def test_the_platform_decides():
    assert "stablehlo.convolution" not in lowered("cpu")
    assert all("stablehlo.convolution" in lowered(platform) for platform in ("cuda", "tpu"))
    assert "stablehlo.convolution" in lowered("cpu", grouped=True)


def test_it_maps_over_a_further_axis():
    x, kernel = maps(3, (4, 6), batch=4)
    apply = functools.partial(convolve_depthwise, stride=2)
    np.testing.assert_allclose(jax.vmap(apply, (0, None))(x[:, None], kernel)[:, 0], apply(x, kernel), atol=1e-6)
