"""Benchmark submissions: predictions for the test drives of KITTI-360, in the format of its server.

    semantic/0008_0000000002.png        label id of every pixel
    instance/0008_0000000002.txt        one line per instance: mask file, label id, confidence
    instance/0008_0000000002_001.png    its mask: 255 inside, 0 outside

The server expects the files of a task in the root of an archive: pack the content of `semantic` or `instance`.
"""

import itertools
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Integer, UInt8

from mtl_depth.data import footage
from mtl_depth.errors import UserError
from mtl_depth.image import resize_nearest
from mtl_depth.media import image_files
from mtl_depth.prediction.predictor import to_float
from mtl_depth.runtime import log
from mtl_depth.tasks.classes import ID_FROM_TRAIN_ID, classes_at

_DRIVE = re.compile(r"_drive_(\d{4})_sync$")


def write(
    root: pathlib.Path, output: pathlib.Path, perceive: Callable[[Any], Mapping[str, Any]], *, batch_size: int = 1
) -> int:
    """Predicts every test picture below `root` at its own size and writes the files; returns the number of pictures.

    Args:
        root: a KITTI-360 download with data_2d_test.
        output: folder in which `semantic`, `instance`, or both are created.
        perceive: images [b h w 3] in [0, 1] -> predictions (`labels`, `instances` with `scores`).
        batch_size: pictures at a time; those of one batch have one size.

    Raises:
        UserError: there are no test pictures, or the network predicts neither labels nor instances with scores.
    """
    found = list(test_pictures(root))
    if not found:
        raise UserError(f"{root} holds no data_2d_test/<drive>/image_00/data_rect/*.png: unpack the test images there.")
    with log.progress(total=len(found), desc="submission", unit="picture") as bar:
        for start in range(0, len(found), batch_size):
            part = found[start : start + batch_size]
            images = np.stack([image_files.read(path) for _, path in part])
            answers = {name: np.asarray(value) for name, value in perceive(to_float(images)).items()
                       if name in ("semantic", "labels", "instances", "scores")}  # fmt: skip
            if not answers.keys() & {"labels", "instances"}:
                raise UserError(
                    "This network predicts depth only; a submission needs semantics or instances (--format=kitti360)."
                )
            if "instances" in answers and "scores" not in answers:
                raise UserError(
                    "The instances of this network are the report's value map, which has no scores; a submission needs "
                    "a run with config.tasks.instance.head=panoptic."
                )
            for row, (stem, _) in enumerate(part):
                if "labels" in answers:
                    write_semantic(output / "semantic" / f"{stem}.png", label_ids(answers, row, images.shape[1:3]))
                if "instances" in answers:
                    values = resize_nearest(answers["instances"][row], size=images.shape[1:3])
                    write_instances(output / "instance", stem, values, answers["scores"][row])
            bar.update(len(part))
    return len(found)


def test_pictures(root: pathlib.Path) -> Iterator[tuple[str, pathlib.Path]]:
    """(`0008_0000000002`, file) of every test picture, drive by drive, frame by frame."""
    for drive in sorted((root / "data_2d_test").glob("*")):
        if match := _DRIVE.search(drive.name):
            folder = drive / "image_00" / "data_rect"
            files, unread = footage.list_folder(folder, (".png", ".jpg", ".jpeg")) if folder.is_dir() else ([], {})
            others = [path.name for path in files if not path.stem.isdecimal()]
            if unread or others:
                unread |= {"not named by a number": others} if others else {}
                log.say(f"warning: {footage.remark(folder, unread)}.")
            yield from ((f"{match[1]}_{int(path.stem):010d}", path) for path in files if path.stem.isdecimal())


def label_ids(answers: Mapping[str, Any], row: int, size: tuple[int, int]) -> UInt8[np.ndarray, "h w"]:
    """Label ids of a picture at `size`: classes of interpolated logits where there are any, else the nearest label."""
    if "semantic" in answers:
        picture = {"semantic": jnp.asarray(answers["semantic"][row : row + 1])}
        return ID_FROM_TRAIN_ID[np.asarray(classes_at(picture, size=size))[0]]
    return resize_nearest(answers["labels"][row], size=size).astype(np.uint8)


def write_semantic(path: pathlib.Path, labels: UInt8[np.ndarray, "h w"]) -> None:
    """Writes one picture's label ids."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image_files.write_values(path, labels)


def write_instances(folder: pathlib.Path, stem: str, values: Integer[np.ndarray, "h w"], scores: np.ndarray) -> None:
    """Writes the list and the masks of one picture's raw values; instance number n has `scores[n - 1]`."""
    lines = []
    for number, value in zip(itertools.count(1), (v for v in np.unique(values) if v > 0)):
        name = f"{stem}_{number:03d}.png"
        write_semantic(folder / name, np.where(values == value, 255, 0).astype(np.uint8))
        lines.append(f"{name} {value // 1000} {scores[value % 1000 - 1]:.6f}\n")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.txt").write_text("".join(lines), encoding="utf-8")
