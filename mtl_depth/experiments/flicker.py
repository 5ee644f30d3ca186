"""How much the depth of a film flickers, and what the temporal filter changes.

    python -m mtl_depth.experiments.flicker --run=RUN

The film is a street of the synthetic city, whose depth and motion are known. Flicker is the mean of
|e_t(p) - e_{t-1}(p')| over neighbouring frames, e being log(predicted / true depth) and p' the pixel of the last frame
that shows the same point; points that were hidden there, or that move, do not count. Abs Rel is of all pixels nearer
than 80 m. The rows: no filter, the filter in the pixel's own place, with the motion of the run's pose network if it has
one, and with the true motion.
"""

import argparse
import pathlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from mtl_depth import inference
from mtl_depth.data import intrinsics
from mtl_depth.errors import UserError
from mtl_depth.experiments import pieces
from mtl_depth.geometry import camera, rigid, warp
from mtl_depth.media import image_files
from mtl_depth.metrics.depth import depth_errors
from mtl_depth.prediction import temporal_filter
from mtl_depth.prediction.predictor import Perceiver

HIDDEN = 0.03  # difference of log depth from which a point is hidden in the last frame, or moves
FARTHEST = 80.0  # metres
SIZE = (188, 704)  # of the pictures


class Street(NamedTuple):
    """A film with truth.

    Attributes:
        images: uint8 [t h w 3].
        depths: true ones [t h w] in metres, 0 for the sky.
        motions: true last_from_now of every frame but the first [t-1 4 4].
        matrix: intrinsics.
    """

    images: np.ndarray
    depths: np.ndarray
    motions: np.ndarray
    matrix: np.ndarray


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m mtl_depth.experiments.flicker", description=__doc__)
    parser.add_argument("--run", default="starter", help="run folder, export or starter")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0, help="of the city")
    options = parser.parse_args(arguments)
    try:
        perceiver = inference.load_perceiver(options.run)
        with tempfile.TemporaryDirectory() as folder:
            street = draw(pathlib.Path(folder), frames=options.frames, seed=options.seed)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    predicted = predict(perceiver, street)
    print(f"{'filter':<18}{'flicker':>9}{'Abs Rel':>9}{'median-scaled':>15}")
    for name, motion in motions(perceiver, street).items():
        small = predicted if motion is None else filtered(predicted, street, motion)
        found = np.stack([image_files.resize_depth(depth, size=SIZE) for depth in small])
        wrong, scaled = abs_rel(found, street.depths)
        print(f"{name:<18}{flicker(found, street):>9.4f}{wrong:>9.4f}{scaled:>15.4f}")
    return 0


def draw(folder: pathlib.Path, *, frames: int, seed: int) -> Street:
    """A street of `SIZE`."""
    height, width = SIZE
    options = ["--drives=1", f"--frames={frames}", f"--size={height}x{width}", f"--seed={seed}", "--no_scans"]
    pieces.command_line("tfds_kitti360.city", f"--out={folder}", *options)
    pictures = sorted(folder.glob("data_2d_raw/*/image_00/data_rect/*.png"))
    truth = next(folder.glob("data_truth/*"))
    poses = np.loadtxt(truth / "cam0_to_world.txt")[:, 1:].reshape(-1, 4, 4)
    matrix = intrinsics.read(str(folder / "calibration" / "perspective.txt"), size=SIZE).matrix
    maps = [np.load(path, allow_pickle=False) for path in sorted((truth / "depth").glob("*.npy"))]
    depths = np.stack(maps).astype(np.float32)
    return Street(
        np.stack([image_files.read(path) for path in pictures]),
        np.where(np.isfinite(depths), depths, 0),
        (np.linalg.inv(poses[:-1]) @ poses[1:]).astype(np.float32),
        np.asarray(matrix, np.float32),
    )


def predict(perceiver: Perceiver, street: Street) -> np.ndarray:
    """Depth of every frame [t h w] at the network's size."""
    known = street.matrix.tolist()
    return np.stack([np.asarray(perceiver.perceive(each, intrinsics=known)["depth"])[0] for each in street.images])


def motions(perceiver: Perceiver, street: Street) -> dict[str, Callable[[int], Any] | None]:
    """By the name of a filter, the motion last_from_now of a frame that it uses; None: no filter."""
    found: dict[str, Callable[[int], Any] | None] = {"none": None, "in place": lambda _: np.eye(4, dtype=np.float32)}
    if perceiver.network is not None and perceiver.network.pose is not None:
        found["predicted motion"] = lambda t: np.asarray(perceiver.motion(street.images[t], street.images[t - 1]))[0]
    return found | {"true motion": lambda t: street.motions[t - 1]}


def filtered(depths: np.ndarray, street: Street, motion: Callable[[int], Any]) -> np.ndarray:
    """The depths, each blended with the one before."""
    matrix = intrinsics.resize_intrinsics(street.matrix, old=SIZE, new=depths.shape[1:]).astype(np.float32)
    found = [depths[0]]
    for t in range(1, len(depths)):
        found.append(np.asarray(temporal_filter.blend(found[-1], depths[t], motion(t), matrix)))
    return np.stack(found)


def flicker(depths: np.ndarray, street: Street) -> float:
    """Mean change of the log error of a point from one frame to the next."""
    errors = np.where(street.depths > 0, np.log(depths / np.where(street.depths > 0, street.depths, 1)), 0)
    changes = []
    for t, motion in enumerate(street.motions, start=1):
        now = jnp.asarray(np.where(street.depths[t] > 0, street.depths[t], 1.0))
        _, _, expected = rigid.transform(motion, *camera.backproject_planes(now, street.matrix))
        last = jnp.stack([street.depths[t - 1], errors[t - 1]], axis=-1)
        found, inside = warp.inverse_warp(last, now, motion, street.matrix)
        seen = np.abs(np.log(np.maximum(found[..., 0], 1e-3) / np.maximum(expected, 1e-3))) < HIDDEN
        counts = seen & np.asarray(inside) & (street.depths[t] > 0) & (street.depths[t] < FARTHEST)
        changes.append(np.abs(errors[t] - np.asarray(found[..., 1]))[counts])
    return float(np.concatenate(changes).mean())


def abs_rel(depths: np.ndarray, truths: np.ndarray) -> tuple[float, float]:
    """Abs Rel, the mean over the frames, in metres and after median scaling of each frame."""
    pairs = list(zip(truths, depths, strict=True))
    plain, scaled = (
        [depth_errors(true, depth, median_scaling=scaling, farthest=FARTHEST)["abs_rel"] for true, depth in pairs]
        for scaling in (False, True)
    )
    return float(np.mean(plain)), float(np.mean(scaled))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
