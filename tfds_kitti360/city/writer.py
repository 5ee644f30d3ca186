"""Files of a drive in the official layout, each written under a temporary name and then renamed."""

import io
import json
import os
import pathlib
import threading

import cv2
import numpy as np

from tfds_kitti360.city.calibration import Rig, calibration_files
from tfds_kitti360.city.drive import Drive, Frame
from tfds_kitti360.layout import Layout, drive_name

_FRAME_PERIOD = 0.1  # seconds
_UNLABELLED_EVERY = 8  # every eighth frame has no labels, as about a quarter of the real ones
_START = 8 * 3600 + 46 * 60


def write_bytes(path: pathlib.Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def write_text(path: pathlib.Path, content: str) -> None:
    write_bytes(path, content.encode())


def truth_folder(root: pathlib.Path, drive: int) -> pathlib.Path:
    """Where the exact depth, motion and moving masks of a drive lie."""
    return root / "data_truth" / drive_name(drive)


def first_frame(drive: int) -> int:
    """Number of a drive's first frame; like the real drive 0002, ours does not start at zero."""
    return 4391 if drive == 2 else 0


def labelled(ride: Drive) -> set[int]:
    """Positions of the frames that have labels: those with a pose, but for every eighth."""
    return {number for number in ride.rows_with_pose() if number % _UNLABELLED_EVERY != 5}


def write_calibration(root: pathlib.Path, rig: Rig, *, traps: bool = False) -> None:
    for name, text in calibration_files(rig, traps=traps).items():
        write_text(root / "calibration" / name, text)


def write_motion(root: pathlib.Path, drive: int, ride: Drive, *, stereo: bool, scans: bool = True) -> None:
    """poses.txt, cam0_to_world.txt (both without slow frames), timestamps.txt, and the true motion of every frame."""
    layout, first = Layout(root), first_frame(drive)
    times = np.arange(ride.frames, dtype=np.float64)
    imu, camera = ride.world_from_imu(times), ride.world_from_cam0(times)
    rows = ride.rows_with_pose()
    write_text(layout.poses(drive), "".join(_row(first + i, imu[i, :3]) for i in rows))
    write_text(layout.cam0_to_world(drive), "".join(_row(first + i, camera[i]) for i in rows))
    write_text(
        truth_folder(root, drive) / "cam0_to_world.txt", "".join(_row(first + i, camera[i]) for i in range(ride.frames))
    )
    stamps = "".join(_timestamp(first + i) for i in range(ride.frames))
    for number in range(2 if stereo else 1):
        write_text(layout.images(drive, camera=number).parent / "timestamps.txt", stamps)
    if scans:
        write_text(layout.scans(drive).parent / "timestamps.txt", stamps)


def write_frame(
    root: pathlib.Path, drive: int, frame: Frame, *, picture: bool = True, labels: bool, truth: bool = True
) -> None:
    """All files of one frame; images, labels, and exact depth with moving mask only where they are wanted."""
    layout, name = Layout(root), f"{first_frame(drive) + frame.number:010d}"
    for number, seen in enumerate((frame.left, frame.right)):
        if seen is None:
            continue
        if picture:
            write_bytes(layout.images(drive, camera=number) / f"{name}.png", _png(seen.image[..., ::-1], 2))
        if labels:
            maps = {
                "semantic": (seen.value // 1000).astype(np.uint8),
                "instance": seen.value,
                "confidence": confidence(seen.value, seen.depth),
            }
            for kind, values in maps.items():
                write_bytes(layout.labels(drive, kind, camera=number) / f"{name}.png", _png(values, 3))
    if frame.scan is not None:
        write_bytes(layout.scans(drive) / f"{name}.bin", frame.scan.astype("<f4").tobytes())
    if truth:
        folder, buffer = truth_folder(root, drive), io.BytesIO()
        np.save(buffer, frame.left.depth)
        write_bytes(folder / "depth" / f"{name}.npy", buffer.getvalue())
        write_bytes(folder / "moving" / f"{name}.png", _png(frame.moving.astype(np.uint8) * 255, 2))


def confidence(value: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """uint16 confidence of labels: less within three pixels of a border and far away."""
    borders = np.zeros(value.shape, np.float32)
    borders[:, 1:] += value[:, 1:] != value[:, :-1]
    borders[1:] += value[1:] != value[:-1]
    density = cv2.boxFilter(np.minimum(borders, 1.0), -1, (5, 5))
    share = np.clip(1.0 - 2.0 * density, 0.3, 1.0) * (1.0 - 0.25 * np.clip(depth / 100.0, 0.0, 1.0))
    return np.round(65535.0 * share).astype(np.uint16)


def write_lists(root: pathlib.Path, frames: dict[str, list[tuple[int, list[int]]]]) -> None:
    """The lists of labelled frames; `frames` maps train and val to (drive, positions)."""
    layout = Layout(root)
    for split, drives in frames.items():
        lines = []
        for drive, numbers in drives:
            images, semantic = (
                layout.images(drive).relative_to(root),
                layout.labels(drive, "semantic").relative_to(root),
            )
            names = [f"{first_frame(drive) + number:010d}.png" for number in numbers]
            lines += [f"{(images / name).as_posix()} {(semantic / name).as_posix()}\n" for name in names]
        write_text(layout.frame_list(split), "".join(lines))


def write_json(path: pathlib.Path, content) -> None:
    write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def _row(frame: int, matrix: np.ndarray) -> str:
    return f"{frame} " + " ".join(f"{v:.9f}" for v in np.ravel(matrix)) + "\n"


def _timestamp(frame: int) -> str:
    seconds = _START + frame * _FRAME_PERIOD
    hours, rest = divmod(seconds, 3600.0)
    return f"2013-05-28 {int(hours):02d}:{int(rest // 60):02d}:{rest % 60:012.9f}\n"


def _png(values: np.ndarray, level: int) -> bytes:
    done, content = cv2.imencode(".png", values, [cv2.IMWRITE_PNG_COMPRESSION, level])
    if not done:
        raise RuntimeError(f"PNG encoding of {values.shape} {values.dtype} failed")
    return content.tobytes()
