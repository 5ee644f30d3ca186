"""`--mode=predict`: pictures in, depth and segmentation out, beside a grid like the report's figure 2."""

import collections
import dataclasses
import itertools
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from mtl_depth import data as dataset_reader
from mtl_depth import inference, pictures, visualize
from mtl_depth.config import Config
from mtl_depth.errors import UserError
from mtl_depth.inference import Perceiver, perceive_padded, to_float
from mtl_depth.runtime import log

COLUMNS = 4  # pictures side by side in the figure
FILES = {"depth": "depth_color", "semantic": "semantic", "instance": "instance"}  # picture -> end of its file's name
RESIZE = {
    "depth": pictures.resize_depth,
    "labels": pictures.resize_nearest,
    "instances": pictures.resize_nearest,
}  # predictions at the network's size -> at the picture's own
CAPTIONS = {
    "input": "Input",
    "depth": "Depth",
    "semantic_truth": "True semantics",
    "semantic": "Predicted semantics",
    "instance_truth": "True instances",
    "instance": "Predicted instances",
}  # rows of the figure from top to bottom


def run(
    config: Config,
    workdir: str | pathlib.Path,
    input: str | pathlib.Path | None = None,
    output: str | pathlib.Path | None = None,
) -> None:
    """Looks at a picture or a folder of them, or at frames of the evaluation split where no input is given.

    Writes `figure.png` and, for an input, NAME_depth.png (16 bit, metres x 256, at the picture's own size),
    NAME_depth_color.png and a coloured picture for every segmentation of the run.

    Raises:
        UserError: no run or weights, no input that can be read.
    """
    perceiver = inference.load_perceiver(
        config.weights or workdir, checkpoint=config.evaluation.checkpoint, flip=config.evaluation.flip
    )
    depth = perceiver.config.tasks.depth
    if depth is not None and depth.motion == "predicted":
        log.say("Depth is up to scale, not in metres: the network learnt it with predicted motion.")
    output = pathlib.Path(output or pathlib.Path(workdir) / "pictures")
    batch_size = config.evaluation.batch_size
    if input is None:
        columns = evaluation_columns(perceiver, config, batch_size=batch_size)
    else:
        files = pictures.find(input)
        if output.resolve() == files[0].parent.resolve():
            raise UserError(f"--output is the folder of the input, {output}; give another one.")
        columns = predict_files(perceiver, files, output, batch_size=batch_size)
    output.mkdir(parents=True, exist_ok=True)
    pictures.write(output / "figure.png", make_figure(columns))
    log.say(f"written to {output}; {output / 'figure.png'} shows {len(columns)} of them")


def make_figure(columns: list[dict[str, np.ndarray]]) -> np.ndarray:
    """The grid: a column a picture; input, depth, then the true and the predicted segmentation where there are any."""
    names = [name for name in CAPTIONS if all(name in column for column in columns)]
    rows = [[column[name] for column in columns] for name in names]
    return visualize.figure(rows, [CAPTIONS[name] for name in names])


def evaluation_columns(perceiver: Perceiver, config: Config, *, batch_size: int) -> list[dict[str, np.ndarray]]:
    """Evenly spaced frames of the evaluation split with prediction and truth, by the names of `CAPTIONS`.

    Raises:
        UserError: the split holds no frame.
    """
    inference.check_split(config.evaluation.split)
    data = dataclasses.replace(config.data, size=perceiver.size, eval_frames=COLUMNS)
    dataset, split = dataset_reader.open_dataset(data), config.evaluation.split
    wanted = frozenset().union(*(task.metrics.reads for task in perceiver.tasks))
    for reads in (wanted - {"depth"}, wanted):  # frames with true segmentation where there are any
        if reads and dataset_reader.frames(dataset, data, split=split, reads=reads):
            break
    else:
        raise UserError(f"The split {split} of {data.data_dir} has no frame to show; give pictures with --input.")
    columns = []
    for batch in dataset_reader.evaluation_batches(dataset, data, split=split, reads=reads, batch_size=batch_size):
        image = batch["image"][:, 0]
        predictions = perceive_padded(perceiver.perceive, to_float(image), batch_size=batch_size)
        truth = {name: batch[name] for name in ("semantic", "instance") if name in reads and batch[name].any()}
        shown = {"input": image}
        for task in perceiver.tasks:
            shown |= task.pictures(predictions, truth | {"image": to_float(batch["image"])})
        columns += [{name: values[row] for name, values in shown.items()} for row in range(len(image))]
    return columns


def predict_files(
    perceiver: Perceiver, files: list[pathlib.Path], output: pathlib.Path, *, batch_size: int
) -> list[dict[str, np.ndarray]]:
    """Predicts every picture and writes its files; those that cannot be read are named and left out.

    Returns:
        Columns of the figure for some evenly spaced pictures.

    Raises:
        UserError: none could be read.
    """
    names = unique_names(files)
    unreadable: list[UserError] = []
    columns = []
    output.mkdir(parents=True, exist_ok=True)
    with log.progress(total=len(files), desc="predict", unit="picture") as bar:
        readable = _read_all(files, unreadable)
        while batch := list(itertools.islice(readable, batch_size)):
            fitted = np.stack([pictures.resize(image, size=perceiver.size) for _, image in batch])
            predictions = perceive_padded(perceiver.perceive, to_float(fitted), batch_size=batch_size)
            for row, (index, image) in enumerate(batch):
                column = _write(perceiver, predictions, row, image, output / names[index])
                if index * COLUMNS >= len(columns) * len(files):
                    columns.append(column)
            bar.update(len(batch))
    if len(unreadable) == len(files):
        raise UserError(f"None of the {len(files)} pictures could be read; the first: {unreadable[0]}")
    if unreadable:
        log.say(f"{len(unreadable)} of {len(files)} pictures were left out.")
    return columns


def unique_names(files: list[pathlib.Path]) -> list[str]:
    """Names of the files without their endings, which stay where two would be the same (a.png, a.jpg: a_png, a_jpg)."""
    seen = collections.Counter(file.stem for file in files)
    return [file.stem if seen[file.stem] == 1 else file.name.replace(".", "_") for file in files]


def _read_all(files: list[pathlib.Path], unreadable: list[UserError]) -> Iterator[tuple[int, np.ndarray]]:
    """(index, picture) of every file that can be read; the errors of the others go to `unreadable`."""
    for index, file in enumerate(files):
        try:
            yield index, pictures.read(file)
        except UserError as error:
            log.say(f"left out: {error}")
            unreadable.append(error)


def _write(
    perceiver: Perceiver, predictions: dict[str, Any], row: int, image: np.ndarray, stem: pathlib.Path
) -> dict[str, np.ndarray]:
    """Writes one picture's files at its own size and returns its column of the figure."""
    own = {
        name: resize(predictions[name][row], size=image.shape[:2])[None]
        for name, resize in RESIZE.items()
        if name in predictions
    }
    shown = {"input": image}
    for task in perceiver.tasks:
        coloured = task.pictures(own, {"image": to_float(image)[None, None]})
        shown |= {name: picture[0] for name, picture in coloured.items()}
    if "depth" in own:
        pictures.write_depth(stem.with_name(f"{stem.name}_depth.png"), own["depth"][0])
    for name, ending in FILES.items():
        if name in shown:
            pictures.write(stem.with_name(f"{stem.name}_{ending}.png"), shown[name])
    return shown
