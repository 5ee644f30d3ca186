"""Placing, splitting and prefetching."""

import time

import jax
import numpy as np
import pytest

from mtl_depth.errors import UserError
from mtl_depth.runtime.devices import Devices, prefetch


def test_batch_that_does_not_divide_is_refused():
    with pytest.raises(UserError, match="multiple of 8"):
        Devices(8).check_batch(12)
    Devices(8).check_batch(16)


def test_more_devices_than_there_are_is_refused():
    with pytest.raises(UserError, match=r"config\.train\.devices is 99"):
        Devices(99)


def test_batch_is_split_in_order():
    placed = Devices(4).place_batch({"frame": np.arange(8)})["frame"]
    assert placed.shape == (4, 2)
    assert [shard.data.reshape(-1).tolist() for shard in placed.addressable_shards] == [[0, 1], [2, 3], [4, 5], [6, 7]]


@pytest.mark.parametrize("count", [1, 2])
def test_step_sees_the_whole_batch(count):
    devices = Devices(count)

    def step(state, batch, *, axis_name=None):
        total = batch["frame"].sum()
        return state + (total if axis_name is None else jax.lax.psum(total, axis_name)), {}

    parallel = devices.parallelize(step)
    state = devices.place_state(jax.numpy.zeros((), int))
    for _ in range(2):
        state, _ = parallel(state, devices.place_batch({"frame": np.arange(8)}))
    assert int(state) == 56


def test_prefetch_keeps_order_and_ends():
    assert list(prefetch(range(5), lambda item: item * 2)) == [0, 2, 4, 6, 8]


def test_prefetch_reads_ahead_but_not_without_end():
    read = []
    items = prefetch(iter(lambda: read.append(0) or len(read), None), lambda item: item, ahead=2)
    assert next(items) == 1
    time.sleep(0.2)
    assert 3 <= len(read) <= 4
    items.close()


def test_prefetch_raises_the_readers_error_in_its_place():
    def broken():
        yield 1
        raise UserError("frame 7 is damaged")

    items = prefetch(broken(), lambda item: item)
    assert next(items) == 1
    with pytest.raises(UserError, match="frame 7"):
        next(items)
