"""Compiled programs answer what the same operations answer one by one, on both sides of 32,768 rows."""

import importlib.metadata
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtl_depth.geometry.rigid import rigid_from_vector
from mtl_depth.losses import segmentation
from mtl_depth.losses.photometric import depth_objective
from mtl_depth.runtime import compiler_flags

pytestmark = pytest.mark.as_users  # with the setting that the commands make
SIZES = {"below": (96, 320), "above": (96, 352)}  # 30,720 and 33,792 pixels
OFF = f"{compiler_flags.NAME}="


@pytest.mark.parametrize(
    ("version", "given", "expected"),
    [
        ("0.10.2", None, OFF),
        ("0.11.2", "--xla_a=1", f"--xla_a=1 {OFF}"),
        ("0.11.2", f"{OFF}-reduce", f"{OFF}-reduce"),  # the user's own
        ("0.12.0", None, None),  # may not know the flag, and would end the process
        ("0.12.0", "--xla_a=1", "--xla_a=1"),
    ],
)
def test_a_flag_is_set_where_it_is_known_and_not_given(version, given, expected, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda _: version)
    environ = {} if given is None else {"XLA_FLAGS": given}
    compiler_flags.avoid_wrong_reductions(environ)
    assert environ.get("XLA_FLAGS") == expected


def test_the_commands_set_it_before_jax_is_imported():
    program = (
        "import os, sys, mtl_depth.main as command; sys.argv = ['main', 'table', 'absent']; command.main(); "
        "print('jax' in sys.modules, os.environ['XLA_FLAGS'])"
    )
    environ = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True)
    wanted = OFF if importlib.metadata.version("jaxlib") < "0.12" else ""
    assert done.stdout.split() == ["False", wanted], done.stderr


@pytest.mark.parametrize("rows", [32_768, 32_769])
def test_a_product_and_its_sum_of_squares(rows):
    """The reduction of jax issue 39103: with the default fusions of jaxlib 0.10.2 the last row is 1065369600."""
    first = jnp.arange(rows, dtype=jnp.float32)
    x = jnp.stack([first, jnp.zeros_like(first), jnp.zeros_like(first)], axis=1)
    matrix = jnp.eye(3)
    found = jax.jit(jax.vmap(lambda row: jnp.sum((matrix @ row) ** 2)))(x)
    np.testing.assert_array_equal(found, np.arange(rows, dtype=np.float32) ** 2)


def depth_case(size):
    """(function, arguments): the photometric objective by disparity and motion."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[: size[0], : size[1]]
    waves = 0.5 + 0.2 * (np.sin(0.3 * columns) + np.cos(0.4 * rows))[None, ..., None]
    target = jnp.asarray(np.broadcast_to(waves, (1, *size, 3)), jnp.float32)
    sources = jnp.asarray(waves[:, None] + generator.uniform(-0.05, 0.05, (1, 1, *size, 3)), jnp.float32)
    disparity = jnp.asarray(generator.uniform(0.05, 0.1, (1, *size)), jnp.float32)
    motion = jnp.asarray(generator.normal(0, 0.01, (1, 1, 6)), jnp.float32)
    camera = jnp.asarray([[[200.0, 0, size[1] / 2], [0, 200, size[0] / 2], [0, 0, 1]]])

    def loss(disparity, motion):
        matrices = rigid_from_vector(motion)
        return depth_objective((disparity,), target, sources, matrices, camera, nearest=0.1, farthest=100.0)[0]

    return loss, (disparity, motion)


def segmentation_case(size):
    """(function, arguments): the losses of both segmentation tasks by what their heads answer."""
    generator = np.random.default_rng(1)
    logits = jnp.asarray(generator.normal(size=(1, *size, 19)), jnp.float32)
    classes = jnp.asarray(generator.integers(0, 19, (1, *size)), jnp.int32)
    offset = jnp.asarray(generator.normal(size=(1, *size, 2)), jnp.float32)
    valid = jnp.asarray(generator.random((1, *size)) < 0.5)

    def loss(logits, offset):
        totals = segmentation.cross_entropy(logits, classes), segmentation.offset_error(offset, offset * 0 + 3, valid)
        return sum(total / count for total, count in totals)

    return loss, (logits, offset)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("case", [pytest.param(depth_case, marks=pytest.mark.slow), segmentation_case])
def test_compiled_losses_and_gradients_are_the_eager_ones(case, size):
    loss, inputs = case(size)
    evaluate = jax.value_and_grad(loss, argnums=(0, 1))
    compiled, gradients = jax.jit(evaluate)(*inputs)
    with jax.disable_jit():
        expected, expected_gradients = evaluate(*inputs)
    np.testing.assert_allclose(compiled, expected, rtol=1e-5)
    for found, wanted in zip(gradients, expected_gradients):
        scale = float(jnp.abs(wanted).max())
        assert scale > 0
        # A pixel on a kink of the bilinear interpolation or of the minimum may take the other side's slope.
        far = np.abs(np.asarray(found) - np.asarray(wanted)) > 1e-3 * scale
        assert far.mean() < 1e-3, far.sum()
