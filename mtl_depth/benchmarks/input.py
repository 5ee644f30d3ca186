"""Speed of reading clips: `python -m mtl_depth.benchmarks.input [--data_dir=TFDS_DIR] [--accelerator_clips_per_s=N]`.

One core decodes clips of three frames with the target's labels, alternating between the storage formats. Without
--data_dir, a small city is drawn and built in all three formats.
"""

import argparse
import dataclasses
import math
import pathlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

from mtl_depth.benchmarks import city
from mtl_depth.benchmarks.measure import alternate, report, show
from mtl_depth.config import Data
from mtl_depth.data import clips, open_dataset
from mtl_depth.data.records import LABELS, Loader, Records
from mtl_depth.errors import UserError

ACCELERATOR = 500.0  # default of the clips per second that an accelerator needs


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m mtl_depth.benchmarks.input", description=__doc__)
    parser.add_argument("--data_dir", help="a built data set, read at its stored size (default: draw a small city)")
    parser.add_argument(
        "--accelerator_clips_per_s",
        type=float,
        default=ACCELERATOR,
        help="clips per second that an accelerator needs (500)",
    )
    parser.add_argument("--size", default="376x1408", help="HEIGHTxWIDTH of the city, without --data_dir")
    parser.add_argument("--frames", type=int, default=24, help="frames of the city (24)")
    parser.add_argument("--rounds", type=int, default=20, help="number of times that all clips are read (20)")
    parser.add_argument("--json", metavar="FILE", help="also write the result to this file")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)  # a core is what is measured
    try:
        with tempfile.TemporaryDirectory() as folder:
            built = {"": options.data_dir} if options.data_dir else _built(pathlib.Path(folder), options)
            result = measured(built, rounds=options.rounds, wanted=options.accelerator_clips_per_s)
            show(result, path=options.json)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def measured(built: dict[str, str], *, rounds: int, wanted: float) -> dict[str, Any]:
    """The benchmark of built data sets by name: one row each, read in turn."""
    readers = {}
    for folder in built.values():
        data = Data(data_dir=folder, size=(1, 1))
        data = dataclasses.replace(data, size=open_dataset(data).size)
        readers[open_dataset(data).metadata.get("storage", "png")] = Reader(data)
    times = alternate(readers, rounds=rounds)
    exact = readers.get("png", next(iter(readers.values()))).images()
    rows = []
    for storage, reader in readers.items():
        rate = reader.count / times[storage].median
        error = np.abs(reader.images().astype(np.int16) - exact) if "png" in readers else None
        rows.append(
            {
                "storage": storage,
                "MB per 1000 frames": reader.megabytes,
                "of them images": reader.image_megabytes,
                "clips/s a core": rate,
                "spread": reader.count * times[storage].spread / times[storage].median ** 2,
                f"cores for {wanted:.0f} clips/s": math.ceil(wanted / rate),
                "mean pixel error": None if error is None else float(error.mean()),
                "largest pixel error": None if error is None else float(error.max()),
            }
        )
    height, width = next(iter(readers.values())).size
    return report(
        "input", rows, clip=f"3 x {height}x{width}, target's semantic, instance and confidence", rounds=rounds
    )


class Reader:
    """Reads all clips of a data set, once a call, as a worker does."""

    def __init__(self, data: Data):
        dataset = open_dataset(data)
        self.size = dataset.size
        self._clips = clips(dataset, data, split="train", reads=frozenset())
        if not self._clips:
            raise UserError(f"{data.data_dir} has no training clip to read; build a larger data set.")
        self._load: Callable[[Any], dict[str, Any]] = Loader(
            dataset.path, dataset.metadata, self.size, LABELS, labels_full_size=False
        )
        self.count = len(self._clips)
        frames = sum(len(drive["frames"]) for drive in dataset.metadata["drives"].values())
        self.megabytes = sum(path.stat().st_size for path in dataset.path.glob("*record*")) / frames / 1e3
        records = Records(dataset.path, self._clips[0].drive)
        sizes = [len(records[position]["image"].bytes_list.value[0]) for position in self._clips[0].positions]
        self.image_megabytes = float(np.mean(sizes)) / 1e3

    def __call__(self) -> None:
        for clip in self._clips:
            self._load(clip)

    def images(self) -> np.ndarray:
        """The images of the first clips, uint8 [n t h w 3]."""
        return np.stack([self._load(clip)["image"] for clip in self._clips[:8]])


def _built(folder: pathlib.Path, options: argparse.Namespace) -> dict[str, str]:
    raw = city.draw(folder / "raw", frames=options.frames, size=options.size)
    return {storage: str(city.build(raw, folder / storage, storage=storage)) for storage in ("png", "jpeg", "raw")}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
