"""Batches of clips or of single frames; batch n of training is a function of (seed, n).

Besides the images, only what `reads` names is decoded.
"""

import contextlib
import dataclasses
import errno
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from mtl_depth.config import Data
from mtl_depth.data.dataset import Dataset, Reads, clips, evaluation_frames, why_no_clip
from mtl_depth.data.records import Loader, Mixture
from mtl_depth.errors import UserError

if TYPE_CHECKING:
    import grain

Batch = dict[str, np.ndarray]
_LONGEST = 2**53  # length of the endless plan: grain computes lengths as floats, which cannot represent 2**63 - 1
_MOST_LOST = 3  # worker processes replaced before reading stops


def train_batches(
    dataset: Dataset,
    data: Data,
    *,
    reads: Reads,
    batch_size: int,
    seed: int,
    start: int = 0,
    process_index: int = 0,
    process_count: int = 1,
) -> Iterator[Batch]:
    """Endless batches of training clips, from batch `start` on.

    The order of the clips is shuffled again for every pass. Each process reads its block of rows of the global batch,
    `batch_size // process_count` of them. Labels have the size of the images.

    Raises:
        UserError: there is no clip, or `batch_size` does not divide among the processes.
    """
    import grain

    if batch_size < 1 or batch_size % process_count:
        raise UserError(
            f"config.train.batch_size={batch_size} is not a multiple of {process_count}, the number of processes; "
            "choose one"
        )
    plan = clips(dataset, data, split="train", reads=reads)
    if not plan:
        why = why_no_clip(dataset, data, split="train", reads=reads)
        raise UserError(f"{dataset.path} has no training clip with {', '.join(sorted(reads)) or 'images'}: {why}")
    order_seed = int(np.random.SeedSequence(seed % 2**63).generate_state(1)[0])
    size = tuple(data.size)
    loader = Mixture(
        tuple(Loader(part.path, part.metadata, size, reads, labels_full_size=False) for part in dataset.parts)
    )
    # Process p's batches are p, p + P, p + 2 P ... of the shuffled stream cut into blocks of its share.
    batches = grain.MapDataset.source(plan).shuffle(seed=order_seed).repeat(_LONGEST // len(plan)).map(loader)
    batches = batches.batch(batch_size // process_count)[process_index::process_count]
    return _iterate(batches[start:], data)


def evaluation_batches(
    dataset: Dataset,
    data: Data,
    *,
    split: str,
    reads: Reads,
    batch_size: int,
    images: bool = True,
    process_index: int = 0,
    process_count: int = 1,
) -> Iterator[Batch]:
    """Batches of the single frames of a split that have some of the truth in `reads`, in order, each once.

    `image` is b 1 h w 3, and absent if `images` is false. Labels and depth have their full size. The last batch may be
    smaller. Several processes take the batches in turn.
    """
    import grain

    reads = reads - {"source_from_target"}
    loader = Loader(dataset.path, dataset.metadata, tuple(data.size), reads, labels_full_size=True, images=images)
    plan = evaluation_frames(dataset, data, split=split, reads=reads)
    if len(plan) <= process_index * batch_size:
        return iter(())
    batches = grain.MapDataset.source(plan).map(loader).batch(batch_size)
    return _iterate(batches[process_index::process_count], data)


def pair_batches(dataset: Dataset, data: Data, *, split: str, batch_size: int) -> Iterator[Batch]:
    """Batches of a split's neighbouring frames (f, f + 1) with poses, in order: `image` b 2 h w 3, `source_from_target`
    b 1 4 4 (first_from_second), `drive` and `frame` of the second. The last batch may be smaller."""
    import grain

    two = dataclasses.replace(data, clip_length=2, stride=1, train_frames=0, eval_frames=0)
    reads = frozenset({"source_from_target"})
    plan = clips(dataset, two, split=split, reads=reads)
    loader = Loader(dataset.path, dataset.metadata, tuple(data.size), reads, labels_full_size=False)
    return _iterate(grain.MapDataset.source(plan).map(loader).batch(batch_size), data) if plan else iter(())


def _iterate(batches: "grain.MapDataset", data: Data) -> Iterator[Batch]:
    """Yields all batches; a killed worker process is replaced, and reading continues with the missing batch.

    Raises:
        UserError: workers are killed repeatedly, or shared memory is too small for their batches.
    """
    given, lost = 0, 0
    while True:
        reader = _reader(batches[given:], data)
        try:
            for batch in reader:
                given += 1
                yield batch
            return
        except RuntimeError as error:
            if "terminated unexpectedly" not in str(error):
                raise
            lost += 1
            if f"exit code {-signal.SIGBUS}." in str(error):
                raise _no_room() from None
            if lost > _MOST_LOST:
                raise UserError(
                    f"processes that read data (config.data.workers={data.workers}) were killed {lost} times, most "
                    "likely because memory ran out; lower config.data.workers (0: read in this process)."
                ) from None
            print("warning: a process that reads data was killed and is replaced", file=sys.stderr)
        except OSError as error:
            if data.workers and error.errno == errno.ENOSPC:
                raise _no_room() from None
            raise
        finally:
            with contextlib.suppress(AttributeError):  # some of grain's iterators cannot be closed
                reader.close()


def _reader(batches: "grain.MapDataset", data: Data) -> Iterator[Batch]:
    import grain

    ahead = 2 * data.threads
    read = batches.to_iter_dataset(grain.ReadOptions(num_threads=data.threads, prefetch_buffer_size=ahead))
    if data.workers:
        options = grain.MultiprocessingOptions(num_workers=data.workers, per_worker_buffer_size=2)
        read = read.mp_prefetch(options, worker_init_fn=_start_worker)
    return iter(read)


def _no_room() -> UserError:
    return UserError(
        "/dev/shm is too small for the batches of config.data.workers; make it larger (docker run --shm-size=1g), or "
        "lower config.data.workers (0: read in this process)."
    )


def _start_worker(index: int, count: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed training leaves no process behind."""
    multiprocessing.parent_process().join()
    os._exit(1)
