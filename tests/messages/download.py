"""Mistakes in the files of a download of KITTI-360, and in drawing a synthetic city."""

import os
import shutil
import types
from concurrent.futures.process import BrokenProcessPool

import cv2
import kitti360_tree as trees
import numpy as np
from messages.dataset import build_tree
from messages.rows import Row, city, row, written

from tfds_kitti360 import frames, images, layout, parallel, survey, velodyne
from tfds_kitti360.city.plan import parse_size

POSE = "7 1 0 0 0 0 1 0 0 0 0 1 0\n"


def calibrated(old, new, name="perspective"):
    """Reading a calibration in which some words were changed."""

    def provoke(at):
        tree = layout.Layout(at)
        trees.write_calibration(tree)
        path = getattr(tree, name)
        path.write_text(path.read_text().replace(old, new))
        layout.Calibration.load(at)

    return provoke


def posed(text):
    return lambda at: layout.read_poses(written(at / "poses.txt", text))


def png(content, *, size=(40, 120)):
    """Reading a label image; an array is written as a PNG."""

    def provoke(at):
        encoded = content if isinstance(content, bytes) else cv2.imencode(".png", content)[1].tobytes()
        images.read_png(written(at / "42.png", encoded), size=size)

    return provoke


def flipped(image):
    encoded = bytearray(cv2.imencode(".png", image)[1].tobytes())
    encoded[len(encoded) // 2] ^= 1
    return bytes(encoded)


def unreadable_pixels(at, patch):
    patch.setattr(cv2, "imdecode", lambda *_: None)
    png(GREY)(at)


def classes(semantic, instance):
    def provoke(at):
        frame = types.SimpleNamespace(semantic=at / "7_semantic.png", instance=at / "7_instance.png")
        frames._check_classes(frame, np.full((2, 2), semantic), np.full((2, 2), instance))

    return provoke


def closed_folder(at, patch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    patch.setattr(os, "listdir", refuse)
    survey.find_drives(layout.Layout(at))


def worker_killed(at, patch):
    class Pool:
        def __init__(self, *_, **__): ...
        def submit(self, *_):
            raise BrokenProcessPool

        def shutdown(self, **_): ...

    patch.setattr(parallel.concurrent.futures, "ProcessPoolExecutor", Pool)
    list(parallel.ordered_map(abs, [1], workers=2, initializer=print))


def too_large(at):
    os.truncate(written(at / "poses.txt"), 1 << 40)  # sparse: it takes no room
    layout.read_poses(at / "poses.txt")


def city_in(name):
    def provoke(at):
        written(at / name)
        return city("--drives=1", "--frames=3")(at)

    return provoke


def city_on_full_disk(at, patch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    patch.setattr("tfds_kitti360.city.make.make_city", fail)
    return city("--drives=1", "--frames=3")(at)


GREY = trees.label_images(1)["semantic"]


BOTH = [(3, 1)]


ROWS: list[Row] = [
    # what the download lacks
    row("tfds_kitti360.survey.find_drives", "no images",
        build_tree(lambda tree: shutil.rmtree(tree.root / "data_2d_raw")),
        "no drive found below {at}/raw", "data_2d_raw"),
    row("tfds_kitti360.plan.make_plan: drive", "a drive that is not there", build_tree(lambda tree: None, "--drives=5"),
        "drive 0005 has no images below {at}/raw", "0003"),
    row("tfds_kitti360.plan.make_plan: --size", "more than the images have",
        build_tree(lambda tree: None, "--size=64x96"), "--size=64x96 is larger", "{at}/raw", "40x120"),
    row("tfds_kitti360.plan.check_clips", "frames too few for a clip",
        build_tree(lambda tree: None, drives={3: [1, 2]}),
        "no drive below {at}/raw has a usable clip among its 2 frames"),
    row("tfds_kitti360.survey.read_lists: {} and", "a frame in both official lists",
        build_tree(lambda tree: None, lists={"train": BOTH, "val": BOTH}), "both list frame 1 of drive 0003"),
    row("tfds_kitti360.survey._names", "a folder that may not be read", closed_folder, "cannot be listed", "{at}"),
    row("tfds_kitti360.parallel.ordered_map", "a worker killed for memory", worker_killed, "fewer --workers"),
    # calibration, poses, lists
    row("tfds_kitti360.text.lines: {} is missing", "no calibration", lambda at: layout.Calibration.load(at),
        "{at}/calibration/perspective.txt is missing", "unpack"),
    row("tfds_kitti360.text.lines: {} is far", "a text that fills the disk",
        too_large, "{at}/poses.txt is far too large"),
    row("tfds_kitti360.text.lines: {} is not a text", "a text that is none", posed(b"\xff\xfe"),
        "{at}/poses.txt is not a text file"),
    row("tfds_kitti360.text.numbers", "a line of the calibration lost", calibrated("S_rect_01", "S_rect_02"),
        "perspective.txt has no line S_rect_01:", "unpack"),
    row("tfds_kitti360.text.floats: {} does not", "numbers lost", calibrated("S_rect_00: ", "S_rect_00: 1 "),
        "perspective.txt: S_rect_00 does not have the expected 2 numbers"),
    row("tfds_kitti360.text.floats: {} holds a word", "a word that is not a number",
        calibrated("S_rect_00: ", "S_rect_00: x"), "perspective.txt: S_rect_00 holds a word that is not a number"),
    row("tfds_kitti360.text.floats: {} holds NaN", "no number", posed(POSE.replace("7 1", "7 nan")),
        "{at}/poses.txt line 1 holds NaN"),
    row("tfds_kitti360.text.check_rigid", "a pose that shears", posed(POSE.replace("7 1 0", "7 1 1")),
        "{at}/poses.txt line 1 is not a rotation", "--skip_damaged"),
    row("tfds_kitti360.layout.Calibration.load: {}: P_rect is not", "no pinhole", calibrated("P_rect_00: 60 ",
        "P_rect_00: 0 "),
        "perspective.txt: P_rect is not the projection"),
    row("tfds_kitti360.layout.Calibration.load: {}: S_rect", "sizes that differ",
        calibrated("S_rect_00: 120", "S_rect_00: 121"), "perspective.txt: S_rect is not one whole width and height"),
    row("tfds_kitti360.layout.read_poses: {} does not", "a pose of no frame", posed("x" + POSE),
        "{at}/poses.txt line 1 does not start with a frame number"),
    row("tfds_kitti360.layout.read_poses: {} is cut short", "a pose that lost its end", posed(POSE + POSE[:-3]),
        "{at}/poses.txt line 2 is cut short", "unpack"),
    row("tfds_kitti360.layout.read_poses: {} has", "half a pose", posed("7 1 0 0\n"),
        "{at}/poses.txt line 1 has 3 numbers after the frame"),
    row("tfds_kitti360.layout.read_poses: {} gives", "two poses of a frame", posed(POSE + POSE.replace("0\n", "5\n")),
        "{at}/poses.txt line 2 gives frame 7 a second pose"),
    row("tfds_kitti360.layout.read_list", "a list that leaves the root",
        lambda at: layout.read_list(written(at / "list.txt", "../x.png x.png\n")), "{at}/list.txt line 1"),
    # images and scans
    row("tfds_kitti360.images.read_png: {} cannot be read", "no image",
        lambda at: images.read_png(at / "42.png", size=(1, 1)), "{at}/42.png cannot be read", "--skip_damaged"),
    row("tfds_kitti360.images.read_png: {} is not a PNG", "a page instead of an image", png(b"<html>404</html>"),
        "{at}/42.png is not a PNG image", "--skip_damaged"),
    row("tfds_kitti360.images.read_png: {} is {}x{}", "an image of another size", png(GREY[:-1]),
        "{at}/42.png is 39x120", "40x120"),
    row("tfds_kitti360.images.read_png: {} is a {}-bit", "an image of another depth", png(GREY.astype(np.uint16)),
        "{at}/42.png is a 16-bit grey image where 8-bit grey belongs"),
    row("tfds_kitti360.images.read_png: {} is larger", "a bomb",
        png(cv2.imencode(".png", GREY)[1].tobytes() + bytes(4 << 20)), "{at}/42.png is larger than any image"),
    row("tfds_kitti360.images.read_png: {} cannot be decoded", "an image of no pixels", unreadable_pixels,
        "{at}/42.png cannot be decoded", "--skip_damaged"),
    row("tfds_kitti360.images._check_chunks: {} is damaged", "a flipped bit", png(flipped(GREY)),
        "{at}/42.png is damaged", "checksum"),
    row("tfds_kitti360.images._check_chunks: {} is truncated", "half an image",
        png(cv2.imencode(".png", GREY)[1].tobytes()[:-12]), "{at}/42.png is truncated"),
    row("tfds_kitti360.frames._check_classes: {} holds", "a label that does not exist", classes(200, 7000),
        "{at}/7_semantic.png holds label ids", "200"),
    row("tfds_kitti360.frames._check_classes: {} names", "images that contradict each other", classes(7, 8000),
        "{at}/7_instance.png names another class than {at}/7_semantic.png at 100%"),
    row("tfds_kitti360.velodyne.read_scan: {} cannot", "no scan", lambda at: velodyne.read_scan(at / "7.bin"),
        "{at}/7.bin cannot be read", "--skip_damaged"),
    row("tfds_kitti360.velodyne.read_scan: {} has", "half a scan",
        lambda at: velodyne.read_scan(written(at / "7.bin", bytes(17))), "{at}/7.bin has 17 bytes", "16-byte points"),
    row("tfds_kitti360.velodyne.read_scan: {} holds", "a scan of zeros",
        lambda at: velodyne.read_scan(written(at / "7.bin", bytes(32))), "{at}/7.bin holds nothing but zeros"),
    # the synthetic city
    row("tfds_kitti360.city.plan.parse_size: --size={} is not", "a size of one side", lambda at: parse_size("376"),
        "--size=376 is not of the form HEIGHTxWIDTH"),
    row("tfds_kitti360.city.plan.parse_size: --size={} has", "a size too small", lambda at: parse_size("1x1"),
        "--size=1x1 has a side outside 32 to 4096"),
    row("tfds_kitti360.city.plan.check: --drives", "more streets than the city has", city("--drives=99"),
        "--drives=99", "1 to 9"),
    row("tfds_kitti360.city.plan.check: --frames", "frames too few for a clip", city("--frames=2"), "--frames=2", "3"),
    row("tfds_kitti360.city.plan.check: --focal", "a focal length in pixels", city("--focal=552"), "--focal=552",
        "share of the image's width"),
    row("tfds_kitti360.city.plan.check: --seed", "a seed below 0", city("--seed=-1"), "--seed=-1", "0 or larger"),
    row("tfds_kitti360.city.plan.check_folder: {} holds", "a folder of another city", city_in("city/city.json"),
        "{at}/city holds a city with other settings", "city.json"),
    row("tfds_kitti360.city.plan.check_folder: {} is not empty", "a folder of something else", city_in("city/mine.txt"),
        "{at}/city is not empty", "choose another folder"),
    row("tfds_kitti360.city.plan.check_folder: {} is a file", "a file instead of a folder", city_in("city"),
        "{at}/city is a file", "--out"),
    row("tfds_kitti360.city.__main__._draw", "a full disk", city_on_full_disk,
        "{at}/city cannot be written", "No space", "free space"),
]  # fmt: skip
