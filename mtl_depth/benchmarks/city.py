"""Speed of drawing and writing the synthetic city: `python -m mtl_depth.benchmarks.city`."""

import argparse
import itertools
import json
import pathlib
import sys
import tempfile
import time
from collections.abc import Sequence

from mtl_depth.benchmarks.measure import report, show, timing
from tfds_kitti360.build import build as build_dataset
from tfds_kitti360.city import plan
from tfds_kitti360.errors import DatasetError

COMPILING = 3  # frames at the start that do not count: the first is compiled, the writers' queue fills


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m mtl_depth.benchmarks.city", description=__doc__)
    parser.add_argument("--size", default="376x1408", help="HEIGHTxWIDTH of the images")
    parser.add_argument("--frames", type=int, default=30, help="frames that are measured (30)")
    parser.add_argument("--stereo", action="store_true", help="draw the right camera too")
    parser.add_argument("--json", metavar="FILE", help="also write the result to this file")
    options = parser.parse_args(arguments)
    rows = []
    try:
        size = plan.parse_size(options.size)
        for truth in (True, False):
            with tempfile.TemporaryDirectory() as folder:
                settings = plan.Settings(1, options.frames + COMPILING, size, 0, options.stereo, truth)
                rows.append(
                    {"exact truth": "written" if truth else "--no_truth", **drawn(pathlib.Path(folder), settings)}
                )
    except DatasetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    show(report("city", rows, size=options.size, frames=options.frames, stereo=options.stereo), path=options.json)
    return 0


def drawn(folder: pathlib.Path, settings: plan.Settings) -> dict[str, float]:
    """Draws one street and returns rate, spread, processor time and megabytes a frame."""
    from tfds_kitti360.city import make  # imports jax, which --help does not need
    from tfds_kitti360.city.drive import Drive

    ride = Drive(seed=settings.seed, which=0, frames=settings.frames, size=settings.size)
    clock = _Clock()
    make.write_drive(folder, plan.DRIVES[0], ride, settings, clock)
    clock.update()  # what was still to be written is written
    wall, processor = ([later - before for before, later in itertools.pairwise(times)] for times in zip(*clock.times))
    frames = settings.frames - COMPILING
    stored = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    seconds = sum(wall[COMPILING - 1 :])
    return {
        "frames/s": frames / seconds,
        "median s/frame": timing(wall[COMPILING - 1 :]).median,
        "spread": timing(wall[COMPILING - 1 :]).spread,
        "CPU s/frame": sum(processor[COMPILING - 1 :]) / frames,
        "MB/frame": stored / settings.frames / 1e6,
    }


def draw(folder: pathlib.Path, *, frames: int, size: str) -> pathlib.Path:
    """A small city in `folder` for the other benchmarks: two streets, the second for validation."""
    from tfds_kitti360.city import make

    make.make_city(folder, plan.Settings(2, frames, plan.parse_size(size), 0, False, False))
    return folder


def build(raw: pathlib.Path, folder: pathlib.Path, *, storage: str = "png") -> pathlib.Path:
    """The data set of a city: images at 192x640, or at the city's own size where that is smaller."""
    own = json.loads((raw / "city.json").read_text())["size"]
    build_dataset(manual_dir=raw, data_dir=folder, size=tuple(map(min, own, (192, 640))), storage=storage)
    return folder


class _Clock:
    """Replaces the progress bar: records wall time and processor time, in seconds, at the end of each frame."""

    def __init__(self):
        self.times: list[tuple[float, float]] = []

    def update(self) -> None:
        self.times.append((time.perf_counter(), time.process_time()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
