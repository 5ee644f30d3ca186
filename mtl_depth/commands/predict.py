"""`--mode=predict`: pictures or a video in; depth, segmentation, point clouds and a page to look at out."""

import dataclasses
import itertools
import pathlib
from collections.abc import Iterable, Iterator

import numpy as np

from mtl_depth import data as dataset_reader
from mtl_depth import inference
from mtl_depth.config import Config
from mtl_depth.data import intrinsics
from mtl_depth.errors import UserError
from mtl_depth.evaluation import evaluator
from mtl_depth.geometry.camera import scale_focal
from mtl_depth.media import image_files, inputs, visualize
from mtl_depth.media.inputs import Footage
from mtl_depth.media.video_writer import Film
from mtl_depth.prediction import cameras, results
from mtl_depth.prediction.cameras import Camera
from mtl_depth.prediction.predictor import Perceiver, perceive_padded, to_float
from mtl_depth.prediction.results import Prediction
from mtl_depth.runtime import log
from mtl_depth.viewer import document, frames

COLUMNS = 4  # pictures side by side in the figure, and buttons of the page
WRITES = {
    "depth": "NAME_depth.png, 16 bit, metres x 256",
    "color": "NAME_depth_color.png, with a legend",
    "labels": "NAME_semantic.png and NAME_instance.png, coloured, as far as the run has them",
    "npy": "NAME_depth.npy, float32",
    "cloud": "NAME.ply, coloured points",
    "video": "depth.mp4, the input above coloured depth",
    "figure": "figure.png, a column a picture",
    "page": "page.html, to slide over and to turn in three dimensions",
}
OF_PICTURES = ("depth", "color", "labels", "figure", "page")  # written unless told otherwise
OF_VIDEOS = ("video", "figure", "page")
PICTURE_RATE = 10.0  # pictures a second of a video made of single pictures, as KITTI's cameras have it
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
    *,
    write: Iterable[str] = (),
    camera: str = "",
) -> None:
    """Looks at a picture, a folder, a pattern or a video, or at frames of the evaluation split where no input is given.

    Args:
        config: weights, checkpoint, batch size, flip; the model is the run's own.
        workdir: the run.
        input: what `footage.find` takes.
        output: folder to write into; `pictures` in the run by default.
        write: of `WRITES`, or `all`; by default what suits the input. Evaluation frames have a figure and a page.
        camera: intrinsics as `cameras.find` takes them; by default the data set's, or a stated guess.

    Raises:
        UserError: no run or weights, no input that can be read, a word that `write` does not have.
    """
    if unknown := set(write) - {*WRITES, "all"}:
        raise UserError(f"--write={','.join(sorted(unknown))} does not exist; there are all, {', '.join(WRITES)}.")
    if camera:
        intrinsics.read(camera, size=(480, 640))  # whatever the size: a mistake is said before any work
    found = None if input is None else inputs.find(input)
    perceiver = inference.load_perceiver(
        config.weights or workdir, checkpoint=config.evaluation.checkpoint, flip=config.evaluation.flip
    )
    unit = "in metres" if perceiver.metric else "up to scale, not in metres: nothing told the network the scale"
    if perceiver.config.tasks.depth is not None:
        log.say(f"Depth is {unit}.")
    output = pathlib.Path(output or pathlib.Path(workdir) / "pictures")
    wanted = set(WRITES if "all" in write else write or (OF_VIDEOS if found and found.rate else OF_PICTURES))
    if found is None:
        seen, camera_of = evaluation_frames(perceiver, config, batch_size=config.evaluation.batch_size)
        source = f"{config.evaluation.split} frames of the data set"
    else:
        if output.resolve() == found.folder.resolve():
            raise UserError(f"--output is the folder of the input, {output}; give another one.")
        needs_camera = bool(wanted & {"cloud", "page"}) and perceiver.config.tasks.depth is not None
        camera_of = cameras.find(
            perceiver.config, camera or None, speak=needs_camera, focal_scale=perceiver.focal_scale
        )
        seen = predict_footage(perceiver, found, output, wanted, camera_of, batch_size=config.evaluation.batch_size)
        source = pathlib.Path(input).name
    output.mkdir(parents=True, exist_ok=True)
    figure = make_figure(seen)
    if "figure" in wanted:
        image_files.write(output / "figure.png", figure)
    if "page" in wanted:
        run_folder = pathlib.Path(workdir)
        document.write(
            output / "page.html",
            title=f"mtl_depth: {pathlib.Path(config.weights or workdir).resolve().name}",
            sentences=[f"Predicted for {source}.", f"Depth is {unit}."],
            metric=perceiver.metric,
            frames=page_frames(seen, camera_of, metric=perceiver.metric),
            figure=figure,
            run=run_folder if (run_folder / "config.json").is_file() else None,
        )
    written = [f"{output / f'{name}.{end}'}" for name, end in (("figure", "png"), ("page", "html")) if name in wanted]
    log.say(f"written to {output}" + (f"; look at {' and '.join(written)}" if written else ""))


def make_figure(seen: list[Prediction]) -> np.ndarray:
    """The grid: a column a picture; input, depth, then the true and the predicted segmentation where there are any."""
    names = [name for name in CAPTIONS if all(name in one.shown for one in seen)]
    rows = [[one.shown[name] for one in seen] for name in names]
    return visualize.figure(rows, [CAPTIONS[name] for name in names])


def evaluation_frames(perceiver: Perceiver, config: Config, *, batch_size: int) -> tuple[list[Prediction], Camera]:
    """Evenly spaced frames of the evaluation split with prediction and truth, and their camera.

    Raises:
        UserError: the split holds no frame.
    """
    evaluator.check_split(config.evaluation.split)
    data = dataclasses.replace(config.data, size=perceiver.size, eval_frames=COLUMNS)
    dataset, split = dataset_reader.open_dataset(data), config.evaluation.split
    wanted = frozenset().union(*(task.metrics.reads for task in perceiver.tasks))
    for reads in (wanted - {"depth"}, wanted):  # frames with true segmentation where there are any
        if reads and dataset_reader.frames(dataset, data, split=split, reads=reads):
            break
    else:
        raise UserError(f"The split {split} of {data.data_dir} has no frame to show; give pictures with --input.")
    seen, matrix = [], np.eye(3)
    for batch in dataset_reader.evaluation_batches(dataset, data, split=split, reads=reads, batch_size=batch_size):
        images, matrix = batch["image"][:, 0], batch["intrinsics"][0]
        predictions = perceive_padded(perceiver.perceive, to_float(images), batch_size=batch_size)
        truths = [name for name in ("semantic", "instance") if name in reads and batch[name].any()]
        for row, image in enumerate(images):
            truth = {name: batch[name][row] for name in truths}
            name = f"{batch['drive'][row]:04d}_{batch['frame'][row]:010d}"
            one = results.make(perceiver, predictions, row, image, name=name, truth=truth)
            if "depth" in reads and "depth" in one.arrays:
                true = batch["depth"][row]
                one.shown["depth_truth"] = visualize.depth_picture(true)
                one.shown["depth_error"] = frames.error_picture(
                    one.arrays["depth"], true, image, metric=perceiver.metric
                )
            seen.append(one)
    matrix = np.asarray(scale_focal(matrix, perceiver.focal_scale))
    return seen, lambda size: matrix


def predict_footage(
    perceiver: Perceiver,
    found: Footage,
    output: pathlib.Path,
    wanted: set[str],
    camera_of: Camera,
    *,
    batch_size: int,
) -> list[Prediction]:
    """Predicts every picture and writes its files; those that cannot be read are named and left out.

    Returns:
        Some evenly spaced ones, for the figure and the page.

    Raises:
        UserError: none could be read.
    """
    total = len(found.names)
    batch_size = min(batch_size, total)
    unreadable: list[UserError] = []
    seen: list[Prediction] = []
    film = Film(output / "depth.mp4", found.rate or PICTURE_RATE) if "video" in wanted else None
    nearest = None  # a video keeps the colours of its first frame, or it would flicker
    output.mkdir(parents=True, exist_ok=True)
    count = 0
    with log.progress(total=total, desc="predict", unit="picture") as bar:
        readable = _readable(found, unreadable)
        while batch := list(itertools.islice(readable, batch_size)):
            fitted = np.stack([image_files.resize(image, size=perceiver.size) for _, image in batch])
            predictions = perceive_padded(perceiver.perceive, to_float(fitted), batch_size=batch_size)
            for row, (index, image) in enumerate(batch):
                name = found.names[index] if index < total else f"{found.names[0][:-6]}{index:06d}"
                one = results.make(perceiver, predictions, row, image, name=name, nearest=nearest)
                matrix = camera_of(image.shape[:2]) if "cloud" in wanted else None
                results.write(one, output, wanted, metric=perceiver.metric, intrinsics=matrix)
                if film is not None:
                    if nearest is None and "depth" in one.arrays:
                        nearest = float(np.percentile(one.arrays["depth"], 5))
                    film.add([one.shown[key] for key in ("input", *results.FILES) if key in one.shown])
                if len(seen) < COLUMNS and index * COLUMNS >= len(seen) * total:
                    seen.append(one)
                count += 1
            bar.update(len(batch))
    if film is not None:
        film.close()
    if not count:
        raise UserError(f"None of the {total} pictures could be read; the first: {unreadable[0]}")
    if unreadable:
        log.say(f"{len(unreadable)} of {total} pictures were left out.")
    return seen


def _readable(found: Footage, unreadable: list[UserError]) -> Iterator[tuple[int, np.ndarray]]:
    """(index, picture) of everything that can be read; the errors of the others go to `unreadable`."""
    for index, image in found.read():
        if isinstance(image, UserError):
            log.say(f"left out: {image}")
            unreadable.append(image)
        else:
            yield index, image


def page_frames(seen: list[Prediction], camera_of: Camera, *, metric: bool) -> list[frames.Frame]:
    """What the page shows of the predictions."""
    return [frames.from_prediction(one, camera_of(one.image.shape[:2]), metric=metric) for one in seen]
