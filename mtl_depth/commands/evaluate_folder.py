"""`--mode=evaluate --truth=FOLDER`: scores depth on your own pictures and ground truth, matched by name."""

import itertools
import pathlib
from collections.abc import Iterator
from typing import Any

import cv2
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from mtl_depth import inference
from mtl_depth.config import Config
from mtl_depth.data import footage, intrinsics
from mtl_depth.errors import UserError
from mtl_depth.evaluation import score_tables
from mtl_depth.evaluation.evaluator import FLIPPED
from mtl_depth.media import inputs
from mtl_depth.metrics import depth as metrics
from mtl_depth.metrics.pixels import enlarged
from mtl_depth.prediction import cameras
from mtl_depth.prediction.predictor import flip_of
from mtl_depth.runtime import disk, log
from mtl_depth.tasks.base import add

ENDINGS = (".png", ".npy")
SUFFIX = "_depth"  # optional end of the name of a depth map, as in the names of predictions
RESULT = "evaluation_own.json"
NAMED = 5  # unmatched pictures that are listed by name
NEAREST, FARTHEST = 1e-3, 80.0  # metres between which truth counts
CONTRARY = -0.3  # correlation of truth and prediction, the median over pictures, that no network which sees has
SAME_SHAPE = 0.01  # relative difference of width / height up to which a truth shows the whole picture
RECIPE = (
    "Depth truth: {truth} (scale {scale:g}). Predicted disparity resized bilinearly to the truth's size. Scored where "
    "1e-3 < truth < 80 m ({crop} crop), prediction clipped to that range, errors per picture, then averaged over the "
    "pictures. median_scaled: prediction times median(truth) / median(prediction) of the picture; unscaled: as "
    "predicted. constant: one depth for all pixels, median-scaled."
)


def run(
    config: Config,
    workdir: str | pathlib.Path,
    *,
    input: str | None,
    truth: str | pathlib.Path,
    scale: float = 256.0,
    camera: str = "",
) -> dict[str, Any]:
    """Prints the scores and saves them as `workdir`/evaluation_own.json.

    Args:
        config: weights, checkpoint, flip, batch size and crop; the model is the run's own.
        workdir: the run.
        input: the pictures, as `footage.find` takes them.
        truth: folder of NAME.png (16 bit) or NAME.npy for pictures NAME.*; NAME_depth will do too. 0: not measured.
        scale: units of a PNG (or of an integer .npy) in a metre; floats of a .npy are metres.
        camera: intrinsics of the pictures as `cameras.find` takes them, on which the metres of a model with a canonical
            focal length depend; by default those of its data set, or a stated guess.

    Returns:
        The saved content.

    Raises:
        UserError: no run, no pictures, no truth that fits, or a file of another kind.
    """
    if not input:
        raise UserError("--truth=FOLDER needs the pictures too: --input=FOLDER.")
    if not 0 < scale < np.inf:
        raise UserError(
            f"--truth_scale={scale:g} must be positive and finite: the value of a PNG for one metre, 256 in KITTI."
        )
    found, truths = inputs.find(input), _find_truth(footage.expand(truth))
    matched = {name: _the_only(name, truths[name]) for name in found.names if name in truths}
    if not matched:
        raise UserError(
            f"No depth map in {truth} has the name of a picture in {input}: the first picture is {found.names[0]}, the "
            f"first depth map {min(truths)}."
        )
    if found.remark:
        log.say(found.remark)
    if camera:
        intrinsics.check(camera)
    disk.check_writable(pathlib.Path(workdir))  # before hours of work
    perceiver = inference.load_perceiver(
        config.weights or workdir, checkpoint=config.evaluation.checkpoint, flip=flip_of(config)
    )
    if perceiver.config.tasks.depth is None:
        raise UserError(f"{config.weights or workdir} has no depth task; give the --workdir of a run with one.")
    crop = config.tasks.depth.crop if config.tasks.depth else ""
    needs_camera = perceiver.canonical_focal is not None
    camera_of = cameras.find(
        perceiver.config,
        camera or None,
        speak=needs_camera,
        focal_scale=perceiver.focal_scale,
        run=None if config.weights else pathlib.Path(workdir),
    )
    sums, ratios, covered, agreement = None, [], [], []
    batch_size = min(config.evaluation.batch_size, len(matched))
    read = ((name, image) for name, image in _pictures(found) if name in matched)
    with log.progress(total=len(matched), desc="evaluate", unit="picture") as bar:
        while batch := list(itertools.islice(read, batch_size)):
            truths_of = [read_truth(matched[name], scale=scale) for name, _ in batch]
            for (name, image), measured in zip(batch, truths_of):
                check_shape(matched[name], measured, image)
            images = [image for _, image in batch]
            matrices = [camera_of(image.shape[:2]) for image in images] if needs_camera else None
            answers = perceiver.perceive_padded(images, batch_size=batch_size, intrinsics=matrices)
            for measured, depth in zip(truths_of, answers["depth"]):
                resized = 1 / np.asarray(enlarged(jnp.asarray(1 / depth)[None], size=measured.shape)[0])
                sums = add(sums, frame_sums(measured, resized, crop or None))
                inside = metrics.crop_mask(measured.shape, crop or None)
                known = (measured > NEAREST) & (measured < FARTHEST) & inside
                covered.append(float(known.sum() / inside.sum()))
                if known.any():
                    ratios.append(float(np.median(measured[known]) / np.median(resized[known])))
                    agreement.append(metrics.correlation(measured[known], resized[known]))
            bar.update(len(batch))
    depth = {name: metrics.mean_errors(entry) for name, entry in sums.items()}
    if not all(depth.values()):
        raise UserError(f"No truth in {truth} lies between 1e-3 and 80 m; is --truth_scale={scale:g} right?")
    unmatched = [name for name in found.names if name not in matched]
    result = {
        "split": f"own truth in {truth}",
        "frames": len(matched),
        "depth": depth,
        "coverage": float(np.mean(covered)),
        "scale": metrics.summarise_ratios(ratios),
        "metric": perceiver.metric and (not needs_camera or bool(camera)),
        "correlation": float(np.median(agreement)),
        "unmatched": unmatched,
        "recipe": RECIPE.format(truth=truth, scale=scale, crop=crop or "no") + FLIPPED[perceiver.flip],
    }
    score_tables.show(score_tables.summary(result))
    path = pathlib.Path(workdir) / RESULT
    log.write_json(path, result)
    for sentence in remarks(result, truths=len({file for files in truths.values() for file in files})):
        log.say(sentence)
    log.say(f"saved in {path}")
    return result


def remarks(result: dict[str, Any], *, truths: int) -> list[str]:
    """Sentences that explain the numbers: coverage, scale, files that were left out."""
    unmatched, scale = result["unmatched"], result["scale"]
    sentences = [
        f"Truth from {NEAREST:g} to {FARTHEST:g} m covers {result['coverage']:.1%} of the pixels that are scored.",
        f"Truth is {scale['median']:.3g} times the prediction (median over pictures, spread "
        f"{scale['spread'] / scale['median']:.0%})"
        + ("." if result["metric"] else "; this model's depth has no metres, read the median-scaled row."),
    ]
    if result["correlation"] < CONTRARY:
        sentences.append(
            f"warning: truth grows where the prediction shrinks (their logarithms correlate by "
            f"{result['correlation']:.2f}); is it disparity instead of depth, or upside down?"
        )
    if unmatched:
        names = ", ".join(unmatched[:NAMED]) + (", ..." if len(unmatched) > NAMED else "")
        sentences.append(f"{len(unmatched)} pictures have no truth and were left out: {names}.")
    if truths > result["frames"]:
        sentences.append(f"{truths - result['frames']} truths have no picture and were left out.")
    return sentences


def frame_sums(
    truth: Float[np.ndarray, "h w"], depth: Float[np.ndarray, "h w"], crop: str | None
) -> dict[str, dict[str, np.ndarray]]:
    """The sums of errors of one picture: of the prediction, with and without scaling, and of a constant depth."""
    candidates = {
        "median_scaled": (depth, True),
        "unscaled": (depth, False),
        "constant": (np.ones(truth.shape), True),
    }
    return {
        name: metrics.frame_sums(metrics.depth_errors(truth, candidate, median_scaling=scaled, crop=crop))
        for name, (candidate, scaled) in candidates.items()
    }


def read_truth(path: pathlib.Path, *, scale: float) -> Float[np.ndarray, "h w"]:
    """The depth map in a file, in metres, 0 where not measured.

    Raises:
        UserError: the file holds no depth map.
    """
    values = _numbers(path)
    if values.ndim != 2 or not values.size:
        raise UserError(f"{path} has the shape {values.shape}; depth is one number per pixel, height x width.")
    metres = values.astype(np.float32) / (scale if values.dtype.kind in "ui" else 1)
    known = np.isfinite(metres) & (metres > 0)
    if not known.any() and (metres < 0).any():
        raise UserError(f"{path} has no value above 0; depth is positive, in metres along the optical axis.")
    if known.any() and not known.all() and metres[known].min() == metres[known].max():
        raise UserError(
            f"{path} holds one value besides 0, {values[known][0]:g}: that is a mask; give a depth map of "
            "metres x --truth_scale."
        )
    return np.where(known, metres, 0)


def check_shape(path: pathlib.Path, truth: Float[np.ndarray, "h w"], image: np.ndarray) -> None:
    """Raises UserError where the truth has another aspect ratio than the picture, so one is cropped or rotated."""
    (height, width), (rows, columns) = truth.shape, image.shape[:2]
    rounding = 0.5 / min(height, width)  # of a size that was reduced to whole pixels
    if abs(width / height / (columns / rows) - 1) > max(SAME_SHAPE, 2 * rounding):
        raise UserError(
            f"{path} is {height}x{width} and its picture {rows}x{columns} (height x width): their aspect ratios "
            "differ, so one is cropped or rotated; give truth of the whole picture."
        )


def _numbers(path: pathlib.Path) -> np.ndarray:
    """The content of a file: integers of at least 16 bits, or floats."""
    try:
        if path.suffix.lower() == ".npy":
            values = np.load(path, allow_pickle=False)
        else:
            values = cv2.imdecode(np.frombuffer(footage.read_bytes(path), np.uint8), cv2.IMREAD_UNCHANGED)
    except (OSError, ValueError, EOFError, cv2.error) as error:
        reason = str(getattr(error, "strerror", None) or error).splitlines()[0]
        raise UserError(f"{path} cannot be read ({reason}); make it readable, or leave it out.") from None
    kinds = ("u2", "u4", "u8", "i2", "i4", "i8", "f2", "f4", "f8") if path.suffix.lower() == ".npy" else ("u2",)
    if not isinstance(values, np.ndarray) or values.dtype.newbyteorder("=").str[1:] not in kinds:
        found = f"has {values.dtype} pixels" if isinstance(values, np.ndarray) else "cannot be read"
        raise UserError(f"{path} {found}; depth is a PNG of 16 bits, metres x --truth_scale, or .npy of metres.")
    return values


def _find_truth(folder: pathlib.Path) -> dict[str, list[pathlib.Path]]:
    """The depth maps of a folder, by the names of their pictures."""
    if not folder.is_dir():
        raise UserError(f"--truth={folder} is not a folder; give the one that holds the depth maps.")
    files = footage.list_folder(folder, ENDINGS).files
    if not files:
        raise UserError(f"--truth={folder} holds no depth maps; the supported extensions are {' or '.join(ENDINGS)}.")
    found: dict[str, list[pathlib.Path]] = {}
    for file in files:
        for name in {file.stem, file.stem.removesuffix(SUFFIX)}:
            found.setdefault(name, []).append(file)
    return found


def _the_only(name: str, files: list[pathlib.Path]) -> pathlib.Path:
    if len(files) > 1:
        raise UserError(
            f"{files[0]} and {files[1].name} are both truth of the picture {name}; take one of them out of --truth."
        )
    return files[0]


def _pictures(found: inputs.Footage) -> Iterator[tuple[str, np.ndarray]]:
    for index, image in found.read():
        if isinstance(image, UserError):
            raise image
        if index < len(found.names):
            yield found.names[index], image
