"""`--mode=predict`: from pictures or a video to depth, segmentation, point clouds and a page with all results."""

import dataclasses
import itertools
import os
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
from mtl_depth.prediction import cameras, output_folder, results
from mtl_depth.prediction.cameras import Camera
from mtl_depth.prediction.output_folder import OutputFolder
from mtl_depth.prediction.predictor import Perceiver, flip_of
from mtl_depth.prediction.results import Prediction
from mtl_depth.prediction.temporal_filter import TemporalFilter
from mtl_depth.runtime import log
from mtl_depth.viewer import document, frames

COLUMNS = 4  # pictures in the figure and on the page
WRITES = {
    "depth": "NAME_depth.png, 16 bits, metres x 256; without metric scale, depth x the factor in NAME_depth.json",
    "color": "NAME_depth_color.png, with a legend",
    "labels": "if the run predicts them, NAME_semantic.png and NAME_instance.png, coloured, with legend.png, and "
    "NAME_semantic_ids.png (KITTI-360 label ids) and NAME_instance_ids.png (16 bits, label id * 1000 + number)",
    "npy": "NAME_depth.npy, float32",
    "cloud": "NAME.ply, coloured points",
    "video": "depth.webm, the input above coloured depth",
    "figure": "figure.png, one column per picture",
    "page": "page.html, a viewer with all layers and the point cloud",
}
OF_PICTURES = ("depth", "color", "labels", "figure", "page")  # written by default
OF_VIDEOS = ("video", "figure", "page")
PICTURE_RATE = 10.0  # frames per second of a video made of single pictures, the rate of KITTI's cameras
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
    smooth: bool = False,
) -> None:
    """Predicts for a picture, a folder, a pattern or a video, or for frames of the evaluation split without an input.

    Args:
        config: weights, checkpoint, batch size, flip; the model is the run's own.
        workdir: the run.
        input: as `inputs.find` takes it.
        output: folder to write into, `pictures` in the run by default; a numbered folder next to it is used where it
            contains files that are not results of an earlier prediction.
        write: names from `WRITES`, or `all`; the default depends on the input. Of evaluation frames only the figure
            and the page are written.
        camera: intrinsics as `cameras.find` takes them; by default the data set's, or an assumption that is printed.
        smooth: blends the depth of each frame with that of the frames before it (`TemporalFilter`).

    Raises:
        UserError: there are no run or weights, no input can be read, `write` has an unknown name, the output lies among
            the input, or there is nothing to smooth.
    """
    if unknown := set(write) - {*WRITES, "all"}:
        raise UserError(f"--write={','.join(sorted(unknown))} does not exist; there are all, {', '.join(WRITES)}.")
    if camera:
        intrinsics.check(camera)  # before any work
    target = pathlib.Path(os.path.expanduser(output or pathlib.Path(workdir) / "pictures"))
    found = None if input is None else inputs.find(input)
    if found is not None:
        output_folder.check_apart(target, input, found.files)
    perceiver = inference.load_perceiver(
        config.weights or workdir, checkpoint=config.evaluation.checkpoint, flip=flip_of(config)
    )
    # Depth in metres for a camera other than the canonical one needs its focal length.
    metric = perceiver.metric and (found is None or perceiver.canonical_focal is None or bool(camera))
    unit = "in metres" if metric else "up to scale, not in metres: the model was trained without metric scale"
    if perceiver.metric and not metric:
        unit = "up to scale, not in metres: metres need the camera's --intrinsics"
    has_depth = perceiver.config.tasks.depth is not None
    if has_depth:
        log.say(f"Depth is {unit}.")
    if smooth and (found is None or len(found.names) < 2 or not has_depth):
        raise UserError("--smooth is for depth of a video, or of a folder of frames in order; give one as --input.")
    steady = TemporalFilter(perceiver) if smooth else None
    if steady is not None:
        log.say(f"--smooth: the depth of each frame is blended with the last one's, {steady.described}.")
    wanted = set(WRITES if "all" in write else write or (OF_VIDEOS if found and found.rate else OF_PICTURES))
    if found is None:
        seen, camera_of = evaluation_frames(perceiver, config, batch_size=config.evaluation.batch_size)
        folder = output_folder.open_folder(target)
        source = f"{config.evaluation.split} frames of the data set"
    else:
        if found.remark:
            log.say(found.remark)
        needs_camera = (bool(wanted & {"cloud", "page"}) or smooth) and has_depth
        camera_of = cameras.find(
            perceiver.config,
            camera or None,
            speak=needs_camera or perceiver.canonical_focal is not None,
            focal_scale=perceiver.focal_scale,
            run=pathlib.Path(workdir),
        )
        folder = output_folder.open_folder(target)
        seen = predict_footage(
            perceiver, found, folder, wanted, camera_of, batch_size=config.evaluation.batch_size, metric=metric,
            steady=steady,
        )  # fmt: skip
        source = pathlib.Path(input).name
    figure = make_figure(seen)
    if "figure" in wanted:
        image_files.write(folder.file("figure.png"), figure)
    if "page" in wanted:
        run_folder = pathlib.Path(workdir)
        document.write(
            folder.file("page.html"),
            title=f"mtl_depth: {printable(pathlib.Path(config.weights or workdir).resolve().name)}",
            sentences=[f"Predicted for {printable(source)}.", f"Depth is {unit}."],
            metric=metric,
            frames=page_frames(seen, camera_of, metric=metric),
            figure=figure,
            run=run_folder if (run_folder / "config.json").is_file() else None,
        )
    folder.close()
    written = [
        f"{folder.path / f'{name}.{end}'}" for name, end in (("figure", "png"), ("page", "html")) if name in wanted
    ]
    log.say(f"written to {folder.path}" + (f"; look at {' and '.join(written)}" if written else ""))


def make_figure(seen: list[Prediction]) -> np.ndarray:
    """The figure, one column per picture: input, depth, and true and predicted segmentation where there are any."""
    names = [name for name in CAPTIONS if all(name in one.shown for one in seen)]
    rows = [[one.shown[name] for one in seen] for name in names]
    return visualize.figure(rows, [CAPTIONS[name] for name in names])


def evaluation_frames(perceiver: Perceiver, config: Config, *, batch_size: int) -> tuple[list[Prediction], Camera]:
    """Evenly spaced frames of the evaluation split with prediction and truth, and their camera.

    Raises:
        UserError: the split has no frame.
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
        predictions = perceiver.perceive_padded(
            list(images), batch_size=batch_size, intrinsics=list(batch["intrinsics"])
        )
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
    output: OutputFolder,
    wanted: set[str],
    camera_of: Camera,
    *,
    batch_size: int,
    metric: bool,
    steady: TemporalFilter | None = None,
) -> list[Prediction]:
    """Predicts for every picture and writes its files; pictures that cannot be read are reported and left out.

    Returns:
        Some evenly spaced predictions, for the figure and the page.

    Raises:
        UserError: none could be read.
    """
    total = len(found.names)
    batch_size = min(batch_size, total)
    unreadable: list[UserError] = []
    seen: list[Prediction] = []
    film = Film(output.file("depth.webm"), found.rate or PICTURE_RATE) if "video" in wanted else None
    nearest = None  # a video keeps the colours of its first frame, or it would flicker
    count, saturated, classes = 0, 0, set()
    log.say("compiling the network (once for this size; the next start finds it in the cache)")
    with log.progress(total=total, desc="predict", unit="picture") as bar:
        readable = _readable(found, unreadable)
        while batch := list(itertools.islice(readable, batch_size)):
            images = [image for _, _, image in batch]
            matrices = [camera_of(image.shape[:2]) for image in images] if perceiver.canonical_focal else None
            predictions = perceiver.perceive_padded(images, batch_size=batch_size, intrinsics=matrices)
            if steady is not None:
                rows = zip(images, predictions["depth"])
                predictions["depth"] = np.stack(
                    [steady(image, depth, camera_of(image.shape[:2])) for image, depth in rows]
                )
            for row, (index, seconds, image) in enumerate(batch):
                name = found.name(index)
                one = results.make(perceiver, predictions, row, image, name=name, nearest=nearest, metric=metric)
                matrix = camera_of(image.shape[:2]) if "cloud" in wanted else None
                results.write(one, output, wanted, metric=metric, intrinsics=matrix)
                depth = one.arrays.get("depth")
                saturated += metric and depth is not None and bool((depth > image_files.FARTHEST_METRES).any())
                classes |= results.classes(one)
                if film is not None:
                    if nearest is None and depth is not None:
                        nearest = float(np.percentile(depth, 5))
                    shown = [one.shown[key] for key in ("input", *results.FILES) if key in one.shown]
                    film.add(shown, seconds=seconds if found.rate else None)
                if len(seen) < COLUMNS and index * COLUMNS >= len(seen) * total:
                    seen.append(one)
                count += 1
            bar.update(len(batch))
    if not count:
        raise UserError(f"None of the {total} pictures could be read; the first: {unreadable[0]}")
    if film is not None:
        film.close()
    if "labels" in wanted and classes:
        results.write_legend(output.file("legend.png"), classes)
    for sentence in _remarks(found, film, count=count, saturated=saturated * ("depth" in wanted)):
        log.say(sentence)
    return seen


def _remarks(found: Footage, film: Film | None, *, count: int, saturated: int) -> Iterator[str]:
    """Prints what a user of the results has to know about them."""
    total = len(found.names)
    if found.rate is not None and count < total:
        yield f"{found.files[0]} promises {total} frames, and {count} could be decoded; the results are of these."
    elif count < total:
        yield f"{total - count} of {total} pictures were left out."
    if film is not None and found.rate is None and (reason := found.doubt()):
        yield f"depth.webm may not be in the order of time: {reason}."
    if film is not None and (film.repeated or film.left_out):
        yield (
            f"The frames of {found.files[0]} are not evenly spaced in time; depth.webm has {found.rate:.4g} a second, "
            f"with {film.repeated} repeated and {film.left_out} left out, so that it takes as long."
        )
    if saturated:
        yield (
            f"In {saturated} pictures depth lies beyond {image_files.FARTHEST_METRES:.2f} m, the most that 16 bits of "
            "metres x 256 hold; there NAME_depth.png says as much, --write=npy keeps the depth."
        )


def _readable(found: Footage, unreadable: list[UserError]) -> Iterator[tuple[int, float, np.ndarray]]:
    """Yields (index, seconds, picture) for all that can be read; appends the errors of the others to `unreadable`."""
    for index, seconds, image in found.frames():
        if isinstance(image, UserError):
            log.say(f"left out: {image}")
            unreadable.append(image)
        else:
            yield index, seconds, image


def printable(text: str) -> str:
    """The text with those parts of file names replaced that are not valid UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def page_frames(seen: list[Prediction], camera_of: Camera, *, metric: bool) -> list[frames.Frame]:
    """What the page shows of the predictions."""
    return [frames.from_prediction(one, camera_of(one.image.shape[:2]), metric=metric) for one in seen]
