"""One device or many: wraps a step in jit or pmap and puts data where the step wants it."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import einops
import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding

from mtl_depth.errors import UserError

AXIS = "device"


class Devices:
    """The devices of this process that a run uses."""

    def __init__(self, count: int = 0):
        """Takes `count` local devices; 0 takes them all. Raises UserError where there are fewer."""
        local = jax.local_devices()
        if count > len(local):
            raise UserError(f"config.train.devices is {count}, but this process has {len(local)}; lower it.")
        if count and count < len(local) and jax.process_count() > 1:
            raise UserError("config.train.devices must be 0 where several processes train: each uses all it has.")
        self._devices = local[:count] if count else local

    def __len__(self) -> int:
        return len(self._devices)

    def check_batch(self, batch_size: int, *, parts: int = 1) -> None:
        """Raises UserError where a batch, or one of its parts, cannot be split evenly over all processes' devices."""
        devices = len(self) * jax.process_count()
        total = devices * parts
        if batch_size < 1 or batch_size % total:
            accumulated = f" in config.train.accumulate={parts} parts" if parts > 1 else ""
            raise UserError(
                f"config.train.batch_size is {batch_size}, which {devices} devices cannot share evenly{accumulated}; "
                f"choose a multiple of {total}, or fewer devices with --config.train.devices."
            )

    def parallelize(self, step: Callable[..., Any]) -> Callable[[Any, Any], Any]:
        """(state, batch) -> step's answer; the state is donated. One compilation a run."""
        if len(self) == 1 and jax.process_count() == 1:
            return jax.jit(step, donate_argnums=(0,))
        return jax.pmap(
            partial(step, axis_name=AXIS),
            axis_name=AXIS,
            in_axes=(None, 0),
            out_axes=(None, None),
            donate_argnums=(0,),
            devices=self._devices if jax.process_count() == 1 else None,
        )

    def place_state(self, state: Any) -> Any:
        """A copy of the state on every device. Done once: a state that is not replicated cannot be donated twice."""
        return jax.device_put(state, self._sharding(PartitionSpec()))

    def place_batch(self, batch: dict[str, np.ndarray]) -> dict[str, jax.Array]:
        """This process's share of a batch, split over its devices."""
        if len(self) > 1 or jax.process_count() > 1:
            split = partial(einops.rearrange, pattern="(d b) ... -> d b ...", d=len(self))
            batch = {name: split(array) for name, array in batch.items()}
        return jax.device_put(batch, self._sharding(PartitionSpec(AXIS)))

    def first_copy(self, tree: Any) -> Any:
        """A replicated tree on the first device alone, for work that one device does."""
        if jax.process_count() > 1:
            tree = jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)
        return jax.device_put(tree, SingleDeviceSharding(self._devices[0]))

    def any_process(self) -> Callable[[bool], bool]:
        """A function of a wish: whether a process has wished so, with the same answer at the same call on all of them.

        With several processes it answers what was wished at the call before, so that nobody waits.
        """
        if jax.process_count() == 1:
            return bool
        count = jax.pmap(lambda wish: jax.lax.psum(wish, AXIS), axis_name=AXIS)
        asked: list[jax.Array] = []

        def any_wish(wish: bool) -> bool:
            asked.append(count(np.full(len(self), wish, np.int32)))
            return len(asked) > 1 and bool(np.asarray(asked.pop(0).addressable_data(0)).any())

        return any_wish

    def _sharding(self, spec: PartitionSpec) -> jax.sharding.Sharding:
        if len(self) == 1 and jax.process_count() == 1:
            return SingleDeviceSharding(self._devices[0])
        return NamedSharding(Mesh(np.array(self._devices), (AXIS,)), spec)


def agree_on(find: Callable[[], int]) -> int:
    """What the first process finds, on all processes; the others do not look."""
    if jax.process_count() == 1:
        return find()
    found = find() if jax.process_index() == 0 else 0
    return int(multihost_utils.broadcast_one_to_all(np.int32(found)))


def gather(batch: Any) -> Any:
    """The whole of a NumPy batch (or of a tuple of its parts) of which every process has a share."""
    return batch if jax.process_count() == 1 else multihost_utils.process_allgather(batch, tiled=True)


def prefetch(items: Iterable[Any], place: Callable[[Any], Any], *, ahead: int = 2) -> Iterator[Any]:
    """Reads and places up to `ahead` items in a thread, so that the device never waits for input.

    An error of the reader is raised here, at its place in the order.
    """
    ready: queue.Queue = queue.Queue(maxsize=ahead)
    stopped = threading.Event()
    end = object()

    def put(entry: tuple[Any, BaseException | None]) -> None:
        while not stopped.is_set():
            try:
                return ready.put(entry, timeout=0.1)
            except queue.Full:
                continue

    def read() -> None:
        try:
            for item in items:
                if stopped.is_set():
                    return
                put((place(item), None))
            put((end, None))
        except BaseException as error:
            put((end, error))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is end:
                return
            yield item
    finally:
        stopped.set()
        reader.join(timeout=5)
