"""`python -m mtl_depth.experiments.figure`: draws docs/figure.png, the starter model on unseen streets."""

import argparse
import hashlib
import pathlib
import sys
import tempfile
from collections.abc import Sequence

import numpy as np
import PIL.Image
import PIL.PngImagePlugin

from mtl_depth.data import intrinsics
from mtl_depth.errors import UserError
from mtl_depth.experiments.pieces import command_line
from mtl_depth.inference import load_perceiver
from mtl_depth.media import image_files, visualize
from mtl_depth.prediction import results
from mtl_depth.tasks.classes import PALETTE

SEED = 400  # of the city; the starter was trained on cities of other seeds
DRIVES = 4  # columns of the figure
FRAMES = 12  # drawn on each street; the middle one is shown
SIZE = (188, 704)
ROWS = {"input": "Input", "depth": "Depth", "depth_truth": "True depth", "instance": "Predicted instances"}
STYLE = "style"  # key of the text chunk


def style() -> str:
    """A digest of how a small synthetic picture, its depth and its instances are drawn: it changes with the style."""
    rows, columns = np.mgrid[:32, :160]
    image = np.stack([rows * 8, columns, rows + columns], axis=-1).astype(np.uint8)
    depth = visualize.depth_picture(1.0 + rows, legend=True)
    instances = visualize.instance_picture(columns // 4 * 1000 + rows // 8, PALETTE, image=image)
    drawn = visualize.figure([[image], [depth], [instances]], ["Input", "Depth", "Instances"])
    return hashlib.sha256(drawn.tobytes()).hexdigest()


def draw(city: pathlib.Path) -> np.ndarray:
    """The figure: a column for the middle frame of each drive, with its depth, true depth, and instances."""
    perceiver = load_perceiver("starter")
    matrix = intrinsics.read(str(city / "calibration" / "perspective.txt"), size=SIZE).matrix
    columns = []
    for folder in sorted((city / "data_2d_raw").iterdir()):
        path = sorted((folder / "image_00" / "data_rect").iterdir())[FRAMES // 2]
        image = image_files.read(path)
        true = np.load(city / "data_truth" / folder.name / "depth" / f"{path.stem}.npy", allow_pickle=False)
        nearest = float(np.percentile(true, 5))  # the same colours for both depths
        predictions = perceiver.perceive_padded([image], batch_size=1, intrinsics=[matrix])
        shown = results.make(perceiver, predictions, 0, image, name=path.stem, nearest=nearest).shown
        shown["depth_truth"] = visualize.depth_picture(true, nearest=nearest, legend=True)
        columns.append([shown[name] for name in ROWS])
    return visualize.figure(list(zip(*columns)), list(ROWS.values()), width=400)


def main(argv: Sequence[str]) -> int:
    """The command; returns the exit status: 0, or 2 for a user's mistake."""
    parser = argparse.ArgumentParser(prog="python -m mtl_depth.experiments.figure", description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("docs/figure.png"), help="the PNG to write")
    out = parser.parse_args(argv).out
    try:
        with tempfile.TemporaryDirectory() as folder:
            command_line(
                "tfds_kitti360.city", f"--out={folder}", "--variety=1", "--no_scans", f"--seed={SEED}",
                f"--drives={DRIVES}", f"--frames={FRAMES}", f"--size={SIZE[0]}x{SIZE[1]}",
            )  # fmt: skip
            figure = draw(pathlib.Path(folder))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    text = PIL.PngImagePlugin.PngInfo()
    text.add_text(STYLE, style())
    PIL.Image.fromarray(figure).save(out, pnginfo=text, optimize=True)
    print(f"written: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
