"""Writes a tiny KITTI-360 download: official layout and formats, 40x120 images, half a metre a frame."""

import pathlib
from collections.abc import Iterable, Mapping

import cv2
import numpy as np

from tfds_kitti360.layout import Layout, drive_name

HEIGHT, WIDTH = SIZE = (40, 120)
FOCAL, CX, CY, BASELINE = 60.0, 58.3, 24.1, 0.6
RECTIFICATION = cv2.Rodrigues(np.array([0.003, 0.0, 0.007]))[0]
# z forward, x right, y down  ->  x forward, y left, z up
AXES = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def matrix(rotation: np.ndarray, translation: Iterable[float]) -> np.ndarray:
    return np.vstack([np.column_stack([rotation, list(translation)]), [0, 0, 0, 1]])


CAM_TO_VELO = matrix(AXES @ cv2.Rodrigues(np.array([0.02, -0.01, 0.03]))[0], [0.8, 0.3, -0.2])
CAM_TO_POSE = matrix(AXES[:, [2, 0, 1]] @ np.eye(3)[[1, 2, 0]], [1.6, 0.0, -0.65])
EVERYTHING = ("semantic", "instance", "confidence", "scan", "poses", "cam0_to_world", "right", "timestamps")


def write_tree(
    root: pathlib.Path,
    drives: Mapping[int, Iterable[int]],
    *,
    has: Iterable[str] = EVERYTHING,
    lists: Mapping[str, Iterable[tuple[int, int]]] | None = None,
) -> Layout:
    """Writes the drives' frames with what `has` names, and the official lists if given."""
    layout, has = Layout(root), set(has)
    write_calibration(layout)
    for drive, frames in drives.items():
        frames = list(frames)
        for frame in frames:
            write_frame(layout, drive, frame, has)
        rows = range(max(min(frames) - 1, 0), max(frames) + 2)
        if "cam0_to_world" in has:
            save(layout.cam0_to_world(drive), "".join(row(frame, camera_pose(frame)) for frame in rows))
        if "poses" in has:
            camera_from_pose = matrix(RECTIFICATION, [0, 0, 0]) @ np.linalg.inv(CAM_TO_POSE)
            save(
                layout.poses(drive), "".join(row(frame, (camera_pose(frame) @ camera_from_pose)[:3]) for frame in rows)
            )
        if "timestamps" in has:
            save(layout.images(drive).parent / "timestamps.txt", "2013-05-28 10:00:00.0\n" * len(frames))
    for split, pairs in (lists or {}).items():
        save(layout.frame_list(split), "".join(list_line(drive, frame) for drive, frame in pairs))
    return layout


def write_frame(layout: Layout, drive: int, frame: int, has: Iterable[str]) -> None:
    name = f"{frame:010d}"
    save_png(layout.images(drive) / f"{name}.png", picture(frame))
    if "right" in has:
        save_png(layout.images(drive, camera=1) / f"{name}.png", picture(frame + 1000))
    for kind, values in label_images(frame).items():
        if kind in has:
            save_png(layout.labels(drive, kind) / f"{name}.png", values)
    if "scan" in has:
        save(layout.scans(drive) / f"{name}.bin", scan(frame).tobytes())


def write_calibration(layout: Layout) -> None:
    text = "calib_time: 17-Feb-2016 14:23:48\ncorner_dist: 0.100000\n"
    for camera, offset in (("00", 0.0), ("01", -FOCAL * BASELINE)):
        projection = [FOCAL, 0, CX, offset, 0, FOCAL, CY, 0, 0, 0, 1, 0]
        text += f"S_rect_{camera}: {WIDTH:.6f} {HEIGHT:.6f}\nR_rect_{camera}: {numbers(RECTIFICATION)}\n"
        text += f"P_rect_{camera}: {numbers(projection)}\n"
    save(layout.perspective, text)
    lines = [f"image_0{camera}: {numbers(CAM_TO_POSE[:3])} \n" for camera in range(4)]
    save(layout.cam_to_pose, "".join(lines))
    save(layout.cam_to_velo, numbers(CAM_TO_VELO[:3]) + "\n")


def camera_pose(frame: int) -> np.ndarray:
    """cam0_to_world: kilometres from the origin, half a metre a frame, turning a little."""
    turn = cv2.Rodrigues(np.array([0.0, 0.0, 0.01 * (frame % 50)]))[0]
    return matrix(turn @ AXES, [1500 + 0.5 * (frame % 1000), -2300 + 0.01 * frame, 117])


def picture(frame: int) -> np.ndarray:
    """uint8 [h w 3], red first, smooth and different for each frame."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    waves = [np.sin(rows / 9 + phase) * np.cos(columns / 13 + frame / 3 + phase) for phase in (0, 1, 2)]
    return np.uint8(127 + 100 * np.stack(waves, axis=-1))


def label_images(frame: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(frame)
    semantic = cv2.resize(random.integers(7, 34, (8, 24), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    instance = semantic.astype(np.uint16) * 1000 + random.integers(0, 3, SIZE, np.uint16)
    return {"semantic": semantic, "instance": instance, "confidence": random.integers(0, 65536, SIZE, np.uint16)}


def scan(frame: int) -> np.ndarray:
    random = np.random.default_rng(frame)
    points = np.concatenate([random.uniform([-20, -15, -2], [40, 15, 3], (400, 3)), random.random((400, 1))], axis=1)
    return points.astype("<f4")


def list_line(drive: int, frame: int) -> str:
    name = f"{drive_name(drive)}/image_00"
    return f"data_2d_raw/{name}/data_rect/{frame:010d}.png data_2d_semantics/train/{name}/semantic/{frame:010d}.png\n"


def row(frame: int, values: np.ndarray) -> str:
    return f"{frame} {numbers(values)} \n"


def numbers(values) -> str:
    return " ".join(f"{value:.12g}" for value in np.ravel(values))


def save(path: pathlib.Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def save_png(path: pathlib.Path, image: np.ndarray) -> None:
    save(path, cv2.imencode(".png", image[..., ::-1] if image.ndim == 3 else image)[1].tobytes())
