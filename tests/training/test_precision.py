"""With networks in bfloat16, geometry and losses still compute in float32, forward and backward."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend import core

from mtl_depth import config
from mtl_depth.training.assembly import assemble_run
from mtl_depth.training.optimizer import rates

SIZE = (64, 96)
EXACT = ("mtl_depth/geometry/", "mtl_depth/losses/", "mtl_depth/image.py")
HALF = (jnp.bfloat16, jnp.float16)


def operations(jaxpr):
    """All operations of a program, those of the programs inside it too."""
    for operation in jaxpr.eqns:
        yield operation
        for inner in jax.tree.leaves(operation.params, is_leaf=lambda x: isinstance(x, core.Jaxpr | core.ClosedJaxpr)):
            if isinstance(inner, core.Jaxpr | core.ClosedJaxpr):
                yield from operations(getattr(inner, "jaxpr", inner))


def places(operation):
    """Files that were on the stack when the operation (or the one it is the gradient of) was written down."""
    return {frame.file_name for frame in operation.source_info.traceback.frames}


@pytest.fixture(scope="module")
def counted():
    """How many operations of the step are (in an exact file, on half types)."""
    model = config.Model(width=0.125, dtype="bfloat16")
    tasks = config.Tasks(depth=config.DepthTask(), semantic=config.SemanticTask())
    assembly = assemble_run(config.Config(data=config.Data(size=SIZE), model=model, tasks=tasks))
    batch = {
        "image": np.zeros((2, 3, *SIZE, 3), np.uint8),
        "intrinsics": np.tile(np.eye(3, dtype=np.float32), (2, 1, 1)),
        "semantic": np.zeros((2, *SIZE), np.uint8),
        "confidence": np.ones((2, *SIZE), np.float32),
    }
    step = assembly.step(lambda function, **_: function)
    program = jax.make_jaxpr(step)(assembly.shapes(), batch, rates(config.Train(), steps=10))
    counts = collections.Counter()
    for operation in operations(program.jaxpr):
        if operation.primitive.name == "convert_element_type":
            continue
        exact = any(part in name for name in places(operation) for part in EXACT)
        values = (*operation.invars, *operation.outvars)
        counts[exact, any(getattr(value.aval, "dtype", None) in HALF for value in values)] += 1
    return counts


def test_networks_compute_in_half_precision(counted):
    assert counted[False, True] > 500


def test_geometry_and_losses_do_not(counted):
    assert counted[True, False] > 500
    assert not counted[True, True]
