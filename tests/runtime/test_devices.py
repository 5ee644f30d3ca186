"""Placing, splitting and prefetching."""

import time

import jax
import numpy as np
import pytest

from mtl_depth.errors import UserError
from mtl_depth.runtime import devices
from mtl_depth.runtime.devices import Devices, interleave, prefetch


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


@pytest.mark.parametrize("count", [1, 3])
def test_each_device_has_its_rows_and_the_first_gets_them_all(count):
    devices = Devices(count)
    placed = devices.place_rows({"frame": np.arange(6), "pair": np.arange(12).reshape(6, 2)})
    assert placed["frame"].sharding.device_set == set(jax.devices()[:count])
    shares = devices.shares(jax.tree.map(lambda each: each * 2, placed))
    assert [share["frame"].tolist() for share in shares] == (2 * np.arange(6)).reshape(count, -1).tolist()
    assert shares[-1]["pair"][-1].tolist() == [20, 22]
    assert {leaf.device for leaf in jax.tree.leaves(shares)} == {jax.devices()[0]}


def test_entries_of_all_processes_come_in_turn(monkeypatch):
    lists = [[{"depth": {"ratios": np.array([0.5, 2.0]), "frames": np.int64(2)}}, {"depth": {}}], [{"n": 3.0}], []]
    assert interleave(lists[0]) == lists[0]
    blobs = [np.frombuffer(devices._written(each), np.uint8) for each in lists]

    def allgather(own):
        if own.ndim == 0:
            return np.array([len(blob) for blob in blobs])
        assert len(own) == max(map(len, blobs))
        return np.stack([np.pad(blob, (0, len(own) - len(blob))) for blob in blobs])

    monkeypatch.setattr(jax, "process_count", lambda: 3)
    monkeypatch.setattr("jax.experimental.multihost_utils.process_allgather", allgather)
    first, *others = interleave(lists[1])
    assert first["depth"]["ratios"].tolist() == [0.5, 2.0] and first["depth"]["frames"] == 2
    assert first["depth"]["frames"].dtype == np.int64 and others == [{"n": 3.0}, {"depth": {}}]


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
