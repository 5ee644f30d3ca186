"""Converts videos to a KITTI-360 download below the data set's folder: reads, selects, checks and writes frames."""

import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tfds_kitti360.errors import DatasetError
from tfds_kitti360.files import expand, read_bytes
from tfds_kitti360.images import write_photo
from tfds_kitti360.layout import Layout
from tfds_kitti360.progress import progress, say
from tfds_kitti360.resize import reduce_image, resize_intrinsics
from tfds_kitti360.video import check, motion, writer
from tfds_kitti360.video.frames import Source, find_sources
from tfds_kitti360.video.intrinsics import choose, lens
from tfds_kitti360.video.lens import undistorter

FOLDER = "video_frames"  # below the data_dir
CUT_GAP = 1000  # frame numbers left out at a cut, so that no clip crosses it with any stride
_PIXELS = 192 * 640  # of a stored picture, unless --size says otherwise
_SETTINGS, _EXAMPLE = "video.json", "example_warp.png"


class Request(NamedTuple):
    """The options of the command line for videos."""

    videos: tuple[pathlib.Path, ...]
    intrinsics: str | None = None
    fov: float | None = None
    fps: float | None = None


def write_download(
    request: Request, data_dir: pathlib.Path, *, size: tuple[int, int] | None
) -> tuple[pathlib.Path, tuple[int, int], str]:
    """Writes the videos below `data_dir` in the official layout, unless they exist already, and prints the check.

    Pictures are reduced to `size` (height, width; None: `network_size`) while they are read, because a minute of 4K
    video would otherwise take 20 GB.

    Returns:
      The root of the download, the size, and the source of the intrinsics: `given` or `guessed`.

    Raises:
      DatasetError: a video or its intrinsics cannot be used, or `data_dir` contains a data set of other videos.
    """
    sources = find_sources([expand(path) for path in request.videos], fps=request.fps)
    full = sources[0].size
    if other := [source for source in sources if source.size != full]:
        raise DatasetError(
            f"{other[0].path} is {other[0].size[0]}x{other[0].size[1]}, but {sources[0].path} is {full[0]}x{full[1]} "
            "(height x width); videos built together have to come from one camera at one size"
        )
    size = network_size(full) if size is None else tuple(size)
    if any(new > old for new, old in zip(size, full)):
        raise DatasetError(
            f"--size={size[0]}x{size[1]} is larger than the frames of {sources[0].path}, which are {full[0]}x{full[1]} "
            "(height x width); frames are never enlarged, choose that size or a smaller one"
        )
    root = data_dir / FOLDER
    settings = _settings(request, sources, size)
    try:
        there = _read_settings(root / _SETTINGS)
        if there is None or there["settings"] != settings:
            if any(data_dir.glob("kitti360/[0-9]*")):
                if there is None and (root / _SETTINGS).exists():
                    raise DatasetError(
                        f"{root / _SETTINGS} was edited or damaged: its checksum differs; restore it, or pass "
                        "another --data_dir"
                    )
                raise DatasetError(
                    f"{data_dir} holds a data set of other videos or settings; delete that folder or pass another "
                    "--data_dir"
                )
            there = _write(root, request, sources, settings, size)
    except OSError as error:
        raise DatasetError(f"{root} cannot be written ({error}); free space or pass another --data_dir") from None
    say("\n".join(there["report"]))
    return root, size, "guessed" if request.intrinsics is None and request.fov is None else "given"


def network_size(full: tuple[int, int]) -> tuple[int, int]:
    """Height, width in multiples of 32, about as many pixels as 192x640, with the nearest ratio of sides.

    Raises:
      DatasetError: the frames are too small.
    """
    height, width = full
    heights, widths = (range(64, side + 1, 32) for side in full)
    candidates = [(h, w) for h in heights for w in widths if h * w <= _PIXELS]
    if not candidates:
        raise DatasetError(f"the frames are {height}x{width} (height x width); the networks need at least 64x64")
    largest = max(h * w for h, w in candidates)
    nearly = [(h, w) for h, w in candidates if h * w >= 0.75 * largest]
    return min(nearly, key=lambda side: (abs(np.log(side[1] / side[0] * height / width)), -side[0] * side[1]))


def _settings(request: Request, sources: list[Source], size: tuple[int, int]) -> dict[str, Any]:
    """The settings that identify a conversion, as JSON values; moving or copying a video does not change them."""
    files = [[os.fsencode(source.path.name).hex(), source.count, source.bytes] for source in sources]
    intrinsics = choose(request.intrinsics, request.fov, size=sources[0].size)
    return {
        "videos": files,
        "size": list(size),
        "intrinsics": intrinsics.matrix.tolist(),
        "distortion": list(lens(request.intrinsics)),
        "fps": request.fps,
    }


def _read_settings(path: pathlib.Path) -> dict[str, Any] | None:
    try:
        found = json.loads(read_bytes(path))
        whole = found.get("checksum", _checksum(found)) == _checksum(found)
        return found if whole and found["settings"] and "\n".join(found["report"]) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _checksum(note: dict[str, Any]) -> str:
    content = json.dumps([note["settings"], note["report"]], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _write(
    root: pathlib.Path, request: Request, sources: list[Source], settings: dict[str, Any], size: tuple[int, int]
) -> dict[str, Any]:
    """Writes under a temporary name, which is renamed to `root` at the end."""
    partial = root.with_name(f"incomplete.{root.name}")
    for rest in (root, partial):
        shutil.rmtree(rest, ignore_errors=True)
    full, layout = sources[0].size, Layout(partial)
    intrinsics = choose(request.intrinsics, request.fov, size=full)
    matrix, straighten = undistorter(intrinsics.matrix, lens(request.intrinsics), size=full)
    stored = resize_intrinsics(matrix, old=full, new=size)
    writer.write_calibration(layout, stored, size=size)
    watched, example = [], None
    for drive, source in enumerate(sources):
        video, pairs = _write_drive(layout, drive, source, size, straighten)
        watched.append(video)
        if pairs and example is None:
            pair = pairs[int(np.argsort([moved.share for moved in video.motions])[len(pairs) // 2])]
            example = [writer.read_frame(layout, drive, frame, size=size) for frame in pair]
    report = check.report(watched, intrinsics, size=size)
    report += [f"warning: {sentence}" for source in sources for sentence in source.remarks]
    if example is not None:
        picture, sentence = check.example_warp(*example, stored)
        (partial / _EXAMPLE).write_bytes(write_photo(picture))
        report += [sentence, f"look at {root / _EXAMPLE}: below, the right half should be darker than the left one"]
    written = {"settings": settings, "report": report}
    written["checksum"] = _checksum(written)
    (partial / _SETTINGS).write_text(json.dumps(written, indent=1), encoding="utf-8")
    partial.rename(root)
    return written


def _write_drive(
    layout: Layout, drive: int, source: Source, size: tuple[int, int], straighten: Callable[[np.ndarray], np.ndarray]
) -> tuple[check.Watched, list[tuple[int, int]]]:
    """Writes the frames of a video in which something moved; returns measurements, and pairs of neighbours."""
    before, number, frames, still, cuts = None, -1, 0, 0, 0
    motions, pairs, origins = [], [], {}
    reading = {"total": source.count or None, "unit": " frames", "desc": f"reading {source.path.name}"}
    with progress(source.read(), **reading) as bar:
        for origin, image in bar:
            frames += 1
            image = straighten(image)
            grey = motion.small(image)
            if before is not None:
                moved = motion.measure(before, grey)
                if moved.still:
                    still += 1
                    continue
                if moved.cut:
                    cuts += 1
                    number += CUT_GAP
                else:
                    motions.append(moved)
                    pairs.append((number, number + 1))
            number, before = number + 1, grey
            origins[number] = origin
            writer.write_frame(layout, drive, number, reduce_image(image, size))
    if len(origins) < 3:
        raise DatasetError(
            f"{source.path} has {frames} frames, of which {len(origins)} show motion; at least three are needed, and "
            "thousands to learn depth"
        )
    writer.write_origins(layout, drive, origins)
    promised = source.count
    return check.Watched(source.path.name, source.size, source.fps, promised, frames, still, cuts, motions), pairs
