"""Downloads of KITTI-360 as people have them: built right, with what is not read counted and named, or refused."""

import os
import re

import cv2
import kitti360_built
import kitti360_tree as trees
import numpy as np
import PIL.Image
import pytest
from edges.cases import Case, ids
from kitti360_tree import label_images, picture, save, save_png

DRIVE = {3: range(100, 108)}
FRAME = "0000000104"


def tree(at, drives=None, **options):
    """A download below `at`, of one short drive."""
    return trees.write_tree(
        at / "raw", drives or DRIVE, **{"has": ["poses", "semantic", "instance", "scan"], **options}
    )


def spoilt(change, **options):
    def do(at):
        change(tree(at, **options))

    return do


def as_jpegs(frames, *, camera=0, orientation=None):
    """Pictures of some frames converted to JPEG."""

    def change(layout):
        for frame in frames:
            path = layout.images(3, camera=camera) / f"{frame:010d}.png"
            exif = PIL.Image.Exif()
            if orientation:
                exif[0x0112] = orientation
            turned = np.rot90(picture(frame)) if orientation == 6 else picture(frame)
            PIL.Image.fromarray(np.ascontiguousarray(turned)).save(path.with_suffix(".jpg"), quality=98, exif=exif)
            path.unlink()

    return change


def beside(name, content=b"x", where="images"):
    """Another file in a folder that is read."""

    def change(layout):
        folder = {"images": layout.images(3), "raw": layout.root / "data_2d_raw", "scans": layout.scans(3)}
        folder["semantic"] = layout.labels(3, "semantic")
        save(folder[where] / name, content)

    return change


def calibrated(old, new, name="perspective", **options):
    def change(layout):
        path = getattr(layout, name)
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return spoilt(change, **options)


def labels(kind, values):
    """One frame's label picture of other values."""
    return spoilt(lambda layout: save_png(layout.labels(3, kind) / f"{FRAME}.png", values))


def train_ids(layout):
    """All semantic pictures as train ids: road 0, sidewalk 1, building 2 ... 255 for the rest."""
    for frame in DRIVE[3]:
        values = np.uint8(np.random.default_rng(frame).integers(0, 19, (40, 120)))
        values[:4] = 255
        save_png(layout.labels(3, "semantic") / f"{frame:010d}.png", values)


def avif(layout):
    PIL.Image.fromarray(picture(104)).save(layout.images(3) / f"{FRAME}.png", format="AVIF")


def link_to(target):
    def change(layout):
        path = layout.images(3) / f"{FRAME}.png"
        path.unlink()
        path.symlink_to(path if target is None else target)

    return change


def poses_are(content):
    def change(layout):
        for path in (layout.poses(3), layout.cam0_to_world(3)):
            path.unlink(missing_ok=True)
        path = layout.poses(3)
        if content is None:
            path.symlink_to("nowhere.txt")
        elif content == "pipe":
            os.mkfifo(path)
        else:
            path.write_bytes(content)

    return change


def lists_are(**content):
    def change(layout):
        for split, lines in content.items():
            save(layout.frame_list(split), lines)

    return change


def with_bom(layout):
    for path in (layout.perspective, layout.poses(3), layout.cam_to_pose):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))


def scan_of(points):
    return spoilt(lambda layout: save(layout.scans(3) / f"{FRAME}.bin", np.ascontiguousarray(points).tobytes()))


def right_camera(offset):
    """A calibration whose right camera has another fourth column."""
    start = f"P_rect_01: {trees.FOCAL:.12g} 0 {trees.CX:.12g} "
    before, after = (f"{start}{value:.12g}" for value in (-trees.FOCAL * trees.BASELINE, offset))
    return calibrated(before, after, has=["poses", "right"])


def in_place(name):
    """The download below a folder of a name that people have."""

    def do(at):
        trees.write_tree(at / name / "raw", DRIVE, has=["poses"])
        (at / "raw").symlink_to(at / name / "raw")

    return do


LISTED = "".join(trees.list_line(3, frame) for frame in range(100, 106))
POINTS = trees.scan(1)
NUSCENES = np.column_stack([POINTS, np.arange(len(POINTS)) % 32]).astype("<f4")

CASES = [
    # passed over in silence
    Case(4, "half of the pictures are JPEG", spoilt(as_jpegs(range(100, 104))), 0, ("built: 8 frames",)),
    Case(4, "all pictures are JPEG", spoilt(as_jpegs(DRIVE[3])), 0, ("built: 8 frames",)),
    Case(4, "right pictures are JPEG", spoilt(as_jpegs(DRIVE[3], camera=1), has=["poses", "right"]), 0,
         ("built: 8 frames",), ("--stereo",)),
    Case(4, "a JPEG of a turned camera fits upright", spoilt(as_jpegs([104], orientation=6)), 0, ("built: 8 frames",)),
    Case(4, "macOS resource forks", spoilt(beside(f"._{FRAME}.png")), 0, ("built: 8 frames", "1 hidden")),
    Case(4, "Windows leftovers", spoilt(beside("Thumbs.db")), 0,
         ("built: 8", r"not read in .*1 with an extension other than .*Thumbs")),
    Case(4, "a frame copied twice", spoilt(beside(f"{FRAME} (1).png")), 0, ("not named by ten digits",)),
    Case(4, "a frame as PNG and as JPEG", spoilt(beside(f"{FRAME}.jpg")), 0, ("built: 8 frames", "there twice")),
    Case(4, "upper-case endings", spoilt(lambda layout: (layout.images(3) / f"{FRAME}.png").rename(
        layout.images(3) / f"{FRAME}.PNG")), 0, ("built: 8 frames",)),
    Case(4, "a __MACOSX folder beside the drives", spoilt(beside("__MACOSX/x", where="raw")), 0, ("__MACOSX",)),
    Case(4, "a zip left among the drives", spoilt(beside("drive.zip", where="raw")), 0, (r"drive\.zip",)),
    Case(4, "labels as JPEG", spoilt(beside("0000000101.jpg", where="semantic")), 0, (r"0000000101\.jpg",)),
    Case(4, "scans as text", spoilt(beside("0000000101.txt", where="scans")), 0, (r"0000000101\.txt",)),
    Case(4, "lists name a test drive", spoilt(lists_are(train="".join(trees.list_line(8, f) for f in range(4)),
         val=trees.list_line(8, 4)), drives={8: range(6)}, has=["poses"]), 0,
         ("name 5 frames of drive 0008, a test drive", "6 test", "cannot be trained on")),
    Case(4, "a drive folder without pictures", spoilt(lambda layout: layout.images(5).mkdir(parents=True)), 0,
         ("without pictures", "drive_0005")),
    # values that cannot be meant
    Case(5, "labels are train ids", spoilt(train_ids), 2, ("train ids", "label ids")),
    Case(5, "labels are train ids, damage left out", spoilt(train_ids), 2, ("train ids",), ("--skip_damaged",)),
    Case(5, "train ids without 255", labels("semantic", np.full((40, 120), 2, np.uint8)), 2, ("train ids",)),
    Case(5, "instances of Cityscapes", labels("instance", np.full((40, 120), 7, np.uint16)), 2, ("below 1000",)),
    Case(5, "confidence of 8 bits", spoilt(lambda layout: save_png(layout.labels(3, "confidence") / f"{FRAME}.png",
         np.full((40, 120), 255, np.uint16)), has=["semantic", "confidence"]), 2, ("confidence",)),
    Case(5, "a baseline of 0", right_camera(0), 2, ("0 m to the right", "--stereo"), ("--stereo",)),
    Case(5, "a baseline of the wrong sign", right_camera(trees.FOCAL * trees.BASELINE), 2, ("right camera",)),
    Case(5, "a baseline in millimetres", right_camera(-trees.FOCAL * 594), 2, ("594 m to the right",), ("--stereo",)),
    Case(5, "a rotation that is none", calibrated("R_rect_00: ", "R_rect_00: 1"), 2, ("R_rect",)),
    Case(5, "a mirrored rotation", spoilt(lambda layout: save(layout.cam_to_velo, "-1 0 0 0 0 1 0 0 0 0 1 0\n")), 2,
         ("not a rotation",)),
    Case(5, "a principal point of larger pictures", calibrated(f"P_rect_00: {trees.FOCAL:.12g} 0 {trees.CX:.12g}",
         f"P_rect_00: {trees.FOCAL:.12g} 0 682.05"), 2, ("principal point",)),
    Case(5, "scans of nuScenes", scan_of(NUSCENES), 2, ("five numbers",)),
    Case(5, "scans in millimetres", scan_of(POINTS * np.float32(1000)), 2, ("beyond 1000 m",)),
    Case(5, "scans of float64", scan_of(POINTS.astype("<f8")), 2, (FRAME,)),
    # odd things where files are expected
    Case(12, "no bytes in poses.txt", spoilt(poses_are(b"")), 2, (r"poses\.txt holds no pose", "remove it")),
    Case(12, "blank lines in poses.txt", spoilt(poses_are(b"\n \n")), 2, (r"poses\.txt holds no pose",)),
    Case(12, "poses.txt leads nowhere", spoilt(poses_are(None)), 2, (r"poses\.txt is missing",)),
    Case(12, "poses.txt is a pipe", spoilt(poses_are("pipe")), 2, (r"poses\.txt cannot be read", "pipe")),
    Case(12, "poses.txt is UTF-16", spoilt(poses_are("7 1 0".encode("utf-16"))), 2, ("not a text file",)),
    Case(12, "an empty train list", spoilt(lists_are(train="", val=LISTED)), 2, (r"train_frames\.txt lists no frame",)),
    Case(12, "an empty val list", spoilt(lists_are(train=LISTED, val="\n")), 0, (r"val_frames\.txt lists no frame",)),
    Case(12, "a list that leads nowhere", spoilt(lambda layout: [
        save(layout.frame_list("train"), LISTED), layout.frame_list("val").symlink_to("gone")]), 2, ("is missing",)),
    Case(12, "a picture that is a loop", spoilt(link_to(None)), 0, ("built: 7 frames", "unreadable: Too many levels")),
    Case(12, "a picture that leads nowhere", spoilt(link_to("/nowhere/a.png")), 0, ("built: 7", "lead nowhere")),
    Case(12, "a picture that is a device", spoilt(link_to("/dev/zero")), 0, ("built: 7 frames", f"{FRAME}")),
    Case(12, "a pipe among the pictures", spoilt(lambda layout: os.mkfifo(layout.images(3) / "0000000108.png")), 0,
         ("named pipes", "built: 8 frames")),
    Case(12, "a folder named as a picture", spoilt(lambda layout: (layout.images(3) / "0000000109.png").mkdir()), 0,
         ("1 folders", "built: 8 frames")),
    Case(12, "a frame id above 32 bits", spoilt(beside("4294967296.png")), 0, ("built: 8 frames", "above 2147483647")),
    Case(12, "AVIF under the name png", spoilt(avif), 2, (rf"{FRAME}\.png is not a PNG",)),
    Case(12, "calibration with a BOM and CRLF", spoilt(with_bom), 0, ("built: 8 frames",)),
    Case(12, "calibration is a folder", spoilt(lambda layout: [
        layout.perspective.unlink(), layout.perspective.mkdir()]), 2,
         (r"perspective\.txt cannot be read \(it is a folder",)),
    # the real data set's own traps
    Case(10, "K_00[2,2] = 0", calibrated("S_rect_00", "K_00: 552 0 682 0 552 238 0 0 0\nS_rect_00"), 0,
         ("built: 8 frames",)),
    Case(10, "labels before the first picture", spoilt(lambda layout: [
        save_png(layout.labels(3, "semantic") / f"{frame:010d}.png", label_images(frame)["semantic"])
        for frame in range(90, 100)]), 0, ("built: 8 frames", "10 semantic labels have no picture")),
    Case(10, "pictures withheld in stretches", spoilt(lambda layout: [
        (layout.images(3) / f"{frame:010d}.png").unlink() for frame in (103, 104, 112)], drives={3: range(100, 120)}),
         0, ("built: 17 frames", "3 frame numbers .* in 2 stretches", "103 to 104")),
    Case(10, "first frames without labels", spoilt(lambda layout: [
        (layout.labels(3, "semantic") / f"{frame:010d}.png").unlink() for frame in range(100, 104)]), 0,
         ("4 of 8 pictures have no semantic labels",)),
    Case(10, "poses missing where the car is slow", spoilt(lambda layout: [
        path.write_text("".join(line for line in path.read_text().splitlines(True) if line[:3] not in ("103", "104")))
        for path in (layout.poses(3),)]), 0, ("2 of 8 pictures have no poses",)),
    # paths
    Case(2, "spaces and brackets", in_place("KITTI [360] data"), 0, ("built: 8 frames",)),
    Case(2, "wildcards", in_place("a*b?c"), 0, ("built: 8 frames",)),
    Case(2, "other scripts", in_place("données 日本"), 0, ("built: 8 frames",)),
    Case(2, "a percent and an at sign", in_place("50%@home"), 0, ("built: 8 frames",)),
    Case(2, "a name that is not UTF-8", in_place(os.fsdecode(b"stra\xdfe")), 0, ("built: 8 frames",)),
    Case(2, "a data_dir that is not UTF-8", tree, 2, ("is not UTF-8",),
         (os.fsdecode(b"--data_dir=stra\xdfe"),)),
    Case(1, "no worker at all", tree, 2, ("--workers=0",), ("--workers=0",)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_downloads(tmp_path, case):
    case.done(tmp_path)
    status, said, complaint = kitti360_built.build(tmp_path, *case.options)
    assert status == case.status, said + complaint
    for words in case.words:
        assert re.search(words, said + complaint), f"{words!r} is not in {said + complaint}"
    assert complaint.count("\n") == 0 and (status == 0) == (complaint == "")
    assert status == 0 or not list((tmp_path / "built").glob("kitti360/[0-9]*"))


def test_jpegs_hold_what_a_person_sees(tmp_path):
    as_jpegs([104], orientation=6)(tree(tmp_path))
    assert kitti360_built.build(tmp_path)[0] == 0
    stored = kitti360_built.records(tmp_path)[4]["image"].astype(int)
    assert np.abs(stored - cv2.resize(picture(104), (96, 32), interpolation=cv2.INTER_AREA)).mean() < 4
