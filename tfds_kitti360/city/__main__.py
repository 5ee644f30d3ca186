"""The command: `python -m tfds_kitti360.city --out=DIR`."""

import argparse
import pathlib
import sys

from tfds_kitti360.city import plan
from tfds_kitti360.errors import DatasetError
from tfds_kitti360.files import expand

_DESCRIPTION = """\
Draws a synthetic city and writes it in the official layout of KITTI-360: images, semantic, instance and confidence
images, scans recorded while the car moves, poses except those of slow frames, calibration, and lists; and exact depth
and motion in data_truth/. The same seed gives the same city. Every drive is another street; the last one is the val
list, so that evaluation uses an unseen street (a single drive is all train). The command can be repeated: finished
drives are kept, an interrupted one is drawn again."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tfds_kitti360.city",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--out",
        required=True,
        type=pathlib.Path,
        help="output folder: new, or that of an earlier run with the same settings",
    )
    parser.add_argument("--drives", type=int, default=2, help=f"number of streets, 1 to {len(plan.DRIVES)} (default 2)")
    parser.add_argument("--frames", type=int, default=60, help="frames per drive, 3 or more (default 60)")
    parser.add_argument(
        "--size", default="376x1408", help="HEIGHTxWIDTH of the images (default 376x1408, as in KITTI-360)"
    )
    parser.add_argument("--seed", type=int, default=0, help="every seed draws another city (default 0)")
    parser.add_argument("--stereo", action="store_true", help="also draw the right camera, image_01")
    parser.add_argument(
        "--no_truth",
        action="store_true",
        help="do not write exact depth and masks of motion, 2 MB per frame at full size",
    )
    parser.add_argument(
        "--no_scans",
        action="store_true",
        help="do not write scans: takes half the time at 128x416, but depth cannot be scored",
    )
    parser.add_argument(
        "--traps",
        action="store_true",
        help="leave out what is missing in the real data set: labels of the first frames of drive 0000, pictures of "
        "the first frames of drive 0002 and parts of drive 0004; K_00 in perspective.txt ends with 0 (some copies do)",
    )
    parser.add_argument(
        "--variety",
        type=int,
        choices=(0, 1),
        default=0,
        help="1: every drive draws its own light, weather, kind of street, plants and camera response (recorded in "
        "data_truth/DRIVE/world.json), and every seed its own camera (default 0)",
    )
    parser.add_argument(
        "--focal",
        type=float,
        help="focal length as a share of the image's width, such as 0.55 (default: the real 0.39, or drawn from the "
        "seed with --variety=1)",
    )
    flags = parser.parse_args(arguments)
    try:
        settings = plan.Settings(
            drives=flags.drives,
            frames=flags.frames,
            size=plan.parse_size(flags.size),
            seed=flags.seed,
            stereo=flags.stereo,
            truth=not flags.no_truth,
            scans=not flags.no_scans,
            traps=flags.traps,
            variety=bool(flags.variety),
            focal=flags.focal,
        )
        plan.check(settings)
        _draw(expand(flags.out), settings)
    except DatasetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted; finished drives are kept; run the same command to resume", file=sys.stderr)
        return 130
    return 0


def _draw(out: pathlib.Path, settings: plan.Settings) -> None:
    try:
        plan.check_folder(out, settings)
        from tfds_kitti360.city import make  # imports jax, which takes a second: after the checks

        make.make_city(out, settings)
    except OSError as error:
        raise DatasetError(f"{out} cannot be written ({error}); free space or pass another --out") from None


if __name__ == "__main__":
    sys.exit(main())
