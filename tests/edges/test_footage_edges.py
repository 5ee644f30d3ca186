"""Films and folders of one's own as people have them: built in order and as they are seen, or refused."""

import json
import os
import pathlib
import struct

import cv2
import numpy as np
import own_video
import PIL.Image
import pytest
from edges.cases import Case, check_video, ids

from tfds_kitti360.build import main
from tfds_kitti360.errors import DatasetError
from tfds_kitti360.video.frames import find_sources
from tfds_kitti360.video.intrinsics import choose, lens

STEPS = range(0, 32, 4)
IMAGES = own_video.frames(STEPS)
SIZE = own_video.SIZE


def named(*names, images=IMAGES):
    """A folder of pictures with these names, in the order of time."""

    def do(at):
        folder = at / "frames"
        folder.mkdir()
        for name, image in zip(names, images):
            PIL.Image.fromarray(image).save(folder / name)
        return folder

    return do


def with_file(name, content=b"x"):
    def do(at):
        folder = named(*(f"{n}.png" for n in range(8)))(at)
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return folder

    return do


def saved(name, save):
    """A folder whose frames are written by `save(image, path)`."""

    def do(at):
        (at / "frames").mkdir()
        for number, image in enumerate(IMAGES):
            save(image, at / "frames" / name.format(number))
        return at / "frames"

    return do


def twelve_bits(image, path):
    path.write_bytes(cv2.imencode(".png", image[..., ::-1].astype(np.uint16) * 16)[1].tobytes())


def floats(image, path):
    path.write_bytes(cv2.imencode(".tif", image[..., ::-1].astype(np.float32) / 255)[1].tobytes())


def as_format(kind):
    return lambda image, path: PIL.Image.fromarray(image).save(path, format=kind)


def pages(image, path):
    PIL.Image.fromarray(image).save(path, save_all=True, append_images=[PIL.Image.fromarray(image)])


def film(name, **options):
    def do(at):
        plain = own_video.film(at / "plain.mp4", IMAGES, **options)
        path = pathlib.Path(os.fsdecode(os.path.join(os.fsencode(at), name)))
        path.parent.mkdir(parents=True, exist_ok=True)
        return plain.rename(path)

    return do


def piped(at):
    os.mkfifo(at / "a.mp4")
    return at / "a.mp4"


def camera(content, name="transforms.json"):
    """The options of a camera in a file, which is written beside the frames."""

    def do(at):
        (at / name).write_text(content if isinstance(content, str) else json.dumps(content))
        return named(*(f"{n}.png" for n in range(8)))(at)

    return do


NERF = {"fl_x": 120.0, "fl_y": 120.0, "cx": 80.0, "cy": 48.0, "w": 160, "h": 96}
FROM_FILE = ("--intrinsics={at}/transforms.json",)
SHUFFLED = {
    "unpadded": [f"frame{n}.png" for n in (1, 2, 3, 9, 10, 11, 100, 101)],
    "padded": [f"{n:06d}.jpg" for n in range(8)],
    "KITTI": [f"{n:010d}.png" for n in range(95, 103)],
    "nanoseconds of ROS": [f"{1503677345000000000 + n * 99999999}.png" for n in range(8)],
    "seconds of ROS": [f"1503677345.{n}.png" for n in ("05", "1", "15", "2", "25", "3", "35", "4")],
    "a phone": [f"IMG_{n}.JPG" for n in range(9996, 10004)],
    "Windows": [f"frame ({n}).png" for n in (1, 2, 3, 9, 10, 11, 100, 101)],
    "Blender": [f"render_{n:04d}.png" for n in range(9997, 10005)],
    "both cases": ["a1.png", "A2.png", "a3.PNG", "A10.png", "a11.jpg", "A12.png", "a20.png", "A100.png"],
    "dates": [f"2024-09-{day}_23-59-{second}.png" for day in (9, 10) for second in (8, 9, 10, 11)],
    "two numbers": [f"drive{d}_frame{f}.png" for d in (2, 10) for f in (1, 2, 10, 11)],
    "hyphens": [f"cam-{n}.png" for n in (1, 2, 3, 9, 10, 11, 100, 101)],
    "Cityscapes": [f"aachen_000000_{n:06d}_leftImg8bit.png" for n in range(8)],
    "nuScenes": [f"n008-2018-08-01__CAM_FRONT__{1533151603512404 + 500000 * n}.jpg" for n in range(8)],
}

CASES = [
    Case(2, "a film of spaces and brackets", film(b"my [1] drive.mp4"), 0, ("8 frames",)),
    Case(2, "a film whose name is not UTF-8", film(b"stra\xdfe.mp4"), 0, ("8 frames",)),
    Case(2, "a film in a folder whose name is not UTF-8", film(b"stra\xdfe/a.mp4"), 0, ("8 frames",)),
    Case(2, "a picture whose name is not UTF-8", named(*(os.fsdecode(b"stra\xdfe%d.png" % n) for n in range(8))), 0,
         ("8 frames",)),
    Case(2, "a film with a percent sign", film(b"100%d.mp4"), 0, ("8 frames",)),
    Case(2, "a film named as an option of a demuxer", film(b"concat:a.mp4"), 0, ("8 frames",)),
    Case(4, "macOS resource forks", with_file("._3.png"), 0, ("8 frames", r"not read in .*1 hidden")),
    Case(4, "Windows leftovers", with_file("desktop.ini"), 0, ("8 frames", r"desktop\.ini")),
    Case(4, "a folder below", with_file("more/9.png"), 0, ("8 frames", "1 folders .more.")),
    Case(4, "HEIC of a phone beside", with_file("IMG_9.HEIC"), 0, ("8 frames", r"IMG_9\.HEIC")),
    Case(5, "train with a fisheye", camera(NERF | {"camera_model": "OPENCV_FISHEYE", "k1": 0.1}), 2,
         ("another camera model .OPENCV_FISHEYE", "undistort"), FROM_FILE),
    Case(5, "an equirectangular camera", camera(NERF | {"camera_model": "EQUIRECTANGULAR"}), 2,
         ("another camera model",), FROM_FILE),
    Case(5, "a fisheye of instant-ngp", camera(NERF | {"is_fisheye": True}), 2, ("another camera model",), FROM_FILE),
    Case(5, "distortion is undone", camera(NERF | {"camera_model": "OPENCV", "k1": -0.2, "k2": 0.03}), 0,
         ("lens distortion", "undistorted"), FROM_FILE),
    Case(5, "distortion of zeros", camera(NERF | {"camera_model": "OPENCV", "k1": 0, "p1": 0.0}), 0, ("8 frames",),
         FROM_FILE),
    Case(5, "distortion of eight terms", camera(NERF | {"k4": 0.1}), 2, ("undistort",), FROM_FILE),
    Case(5, "distortion that is no number", camera(NERF | {"k1": "x"}), 2, ("distortion",), FROM_FILE),
    Case(5, "distortion beyond any lens", camera(NERF | {"k1": 1e9}), 2, ("implausible distortion",), FROM_FILE),
    Case(5, "a camera for each frame", camera({"frames": [NERF, NERF | {"fl_x": 90}]}), 2, ("several cameras",),
         FROM_FILE),
    Case(5, "one camera in all frames", camera({"frames": [NERF, NERF]}), 0, ("8 frames",), FROM_FILE),
    Case(5, "an angle of Blender", camera({"camera_angle_x": 1.2}), 2, ("--fov=68.7549",), FROM_FILE),
    Case(5, "COLMAP with a lens", camera("# cameras\n1 SIMPLE_RADIAL 160 96 120 80 48 -0.1\n"), 0, ("undistorted",),
         FROM_FILE),
    Case(5, "COLMAP with a fisheye", camera("1 OPENCV_FISHEYE 160 96 120 120 80 48 0 0 0 0\n"), 2,
         ("another camera model",), FROM_FILE),
    Case(5, "COLMAP with two cameras", camera("1 PINHOLE 160 96 120 120 80 48\n2 PINHOLE 160 96 99 99 80 48\n"), 2,
         ("several cameras",), FROM_FILE),
    Case(6, "frames of two cameras", named(*(f"{n}_{side}.png" for n in range(4) for side in ("left", "right"))), 2,
         ("interleaved names",)),
    Case(6, "CARLA's pictures and depth in one folder", named(*(f"{n}_{kind}.png" for n in range(4)
         for kind in ("depth", "rgb"))), 2, ("interleaved names",)),
    Case(6, "12 bits of a camera of ROS", saved("{}.png", twelve_bits), 0, ("8 frames",)),
    Case(6, "TIFF of floats", saved("{}.tif", floats), 0, ("8 frames",)),
    Case(6, "pages of a TIFF", saved("{}.tif", pages), 2,
         ("holds 2 pictures in one file|several pictures in one file",)),
    Case(12, "AVIF under the name png", saved("{}.png", as_format("AVIF")), 2, ("its content is AVIF",)),
    Case(12, "DDS under the name png", saved("{}.png", as_format("DDS")), 2, ("its content is DDS",)),
    Case(12, "GIF under the name jpg", saved("{}.jpg", as_format("GIF")), 2, ("its content is GIF",)),
    Case(12, "JPEG 2000 under the name png", saved("{}.png", as_format("JPEG2000")), 2, ("JPEG 2000",)),
    Case(12, "a web page for a picture", with_file("8.png", b"<!DOCTYPE html><html>404</html>"), 2, ("web page",)),
    Case(12, "no bytes in a picture", with_file("8.png", b""), 2, (r"8\.png cannot be read as a pic.* .it is empty",)),
    Case(12, "JPEG under the name png", saved("{}.png", as_format("JPEG")), 0, ("8 frames",)),
    Case(12, "a pipe for a film", piped, 2, ("cannot be read", "not a file")),
    Case(12, "a picture 1 wide", named("a.png", images=[np.zeros((3000, 1, 3), np.uint8)]), 2,
         ("which are 3000x1 .height x width",)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_footage(tmp_path, capsys, case):
    check_video(case, tmp_path, capsys)


@pytest.mark.parametrize("names", SHUFFLED.values(), ids=SHUFFLED.keys())
def test_names_are_kept_in_the_order_of_time(tmp_path, names):
    folder = named(*names)(tmp_path)
    (source,) = find_sources([folder])
    assert [name for name, _ in source.read()] == names


@pytest.mark.parametrize("save", [twelve_bits, floats, as_format("WEBP")], ids=["12 bits", "floats", "WebP"])
def test_frames_are_what_a_person_sees(tmp_path, save):
    (source,) = find_sources([saved("{}.tif" if save is floats else "{}.png", save)(tmp_path)])
    for (_, image), true in zip(source.read(), IMAGES):
        assert np.abs(image.astype(int) - true).mean() < 6


def test_a_dark_frame_of_12_bits_stays_dark(tmp_path):
    """All frames of a folder are brightened alike."""
    dark = [*IMAGES[:7], IMAGES[7] // 32]
    for number, image in enumerate(dark):
        twelve_bits(image, tmp_path / f"{number}.png")
    (source,) = find_sources([tmp_path])
    *_, (_, last) = source.read()
    assert last.max() <= 9


def uneven(path, durations):
    """Gives the frames of an mp4 by OpenCV other durations: its table of times, and no list that ends it early."""
    data = path.read_bytes()
    start = data.index(b"stts")
    unit = struct.unpack_from(">I", data, start + 16)[0]
    entries = b"".join(struct.pack(">II", 1, int(duration * unit)) for duration in durations)
    table = struct.pack(">I", 16 + len(entries)) + b"stts" + struct.pack(">II", 0, len(durations)) + entries
    out = bytearray(data[: start - 4] + table + data[start + 20 :])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        place = out.index(box) - 4
        struct.pack_into(">I", out, place, struct.unpack_from(">I", out, place)[0] + len(table) - 24)
    place = out.index(b"edts")
    out[place : place + 4] = b"free"
    path.write_bytes(out)
    return path


def test_frames_are_chosen_by_their_time_stamps(tmp_path):
    # durations in tenths of a second: frames at 0, 1, 2, 3, 8, 9, 10 and 11
    path = uneven(own_video.film(tmp_path / "a.mp4", IMAGES, fps=10), [1, 1, 1, 5, 1, 1, 1, 1])
    (source,) = find_sources([path], fps=5)
    # the first frame of each fifth of a second: 0, 2, nothing in 4 to 8 but 8, 10
    assert [name for name, _ in source.read()] == [f"frame {number}" for number in (0, 2, 4, 6)]


def test_the_undistorted_camera_sees_straight_lines(tmp_path):
    """A board of squares drawn through a lens is straight again: OpenCV's own projection is the reference."""
    from tfds_kitti360.video.lens import undistorter

    (tmp_path / "transforms.json").write_text(json.dumps(NERF | {"k1": -0.3, "k2": 0.05, "p1": 0.002, "p2": -0.001}))
    bent = lens(str(tmp_path / "transforms.json"))
    matrix = choose(str(tmp_path / "transforms.json"), None, size=SIZE).matrix
    pinhole, straighten = undistorter(matrix, bent, size=SIZE)
    picture = np.zeros((*SIZE, 3), np.uint8)
    point = np.array([[[0.3, 0.15, 1.0]]])
    seen = cv2.projectPoints(point, np.zeros(3), np.zeros(3), matrix, np.array(bent))[0].ravel()
    cv2.circle(picture, tuple(np.rint(seen * 16).astype(int).tolist()), 3 * 16, (255, 255, 255), -1, cv2.LINE_AA, 4)
    grey = straighten(picture)[..., 0].astype(float)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    found = np.array([(grey * columns).sum(), (grey * rows).sum()]) / grey.sum()
    expected = pinhole @ point.ravel()
    np.testing.assert_allclose(found, expected[:2] / expected[2], atol=0.3)
    assert np.abs(seen - expected[:2]).max() > 1


def test_a_folder_of_one_camera_and_a_film_have_no_remarks(tmp_path):
    assert find_sources([named(*(f"{n}.png" for n in range(8)))(tmp_path)])[0].remarks == ()
    with pytest.raises(DatasetError, match="does not exist"):
        find_sources([tmp_path / "*.png"])


def test_a_video_that_was_moved_is_the_same_video(tmp_path, capsys):
    """Kind 8: a data set is not refused for the path of what it was built from."""
    folder = named(*(f"{n}.png" for n in range(8)))(tmp_path)
    options = [f"--data_dir={tmp_path / 'built'}", "--size=64x96"]
    assert main([f"--video={folder}", *options]) == 0
    (tmp_path / "elsewhere").mkdir()
    moved = folder.rename(tmp_path / "elsewhere" / "frames")
    assert main([f"--video={moved}", *options]) == 0 and "already built" in capsys.readouterr().out
    PIL.Image.fromarray(IMAGES[0]).save(moved / "8.png")
    assert main([f"--video={moved}", *options]) == 2 and "other videos or settings" in capsys.readouterr().err
