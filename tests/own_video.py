"""Draws videos for tests: a camera that slides along a textured wall, as frames, a folder or a file."""

import pathlib

import cv2
import numpy as np

SIZE = (96, 160)  # height, width


def wall(seed: int = 0) -> np.ndarray:
    """uint8 [h 4w 3]: smooth random texture."""
    noise = np.random.default_rng(seed).normal(size=(SIZE[0], 8 * SIZE[1], 3)).astype(np.float32)
    texture = sum(cv2.GaussianBlur(noise, None, scale) * scale for scale in (1.5, 5.0, 12.0))
    return np.uint8(np.clip(127 + 45 * texture / texture.std(), 0, 255))


def frames(places, *, seed: int = 0, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """What the camera sees, uint8 [h w 3], from the given columns of the wall."""
    picture = wall(seed)
    return [np.ascontiguousarray(picture[: size[0], place : place + size[1]]) for place in places]


def folder(path: pathlib.Path, images: list[np.ndarray]) -> pathlib.Path:
    path.mkdir(parents=True)
    for number, image in enumerate(images):
        cv2.imwrite(str(path / f"frame{number}.png"), image[..., ::-1])
    return path


def film(path: pathlib.Path, images: list[np.ndarray], *, fps: float = 10.0) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), fps, images[0].shape[1::-1])
    for image in images:
        writer.write(image[..., ::-1])
    writer.release()
    return path


def rotated(path: pathlib.Path) -> pathlib.Path:
    """Marks an mp4 as taken with the camera turned by a quarter: the matrix in its track header."""
    data = bytearray(path.read_bytes())
    # tkhd: 4 bytes of type, 1 version, 3 flags, 5 x 4 times and ids, 8 reserved, 4 x 2 layer to volume, then the matrix
    start = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    data[start : start + 36] = b"".join(
        int(number).to_bytes(4, "big", signed=True) for number in (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    )
    path.write_bytes(data)
    return path
