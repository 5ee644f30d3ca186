"""One device or several: compiles a step with jit or pmap and places its data on the devices."""

import io
import itertools
import json
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import einops
import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding
from jaxtyping import PyTree

from mtl_depth.errors import UserError

AXIS = "device"
Item, Placed = TypeVar("Item"), TypeVar("Placed")


class Devices:
    """The devices of this process that a run uses."""

    def __init__(self, count: int = 0):
        """Takes `count` local devices; 0 takes them all. Raises UserError where there are fewer."""
        local = jax.local_devices()
        if count > len(local):
            raise UserError(f"config.train.devices is {count}, but this process has {len(local)}; lower it.")
        if count and count < len(local) and jax.process_count() > 1:
            raise UserError(
                "config.train.devices must be 0 when several processes train: each uses all of its devices."
            )
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

    def parallelize(
        self,
        step: Callable,
        *,
        in_axes: tuple[int | None, ...] = (None, 0),
        out_axes: Any = (None, None),
        donate: tuple[int, ...] = (0,),
    ) -> Callable:
        """`step` compiled for the devices: by default of (state, batch), whose state is donated.

        Args:
            step: a function of arrays and of a keyword `axis_name`.
            in_axes: of each argument, 0 where every device has its own, None where all have the same.
            out_axes: of its results.
            donate: positions of the arguments whose memory it may reuse.
        """
        if len(self) == 1 and jax.process_count() == 1:
            return jax.jit(step, donate_argnums=donate)
        return jax.pmap(
            partial(step, axis_name=AXIS), axis_name=AXIS, in_axes=in_axes, out_axes=out_axes, donate_argnums=donate,
            devices=self._devices if jax.process_count() == 1 else None,
        )  # fmt: skip

    def place_state(self, state: PyTree) -> PyTree:
        """Copies the state to every device. Done once, because only a replicated state can be donated repeatedly."""
        return jax.device_put(state, self._sharding(PartitionSpec()))

    def place_batch(self, batch: dict[str, np.ndarray], *, parts: int = 1) -> dict[str, jax.Array]:
        """Places this process's share of a batch, split over its devices; of several `parts`, each one is split.

        The rows of the parts follow one another. Arrays get the axes of devices (several) and parts (more than one).
        """
        rows = f"{'p ' if parts > 1 else ''}{'d ' if len(self) > 1 or jax.process_count() > 1 else ''}b"
        axes = " ".join(sorted(rows.split(), key="dpb".index))
        sizes = {name: size for name, size in (("p", parts), ("d", len(self))) if name in rows}
        batch = {name: einops.rearrange(array, f"({rows}) ... -> {axes} ...", **sizes) for name, array in batch.items()}
        return jax.device_put(batch, self._sharding(PartitionSpec(AXIS)))

    def place_rows(self, tree: PyTree) -> PyTree:
        """Arrays whose rows are divided evenly among the devices, for a function that jit compiles for all of them."""
        return jax.device_put(tree, self._sharding(PartitionSpec(AXIS)))

    def shares(self, tree: PyTree) -> list[PyTree]:
        """The rows of each device, as trees on the first device, which then works with one shape."""
        if len(self) == 1:
            return [tree]
        first = SingleDeviceSharding(self._devices[0])
        leaves, structure = jax.tree.flatten(self.place_rows(tree))
        shards = [{shard.device: shard.data for shard in leaf.addressable_shards} for leaf in leaves]
        return [
            structure.unflatten(jax.device_put([each[device] for each in shards], first)) for device in self._devices
        ]

    def first_copy(self, tree: PyTree) -> PyTree:
        """A replicated tree on the first device alone, for work that one device does."""
        if jax.process_count() > 1:
            tree = jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)
        return self.on_first(tree)

    def on_first(self, tree: PyTree) -> PyTree:
        """Arrays on the first device."""
        return jax.device_put(tree, SingleDeviceSharding(self._devices[0]))

    def any_process(self) -> Callable[[bool], bool]:
        """Returns a function of a bool: whether it was true on any process, the same result on all of them.

        With several processes the result is that of the previous call, so that no process waits for another.
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
    """The result of `find` on the first process, on all processes; the others do not call it."""
    if jax.process_count() == 1:
        return find()
    found = find() if jax.process_index() == 0 else 0
    return int(multihost_utils.broadcast_one_to_all(np.int32(found)))


def gather(batch: PyTree, *, parts: int = 1) -> PyTree:
    """The whole batch (NumPy), of which every process has a share of each of the `parts`, one after another."""
    if jax.process_count() == 1:
        return batch
    found = multihost_utils.process_allgather(batch, tiled=False)
    return jax.tree.map(lambda each: einops.rearrange(each, "n (p b) ... -> (p n b) ...", p=parts), found)


def interleave(own: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The entries of all processes: the first of each, the second of each, and so on; some may have one less.

    An entry is a tree of dicts of arrays and numbers, which come back as NumPy arrays.
    """
    if jax.process_count() == 1:
        return list(own)
    written = np.frombuffer(_written(own), np.uint8)
    lengths = multihost_utils.process_allgather(np.int32(len(written)))
    rows = multihost_utils.process_allgather(np.pad(written, (0, max(lengths) - len(written))))
    lists = [_read(row[:length].tobytes()) for row, length in zip(rows, lengths)]
    turns = itertools.zip_longest(*lists)
    return [entry for turn in turns for entry in turn if entry is not None]


def _written(entries: Sequence[Mapping[str, Any]]) -> bytes:
    """The entries as an .npz archive: their arrays, and as JSON the trees with the arrays' numbers in their places."""
    arrays: list[np.ndarray] = []

    def number(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: number(inner) for name, inner in value.items()}
        arrays.append(np.asarray(value))
        return len(arrays) - 1

    trees = json.dumps([number(entry) for entry in entries])
    file = io.BytesIO()
    np.savez(file, *arrays, trees=np.array(trees))
    return file.getvalue()


def _read(data: bytes) -> list[dict[str, Any]]:
    """What `_written` has written."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:

        def array(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: array(inner) for name, inner in value.items()}
            return file[f"arr_{value}"][()]

        return [array(entry) for entry in json.loads(str(file["trees"]))]


def broadcast(tree: PyTree) -> PyTree:
    """The first process's tree of arrays, on all processes."""
    return tree if jax.process_count() == 1 else multihost_utils.broadcast_one_to_all(tree)


def prefetch(items: Iterable[Item], place: Callable[[Item], Placed], *, ahead: int = 2) -> Iterator[Placed]:
    """Reads and places up to `ahead` items in a thread, so that the device does not wait for input.

    An error of the reader is raised in order, after the items before it.
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
