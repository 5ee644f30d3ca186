"""Builds the data set: python -m tfds_kitti360.build --manual_dir=KITTI360_ROOT --data_dir=TFDS_DIR."""

import argparse
import contextlib
import fcntl
import io
import os
import pathlib
import re
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Sequence

from tfds_kitti360 import clips, images, metadata
from tfds_kitti360.errors import DatasetError
from tfds_kitti360.files import expand
from tfds_kitti360.progress import say
from tfds_kitti360.video.make import Request, write_download

_STEP = 32  # pixels: the networks halve a picture five times
_AGAIN = "delete that folder and build again"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    for stream in (sys.stdout, sys.stderr):  # file names may contain characters that the terminal's encoding lacks
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options = vars(_parser().parse_args(arguments))
    videos, camera = options.pop("video"), {name: options.pop(name) for name in ("intrinsics", "fov", "fps")}
    try:
        if not videos and any(value is not None for value in camera.values()):
            raise DatasetError("--intrinsics, --fov and --fps describe a --video; KITTI-360 has its own calibration")
        _check_numbers(options["size"], options["workers"])
        say(build(**options, video=Request(tuple(videos), **camera) if videos else None))
    except DatasetError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted; nothing was kept, the same command starts again", file=sys.stderr)
        return 130
    return 0


def build(
    *,
    data_dir: pathlib.Path,
    manual_dir: pathlib.Path | None = None,
    video: Request | None = None,
    size: tuple[int, int] | None = None,
    drives: Sequence[int] = (),
    stereo: bool = False,
    storage: str = "png",
    workers: int = 1,
    skip_damaged: bool = False,
) -> str:
    """Builds the data set below `data_dir`, unless it is built already, and returns the message for the user.

    The source is the download below `manual_dir`, or the `video`, which is first converted into such a download.
    The data set is written into a folder with another name, which is renamed at the end, so that an interrupted build
    cannot be mistaken for a finished one.

    Raises:
      DatasetError: the download cannot be used as it is, or `data_dir` holds a build with other settings.
    """
    started = time.perf_counter()
    data_dir = expand(data_dir)
    try:
        str(data_dir).encode()
    except UnicodeEncodeError:
        raise DatasetError(
            f"--data_dir={os.fsencode(data_dir).decode('utf-8', 'replace')} is not UTF-8, and the writer of records "
            "takes no other names; pass another --data_dir"
        ) from None
    if video is None:
        manual_dir = expand(manual_dir)
        if not manual_dir.is_dir():
            raise DatasetError(
                f"--manual_dir={manual_dir} is not a folder; it has to be the one that holds data_2d_raw"
            )
    elif stereo:
        raise DatasetError("--stereo needs right images, and a --video has none; leave --stereo out")
    # The builder takes seconds to import, and worker processes import this module without needing it.
    from tfds_kitti360 import plan
    from tfds_kitti360.kitti360_dataset_builder import Builder

    with _only_build(data_dir):
        camera = "calibrated"
        if video is not None:
            manual_dir, size, camera = write_download(video, data_dir, size=size)
        size = size or (192, 640)
        asked = {"size": tuple(size), "drives": tuple(drives), "stereo": stereo, "storage": storage}
        folder = data_dir / "kitti360" / str(Builder.VERSION)
        if folder.exists():
            metadata.check_seal(folder, _AGAIN)
        try:
            builder = Builder(
                data_dir=str(data_dir), workers=workers, skip_damaged=skip_damaged, camera=camera, **asked
            )
            dict(builder.info.metadata)  # read when first asked for
        except Exception as error:  # TFDS raises many kinds of errors for a damaged build
            if not any(data_dir.glob("kitti360/[0-9]*")):
                raise
            if isinstance(error, OSError) and error.strerror and not isinstance(error, FileNotFoundError):
                raise DatasetError(f"{folder} cannot be read ({error.strerror}); the data set may be intact") from None
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:120]
            raise DatasetError(
                f"{data_dir / 'kitti360'} is damaged ({reason}); delete that folder and build again"
            ) from error
        if folder.exists():
            _check_same(builder, plan.settings_of(manual_dir, **asked))
            return f"already built: {_summary(builder)}{_next(builder, data_dir)}"
        for rest in builder.data_path.parent.glob("incomplete.*"):
            shutil.rmtree(rest)
        try:
            builder.prepare(manual_dir)
        except OSError as error:
            raise DatasetError(
                f"{data_dir} cannot be written ({error.strerror}); free space or pass another --data_dir"
            ) from None
        seconds, frames = time.perf_counter() - started, builder.info.splits.total_num_examples
        cost = f"\nthat took {seconds:.1f} s, {frames / seconds:.1f} frames per second"
        notes = "".join(f"\nnote: {sentence}" for sentence in builder.info.metadata["counts"])
        return f"{_report(builder)}built: {_summary(builder)}{notes}{cost}{_next(builder, data_dir)}"


def _check_numbers(size: tuple[int, int] | None, workers: int) -> None:
    if workers < 1:
        raise DatasetError(f"--workers={workers} is too small; it has to be 1 or more")
    if size is not None and any(side < _STEP or side % _STEP for side in size):
        near = "x".join(str(max(round(side / _STEP), 1) * _STEP) for side in size)
        raise DatasetError(
            f"--size={size[0]}x{size[1]} (height x width) must be a multiple of {_STEP} in both dimensions; the "
            f"nearest is --size={near}"
        )


def _next(builder, data_dir: pathlib.Path) -> str:
    """The command that trains on the data set."""
    from tfds_kitti360 import plan

    found = builder.info.metadata
    if not any(plan.has_clip(drive, split="train") for drive in found["drives"].values()):
        return ""
    words = ["python", "-m", "mtl_depth.main", "--config=configs/depth.py", "--workdir=runs/depth"]
    words.append(f"--config.data.data_dir={shlex.quote(str(data_dir))}")
    if tuple(found["size"]) != (192, 640):
        words.append(f"--config.data.size={found['size'][0]},{found['size'][1]}")
    if not any("1" in drive["pose"] for drive in found["drives"].values()):
        words.append("--config.tasks.depth.motion=predicted")
    if found.get("camera") == "guessed":
        words.append("--config.camera.learn=True")
    return f"\nnext: {' '.join(words)}"


def _check_same(builder, settings: dict) -> None:
    folder = builder.data_path
    if not builder.is_prepared() or "settings" not in dict(builder.info.metadata):
        raise DatasetError(f"{folder} is not a finished data set; delete that folder and build again")
    built = builder.info.metadata["settings"]
    stored = {name: split.num_examples for name, split in builder.info.splits.items()}
    if wrong := metadata.fault(builder.info.metadata, stored):
        raise DatasetError(f"{folder} is damaged ({wrong}); delete that folder and build again")
    differing = [name for name, value in settings.items() if built.get(name) != value]
    before = pathlib.Path(built["manual_dir"])
    if "manual_dir" in differing and (not before.is_dir() or str(before.resolve()) == settings["manual_dir"]):
        differing.remove("manual_dir")  # the download was moved
    if differing:
        had, wanted = (
            ", ".join(_setting(name, values.get(name)) for name in differing) for values in (built, settings)
        )
        raise DatasetError(
            f"{folder} was built with {had}, not with {wanted}; delete that folder or pass another --data_dir"
        )
    if missing := [path for split in builder.info.splits.values() for path in split.filepaths if not path.exists()]:
        raise DatasetError(f"{missing[0]} is missing from a finished data set; delete {folder} and build again")


def _setting(name: str, value) -> str:
    """A setting as it is written on the command line."""
    match name:
        case "size":
            return f"--size={value[0]}x{value[1]}"
        case "drives":
            return f"--drives={','.join(f'{drive:04d}' for drive in value)}" if value else "all drives"
        case "stereo":
            return "--stereo" if value else "no --stereo"
    return f"--{name}={value}"


def _summary(builder) -> str:
    found = builder.info.metadata
    drives = found["drives"].values()
    counts = {split: sum(drive["splits"].count(code) for drive in drives) for split, code in clips.CODES.items()}
    parts = [
        *(f"{count} {split}" for split, count in counts.items() if count),
        f"{builder.info.dataset_size / 1e6:.0f} MB",
    ]
    return (
        f"{sum(len(drive['frames']) for drive in drives)} frames of drives {', '.join(found['drives'])} at "
        f"{found['size'][0]}x{found['size'][1]} as {found['storage']} ({', '.join(parts)}) in "
        f"{builder.data_path}"
    )


def _report(builder) -> str:
    from tfds_kitti360 import plan

    found = builder.info.metadata
    lines = [f"warning: left out, damaged: {sentence}" for sentence in found["skipped"]]
    if lines:
        lines.append(f"warning: {len(lines)} damaged frames or rows were left out")
    lines += [f"warning: {sentence}" for sentence in found["remarks"]]
    lines += [
        f"warning: drive {name} has no usable clip"
        for name, drive in found["drives"].items()
        if not plan.has_clip(drive)
    ]
    return "".join(f"{line}\n" for line in lines)


@contextlib.contextmanager
def _only_build(data_dir: pathlib.Path) -> Iterator[None]:
    """Holds a lock while building; the system releases it even when the process is killed."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / ".kitti360.lock").open("w")
    except OSError as error:
        raise DatasetError(f"{data_dir} cannot be written ({error.strerror}); pass another --data_dir") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatasetError(
                f"another build is writing to {data_dir}; wait for it or pass another --data_dir"
            ) from None
        except OSError as error:  # some network file systems have no locks
            say(f"warning: {data_dir} cannot be locked ({error.strerror}); do not start another build there")
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tfds_kitti360.build", description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--manual_dir", type=pathlib.Path, help="KITTI-360 download: the folder with data_2d_raw, calibration, ..."
    )
    source.add_argument(
        "--video",
        type=pathlib.Path,
        action="append",
        default=[],
        help="your own video or a folder of its frames, instead of KITTI-360; may be given several times",
    )
    parser.add_argument("--data_dir", type=pathlib.Path, required=True, help="folder of the built data set")
    parser.add_argument(
        "--size", type=_size, help="HEIGHTxWIDTH of the stored images (192x640; for a video: as many pixels)"
    )
    parser.add_argument("--intrinsics", help="of the video: fx,fy,cx,cy in pixels, or a file with them")
    parser.add_argument("--fov", type=float, help="of the video: horizontal field of view in degrees (assumed: 70)")
    parser.add_argument("--fps", type=float, help="frames per second to take from the video (all)")
    parser.add_argument("--drives", type=_drives, default=(), help="drives to build, such as 0000,0002 (all)")
    parser.add_argument("--stereo", action="store_true", help="also store the right images")
    parser.add_argument(
        "--storage",
        choices=images.STORAGES,
        default="png",
        help="format of the images: png (default), jpeg (quality 95, lossy: a third of the size, twice as fast to "
        "read) or raw (fastest to read, largest); labels and depth are always lossless",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that read and encode (1)")
    parser.add_argument("--skip_damaged", action="store_true", help="leave damaged frames out and list them at the end")
    return parser


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9][0-9]{1,4})x([1-9][0-9]{1,4})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH, such as 192x640")
    return int(match[1]), int(match[2])


def _drives(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"[0-9]{1,4}(,[0-9]{1,4})*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of drive numbers, such as 0000,0002")
    return tuple(sorted({int(drive) for drive in text.split(",")}))


if __name__ == "__main__":
    sys.exit(main())
