"""`mtl-depth page RUN [RUN ...]`: writes one run, or several side by side, as one HTML file."""

import itertools
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from mtl_depth import inference
from mtl_depth.commands import predict
from mtl_depth.data import footage
from mtl_depth.errors import UserError
from mtl_depth.media import inputs
from mtl_depth.prediction import cameras
from mtl_depth.prediction.predictor import Perceiver
from mtl_depth.runtime import log, run_folder
from mtl_depth.viewer import document, frames

MOST_PICTURES = 8  # of --input
OURS = b"<title>mtl_depth"  # in a page of an earlier run, which may be replaced


def run(
    runs: Sequence[str | pathlib.Path],
    input: str | None = None,
    output: str | None = None,
    *,
    camera: str = "",
) -> None:
    """Writes the page: scores, curves, and what each run predicts for the same pictures.

    Args:
        runs: folders of the runs.
        input: pictures as `inputs.find` takes them; by default frames of the first run's evaluation split.
        output: the HTML file, or a folder to write page.html into; by default the run's, or comparison.html here.
        camera: intrinsics of the pictures of `input` as `cameras.find` takes them.

    Raises:
        UserError: a folder is not a run, two have the same name, no picture of `input` can be read, or `output` is a
            file of another program.
    """
    folders = [footage.expand(folder) for folder in runs]
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        raise UserError(
            f"The runs {', '.join(map(str, folders))} must have different names; rename one of the folders."
        )
    for folder in folders:
        run_folder.load_config(folder)
    path = footage.expand(output or (folders[0] / "page.html" if len(folders) == 1 else "comparison.html"))
    if path.suffix != ".html":
        path = path / "page.html"
    if path.is_file() and OURS not in footage.read_bytes(path, most=4096):
        raise UserError(f"{path} is not a page that mtl_depth wrote; give another --output, or remove it.")
    perceivers = [inference.load_perceiver(folder) for folder in folders]
    if input is None:
        seen = [_evaluation_frames(perceiver) for perceiver in perceivers]
    else:
        pictures = list(itertools.islice(_pictures(input), MOST_PICTURES))
        if not pictures:
            raise UserError(f"--input={input} holds no picture that can be read; give others.")
        seen = [_look(perceiver, folder, pictures, camera) for perceiver, folder in zip(perceivers, folders)]
    shared = [[found[name] for found in seen] for name in seen[0] if all(name in found for found in seen)]
    path.parent.mkdir(parents=True, exist_ok=True)
    metric = all(perceiver.metric for perceiver in perceivers)
    document.write(
        path,
        title=f"mtl_depth: {' and '.join(names)}",
        sentences=[],
        metric=metric,
        frames=[views[0] if len(folders) == 1 else frames.merged(views, names, metric=metric) for views in shared],
        runs=folders,
    )
    log.say(f"written: {path}, with {len(shared)} pictures; open it in a browser")


def _evaluation_frames(perceiver: Perceiver) -> dict[str, frames.Frame]:
    """Frames of the evaluation split by name; without the data set none, and a message is printed."""
    config = perceiver.config
    try:
        seen, camera = predict.evaluation_frames(perceiver, config, batch_size=config.evaluation.batch_size)
    except UserError as error:
        log.say(f"no pictures: {error}")
        return {}
    return {frame.name: frame for frame in predict.page_frames(seen, camera, metric=perceiver.metric)}


def _pictures(input: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yields (name, picture) for every picture that can be read."""
    found = inputs.find(input)
    return ((found.names[index], image) for index, image in found.read() if not isinstance(image, UserError))


def _look(
    perceiver: Perceiver, folder: pathlib.Path, pictures: Sequence[tuple[str, np.ndarray]], camera: str
) -> dict[str, frames.Frame]:
    """What a run sees in the pictures, by name."""
    depth = perceiver.config.tasks.depth is not None
    camera_of = cameras.find(
        perceiver.config, camera or None, speak=depth, focal_scale=perceiver.focal_scale, run=folder
    )
    return {name: frames.of_picture(perceiver, image, name=name, camera_of=camera_of) for name, image in pictures}
