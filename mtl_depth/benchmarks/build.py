"""Speed of encoding raw frames as records: `python -m mtl_depth.benchmarks.build [--manual_dir=KITTI360_ROOT]`.

Images, labels and scans are read, checked, projected, reduced and encoded as in a build, without writing the records to
a file. The start of the processes is not measured.
"""

import argparse
import functools
import itertools
import pathlib
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

from mtl_depth.benchmarks import city
from mtl_depth.benchmarks.measure import report, show, timing
from tfds_kitti360.errors import DatasetError
from tfds_kitti360.frames import encode_frame, use_one_thread
from tfds_kitti360.images import STORAGES
from tfds_kitti360.parallel import ordered_map
from tfds_kitti360.plan import Plan, make_plan


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m mtl_depth.benchmarks.build", description=__doc__)
    parser.add_argument("--manual_dir", type=pathlib.Path, help="a KITTI-360 download (default: draw a small city)")
    parser.add_argument("--size", default="192x640", help="HEIGHTxWIDTH of the stored images")
    parser.add_argument("--storage", choices=STORAGES, default="png", help="format of the stored images (png)")
    parser.add_argument("--workers", default="1,2", help="numbers of processes to compare (1,2)")
    parser.add_argument("--frames", type=int, default=64, help="frames per round; repeated if there are fewer (64)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each number of processes, alternating (3)")
    parser.add_argument("--city", default="376x1408", help="HEIGHTxWIDTH of the city, without --manual_dir")
    parser.add_argument("--json", metavar="FILE", help="also write the result to this file")
    options = parser.parse_args(arguments)
    use_one_thread()
    try:
        with tempfile.TemporaryDirectory() as folder:
            raw = options.manual_dir or city.draw(pathlib.Path(folder), frames=12, size=options.city)
            size = city.plan.parse_size(options.size)
            plan = make_plan(raw, size=size, drives=(), stereo=False, storage=options.storage, skip_damaged=False)
            workers = [int(number) for number in options.workers.split(",")]
            rows = measured(plan, workers=workers, frames=options.frames, rounds=options.rounds)
    except DatasetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    facts = {
        "raw": "x".join(map(str, plan.recipe.calibration.size)),
        "stored": options.size,
        "storage": options.storage,
    }
    show(report("build", rows, **facts, frames=options.frames, rounds=options.rounds), path=options.json)
    return 0


def measured(plan: Plan, *, workers: Sequence[int], frames: int, rounds: int) -> list[dict[str, Any]]:
    """A row for every number of processes."""
    every = [frame for drive in plan.drives for frame in drive.frames]
    seconds: dict[int, list[float]] = {number: [] for number in workers}
    for _ in range(rounds):
        for number in workers:
            records = _records(plan, every, workers=number)
            for _ in range(5 * number):  # starts the processes and fills their queue, whose items are done before
                next(records)
            start = time.perf_counter()
            for _ in range(frames):
                next(records)
            seconds[number].append((time.perf_counter() - start) / frames)
            records.close()
    first = timing(seconds[workers[0]]).median
    return [
        {
            "workers": number,
            "frames/s": 1 / timing(found).median,
            "spread": timing(found).spread / timing(found).median ** 2,
            f"times {workers[0]} worker": first / timing(found).median,
        }
        for number, found in seconds.items()
    ]


def _records(plan: Plan, frames: Sequence[Any], *, workers: int) -> Iterator[Any]:
    """Records without end."""
    encode = functools.partial(encode_frame, recipe=plan.recipe)
    return ordered_map(encode, itertools.cycle(frames), workers=workers, initializer=use_one_thread)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
