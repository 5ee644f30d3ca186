"""What the compiled step sends between devices, and what a device holds, as the number of devices grows."""

import math
import re

import jax
import numpy as np
import pytest

from mtl_depth import config
from mtl_depth.learning import state as states
from mtl_depth.learning.optimizer import make_optimizer
from mtl_depth.learning.step import make_train_step
from mtl_depth.runtime.parallel import Devices
from mtl_depth.tasks import assemble

SIZE = (64, 96)
LARGEST_STATISTIC = 2 * 512  # channels of the widest BatchNorm, for both pairs of the pose network


def compile_step(devices: int):
    """(compiled step of one clip a device, number of parameters)."""
    network, tasks = assemble(config.Model(width=0.125), config.Tasks(depth=config.DepthTask()))
    optimizer = make_optimizer(config.Train(), steps=10, head_multipliers={"depth": 1.0})
    state = jax.eval_shape(lambda key: states.create(key, network, optimizer, size=SIZE, frames=3), jax.random.key(0))
    count = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state.params))
    zeros = jax.tree.map(
        lambda leaf: (
            jax.random.key(0)
            if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
            else np.zeros(leaf.shape, leaf.dtype)
        ),
        state,
    )
    batch = {
        "image": np.zeros((devices, 3, *SIZE, 3), np.uint8),
        "intrinsics": np.tile(np.eye(3, dtype=np.float32), (devices, 1, 1)),
    }
    chosen = Devices(devices)
    step = chosen.parallelize(make_train_step(network, tasks, optimizer, augmented=True))
    return step.lower(chosen.place_state(zeros), chosen.place_batch(batch)).compile(), count


def collectives(text: str) -> dict[str, list[int]]:
    """Numbers sent by every collective of a compiled program, by kind."""
    kinds = "all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute|collective-broadcast"
    found: dict[str, list[int]] = {}
    for shapes, kind in re.findall(rf"= (.*?) ({kinds})(?:-start)?\(", text):
        sizes = [
            math.prod(int(side) for side in sides.split(",") if side)
            for sides in re.findall(r"\w\d+\[([\d,]*)\]", shapes)
        ]
        found.setdefault(kind, []).append(sum(sizes))
    return found


def test_the_counting_counts():
    text = """
    %a = f32[1,8]{1,0} all-reduce(%x), channel_id=1
    %b = (f32[7,7,6,8]{3,2,1,0}, f32[], /*index=5*/f32[8]{0}) all-reduce-start(%x, %y, %z)
    %c = u32[2]{0} all-gather(%k), dimensions={0}
    """
    assert collectives(text) == {"all-reduce": [8, 7 * 7 * 6 * 8 + 1 + 8], "all-gather": [2]}


@pytest.mark.slow
def test_one_fused_gradient_and_small_statistics_travel_between_devices():
    compiled, parameters = compile_step(8)
    found = collectives(compiled.as_text())
    assert set(found) == {"all-reduce"}
    large = [size for size in found["all-reduce"] if size > LARGEST_STATISTIC]
    # gradients, terms, health: a single exchange
    assert len(large) == 1 and parameters <= large[0] <= parameters + 20
    assert len(found["all-reduce"]) < 200


@pytest.mark.slow
def test_a_device_holds_no_more_for_being_one_of_many():
    def held(compiled) -> int:
        memory = compiled.memory_analysis()
        return memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes

    two, eight = (held(compile_step(devices)[0]) for devices in (2, 8))
    assert eight <= 1.02 * two
