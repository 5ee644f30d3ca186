"""Mistakes in what people bring: pictures, films, cameras, folders, and files that cannot be read."""

import io
import json
import os

import cv2
import kitti360_tree as trees
import numpy as np
import own_video
import PIL.Image
from messages.dataset import batches_of, build_again, build_tree, built_at
from messages.download import calibrated
from messages.rows import Row, build, row, written

from mtl_depth.config import Data
from mtl_depth.data import batches, footage, intrinsics, open_dataset, records
from tfds_kitti360 import files, films, layout, pictures
from tfds_kitti360.build import build as build_dataset
from tfds_kitti360.video import intrinsics as cameras

SIZE = own_video.SIZE
PICTURE = PIL.Image.fromarray(trees.picture(1))
CAMERA = {"fl_x": 120, "fl_y": 120, "cx": 80, "cy": 48}


def refused(*_, **__):
    raise PermissionError(13, "Permission denied")


def encoded(kind, **options):
    file = io.BytesIO()
    PICTURE.save(file, format=kind, **options)
    return file.getvalue()


def picture(content, name="a.png"):
    return lambda at: pictures.read_picture(written(at / name, content))


def camera(content):
    """Reading a camera in a file."""
    text = content if isinstance(content, str) else json.dumps(content)
    return lambda at: cameras.choose(str(written(at / "camera.txt", text)), None, size=SIZE)


def lens(at):
    intrinsics.read(str(written(at / "camera.txt", json.dumps(CAMERA | {"k1": 0.1}))), size=SIZE)


def large_picture(at, patch):
    patch.setattr(pictures, "_MOST_BYTES", 10)
    picture(encoded("PNG"))(at)


def many_pixels(at, patch):
    patch.setattr(pictures, "MOST_PIXELS", 10)
    picture(encoded("PNG"))(at)


def two_cameras(at):
    own_video.folder(at / "frames", own_video.frames(range(0, 16, 4)))
    for n in range(4):
        (at / "frames" / f"frame{n}.png").rename(at / "frames" / f"{n // 2}_{'lr'[n % 2]}.png")
    return build("--video={at}/frames")(at)


def edited_note(at):
    own_video.folder(at / "frames", own_video.frames(range(0, 16, 4)))
    command = build("--video={at}/frames", "--size=64x96")
    assert command(at) == 0
    note = at / "built/video_frames/video.json"
    note.write_text(note.read_text().replace('"size": [', '"size": [ 1,'))
    return command(at)


def closed(function):
    def provoke(at, patch):
        patch.setattr(os, "open", refused)
        function(at)

    return provoke


def closed_folder(at, patch):
    patch.setattr(os, "scandir", refused)
    files.list_folder(at, (".png",))


def hidden_folder(at, patch):
    patch.setattr("pathlib.Path.lstat", refused)
    files.present(at / "poses.txt")


def closed_set(at, patch):
    patch.setattr("pathlib.Path.is_dir", refused)
    open_dataset(Data(data_dir=str(at)))


def killed_workers(at, patch):
    def killed(*_):
        raise RuntimeError("Worker process was terminated unexpectedly with exit code -9. Search the logs above.")
        yield

    patch.setattr(batches, "_reader", killed)
    batches_of()(at)


def no_shared_memory(at, patch):
    def killed(*_):
        raise RuntimeError(f"terminated unexpectedly with exit code {-7}.")
        yield

    patch.setattr(batches, "_reader", killed)
    batches_of()(at)


def closed_shard(at, patch):
    patch.setattr("builtins.open", refused)
    records._check_readable(str(at / "kitti360-drive_0003.array_record"))


def label(kind, value, dtype):
    return build_tree(lambda tree: trees.save_png(tree.labels(3, kind) / "0000000001.png",
                                                  np.full(trees.SIZE, value, dtype)))  # fmt: skip


def jpeg_of_another_size(at):
    def spoil(tree):
        path = tree.images(3) / "0000000001.png"
        path.unlink()
        trees.save(path.with_suffix(".jpg"), cv2.imencode(".jpg", np.zeros((40, 100, 3), np.uint8))[1].tobytes())

    return build_tree(spoil)(at)


def stereo(offset, focal=trees.FOCAL):
    start = f"P_rect_01: {trees.FOCAL:.12g} 0 {trees.CX:.12g} {-trees.FOCAL * trees.BASELINE:.12g}"

    def spoil(tree):
        text = tree.perspective.read_text()
        tree.perspective.write_text(text.replace(start, f"P_rect_01: {focal:.12g} 0 {trees.CX:.12g} {offset:.12g}"))

    return build_tree(spoil, "--stereo")


def scan(at):
    points = (trees.scan(1) * np.float32(1000)).tobytes()
    return build_tree(lambda tree: trees.save(tree.scans(3) / "0000000001.bin", points))(at)


_CAMERAS = "tfds_kitti360.video.camera_files"
ROWS: list[Row] = [
    row("data.footage._user_errors", "a picture that is none", lambda at: footage.read_picture(
        written(at / "a.png", "x")), "{at}/a.png cannot be read as a picture"),
    row("tfds_kitti360.pictures._bytes_of: {} cannot", "a picture that is not there",
        lambda at: pictures.read_picture(at / "a.png"), "{at}/a.png cannot be read (No such file", "remove it"),
    row("tfds_kitti360.pictures._bytes_of: {} is larger", "a picture that fills memory", large_picture,
        "{at}/a.png is larger than any picture"),
    row("tfds_kitti360.pictures._decoded: {} cannot", "AVIF under another name", picture(encoded("AVIF")),
        "{at}/a.png cannot be read as a picture (its content is AVIF)", "save it again"),
    row("tfds_kitti360.pictures._decoded: {} holds", "an animation", picture(
        encoded("PNG", save_all=True, append_images=[PICTURE.rotate(9)])), "{at}/a.png holds 2 pictures in one file"),
    row("tfds_kitti360.pictures._tiff", "pages of 16 bits", picture(cv2.imencodemulti(
        ".tif", [np.zeros((4, 4), np.uint16)] * 2)[1].tobytes()), "{at}/a.png holds several pictures in one file"),
    row("tfds_kitti360.pictures._check_size", "a picture that lies about its size", many_pixels,
        "{at}/a.png claims to be 40x120"),
    row("tfds_kitti360.films._opened: {} cannot be read ({})", "a film that is a folder",
        lambda at: films.open_film(at),
        "{at} cannot be read (it is not a file)"),
    row("tfds_kitti360.files.expand", "a home that nobody has", lambda at: files.expand("~nobody-has-this/x"),
        "~nobody-has-this/x starts with ~", "write the whole path"),
    row("tfds_kitti360.files.list_folder", "a folder of frames that may not be read", closed_folder,
        "{at} cannot be listed (Permission denied)"),
    row("tfds_kitti360.files.present", "a folder of poses that may not be read", hidden_folder,
        "{at}/poses.txt cannot be read (Permission denied)"),
    row("tfds_kitti360.video.frames._folder: {} holds", "frames of two cameras", two_cameras,
        "{at}/frames holds several sequences", "0_l.png, 0_r.png"),
    row("tfds_kitti360.video.make.write_download: {} was edited", "a note of what was read, edited", edited_note,
        "{at}/built/video_frames/video.json was edited or damaged", "restore it"),
    # cameras
    row("data.intrinsics.read: {} describes a lens", "pictures through a lens", lens, "{at}/camera.txt describes",
        "undistort"),
    row(f"{_CAMERAS}._json", "an angle of Blender", camera({"camera_angle_x": 1.0}), "--fov=57.2958"),
    row(f"{_CAMERAS}._of_frames", "a camera for each frame", camera({"frames": [CAMERA, CAMERA | {"cx": 1}]}),
        "{at}/camera.txt holds several cameras, one for each frame"),
    row(f"{_CAMERAS}._lens: {{}} is of another", "a fisheye", camera(CAMERA | {"camera_model": "OPENCV_FISHEYE"}),
        "{at}/camera.txt is of another camera model (OPENCV_FISHEYE)", "undistort"),
    row(f"{_CAMERAS}._lens: {{}} has more distortion", "a lens of many terms", camera(CAMERA | {"k5": 1}),
        "than k1, k2, k3"),
    row(f"{_CAMERAS}._lens: {{}} has distortion", "a lens of words", camera(CAMERA | {"k1": "x"}), "other than k1, k2"),
    row(f"{_CAMERAS}._distortion", "a lens that cannot be", camera(CAMERA | {"k1": 1e6}), "implausible distortion"),
    row(f"{_CAMERAS}._colmap: {{}} holds", "two cameras of COLMAP",
        camera("1 PINHOLE 160 96 1 1 2 3\n2 PINHOLE 160 96 1 1 2 4\n"), "{at}/camera.txt holds several cameras"),
    row(f"{_CAMERAS}._colmap: {{}} is of another", "a fisheye of COLMAP", camera("1 FOV 160 96 1 1 2 3 4\n"),
        "{at}/camera.txt is of another camera model (FOV)"),
    # downloads
    row("tfds_kitti360.build.build: --data_dir={} is not UTF-8", "a folder of another encoding",
        lambda at: build_dataset(data_dir=os.fsdecode(b"stra\xdfe"), manual_dir=at), "is not UTF-8", "--data_dir"),
    row("tfds_kitti360.build._check_numbers: --workers", "no worker", build("--manual_dir={at}", "--workers=0"),
        "--workers=0 is too small"),
    row("tfds_kitti360.build._check_numbers: --size", "sides that are not halved five times",
        build("--manual_dir={at}", "--size=100x300"), "--size=100x300 (height x width)", "--size=96x288"),
    row("tfds_kitti360.frames._check_kind: {} holds train ids", "train ids for label ids", label(
        "semantic", 2, np.uint8), "0000000001.png holds train ids", "label ids"),
    row("tfds_kitti360.frames._check_kind: {} holds values below", "instances of Cityscapes",
        label("instance", 7, np.uint16), "0000000001.png holds values below 1000"),
    row("tfds_kitti360.frames._check_kind: {} holds values up to", "confidence of 8 bits",
        label("confidence", 255, np.uint16), "0000000001.png holds values up to 255"),
    row("tfds_kitti360.frames._photo", "a JPEG of another size", jpeg_of_another_size,
        "0000000001.jpg is 40x100 where calibration/perspective.txt says 40x120"),
    row("tfds_kitti360.layout.Calibration.load: {}: P_rect puts", "the centre of larger pictures",
        calibrated(f"{trees.CX:.12g}", "682"), "perspective.txt: P_rect puts a principal point outside"),
    row("tfds_kitti360.layout.Calibration.check_stereo: {}: P_rect_01", "a baseline of 0", stereo(0),
        "P_rect_01 puts the right camera 0 m to the right", "--stereo"),
    row("tfds_kitti360.layout.Calibration.check_stereo: {}: P_rect_00", "two lenses", stereo(-36, focal=90),
        "P_rect_00 and P_rect_01 have different focal lengths"),
    row("tfds_kitti360.layout.cam0_to_world", "poses of no bytes",
        build_tree(lambda tree: tree.poses(3).write_text("")),
        "poses.txt holds no pose", "remove it"),
    row("tfds_kitti360.survey.read_lists: {} lists no", "a list of no bytes", build_tree(lambda tree: [
        written(tree.frame_list(split)) for split in ("train", "val")]), "train_frames.txt lists no frame"),
    row("tfds_kitti360.text.lines: {} cannot", "a calibration that may not be read",
        closed(lambda at: layout.read_poses(at / "poses.txt")), "{at}/poses.txt cannot be read (Permission denied)"),
    row("tfds_kitti360.velodyne.read_scan: {} {}, and", "a scan in millimetres", scan, "beyond 1000 m", "metres"),
    # what was built
    row("tfds_kitti360.metadata.check_seal: {} is not", "a build that lost its record",
        lambda at: [(built_at(at) / "dataset_info.json").unlink(), build_again(at)][1],
        "is not a finished data set, dataset_info.json is missing"),
    row("tfds_kitti360.metadata.check_seal: {} cannot", "a record that may not be read",
        lambda at: [(built_at(at) / "metadata.json").unlink(), (at / "built/kitti360/1.0.0/metadata.json").mkdir(),
                    build_again(at)][2], "metadata.json cannot be read (it is a folder", "may be intact"),
    row("tfds_kitti360.metadata.check_seal: {} was", "a record edited by hand",
        lambda at: [(built_at(at) / "metadata.json").write_text("{}"), build_again(at)][1],
        "metadata.json was edited or damaged", "restore it"),
    row("data.dataset._open_one: {} cannot be read ({}); make", "a data set that may not be read", closed_set,
        "{at} cannot be read (Permission denied)"),
    row("data.records._check_readable", "a shard that may not be read", closed_shard,
        "array_record cannot be read (Permission denied)", "may be intact"),
    row("data.batches._iterate", "workers killed for memory", killed_workers, "config.data.workers=0", "4 times"),
    row("data.batches._no_room", "a small /dev/shm", no_shared_memory, "/dev/shm is too small", "config.data.workers"),
]  # fmt: skip
