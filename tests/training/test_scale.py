"""What the compiled step sends between devices, and what a device holds, as the number of devices grows."""

import argparse
import functools
import math
import re

import jax
import pytest

from mtl_depth import config
from mtl_depth.benchmarks.scaling import collectives, make_step
from mtl_depth.models.network import init
from mtl_depth.tasks import assemble

LARGEST_STATISTIC = 4 * 2 * 512  # bytes: channels of the widest BatchNorm, for both pairs of the pose network


@functools.cache
def compile_step(devices: int):
    """The compiled step of one clip a device."""
    return make_step(argparse.Namespace(size=(64, 96), width=0.125, batch=devices), devices)[1]


def parameters() -> int:
    network, _ = assemble(config.Model(width=0.125), config.Tasks(depth=config.DepthTask()))
    shapes = jax.eval_shape(lambda key: init(network, key, size=(64, 96), frames=3), jax.random.key(0))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes["params"]))


def test_the_counting_counts():
    text = """
    %a = f32[1,8]{1,0} all-reduce(%x), channel_id=1
    %b = (f32[7,7,6,8]{3,2,1,0}, f32[], /*index=5*/bf16[8]{0}) all-reduce-start(%x, %y, %z)
    %c = u32[2]{0} all-gather(%k), dimensions={0}
    """
    assert collectives(text) == [4 * 8, 4 * (7 * 7 * 6 * 8 + 1) + 2 * 8, 8]


@pytest.mark.slow
def test_the_gradient_once_and_small_statistics_travel_between_devices():
    text = compile_step(8).as_text()
    assert not any(kind in text for kind in ("all-to-all(", "collective-permute("))
    gathers = [line for line in text.splitlines() if re.search(r" all-gather(-start)?\(", line)]
    gathered = collectives("\n".join(gathers))  # means and variances of all devices, of both pairs at most
    assert gathered and max(gathered) <= 8 * 2 * LARGEST_STATISTIC
    found = collectives("\n".join(line for line in text.splitlines() if line not in gathers))
    gradient = 4 * parameters()
    assert gradient <= sum(found) <= 1.03 * gradient  # with the statistics, the loss terms and the signs of health
    # 146 of statistics; of 156 parameters XLA joins those that are ready at about the same time
    assert len(found) < 200 and sum(size > LARGEST_STATISTIC * 4 for size in found) > 5


@pytest.mark.slow
def test_a_device_holds_no_more_for_being_one_of_many():
    def held(compiled) -> int:
        memory = compiled.memory_analysis()
        return memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes

    two, eight = (held(compile_step(devices)) for devices in (2, 8))
    assert eight <= 1.02 * two
