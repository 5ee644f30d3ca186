"""Mistakes in building a data set from the user's own video."""

import types

import cv2
import numpy as np
import own_video
from messages.rows import Row, build, row, written

from tfds_kitti360.video import frames, intrinsics, make

SIZE = own_video.SIZE
STEPS = range(0, 20, 4)


def of_folder(*options, images=STEPS):
    """Building from a folder of frames."""

    def provoke(at):
        own_video.folder(at / "frames", own_video.frames(images))
        return build("--video={at}/frames", *options)(at)

    return provoke


def of_film(*options):
    def provoke(at):
        own_video.film(at / "a.mp4", own_video.frames(STEPS))
        return build("--video={at}/a.mp4", *options)(at)

    return provoke


def of_file(name, content):
    def provoke(at):
        written(at / name, content)
        return build(f"--video={{at}}/{name.split('/')[0]}")(at)

    return provoke


def of_two_sizes(at):
    own_video.folder(at / "a", own_video.frames(STEPS))
    own_video.folder(at / "b", own_video.frames(STEPS, size=(80, 160)))
    return build("--video={at}/a", "--video={at}/b")(at)


def mixed_folder(at):
    folder = own_video.folder(at / "frames", own_video.frames(STEPS))
    cv2.imwrite(str(folder / "frame3.png"), own_video.frames([0], size=(80, 160))[0])
    return build("--video={at}/frames")(at)


def of_another_video(at):
    written(at / "built/kitti360/1.0.0/a")
    return of_folder()(at)


def capture(*, reads=True, retrieves=True):
    """A video whose decoder gives up."""
    image = np.zeros((*SIZE, 3), np.uint8)
    facts = {cv2.CAP_PROP_FRAME_WIDTH: SIZE[1], cv2.CAP_PROP_FRAME_HEIGHT: SIZE[0], cv2.CAP_PROP_FPS: 10}
    return types.SimpleNamespace(
        get=lambda name: facts.get(name, 3), isOpened=lambda: True, release=lambda: None, grab=lambda: True,
        read=lambda: (reads, image if reads else None), retrieve=lambda: (retrieves, None),
    )  # fmt: skip


def decoding(**fails):
    def provoke(at, patch):
        patch.setattr(cv2, "VideoCapture", lambda *_: capture(**fails))
        (source,) = frames.find_sources([written(at / "a.mp4")])
        list(source.read())

    return provoke


def wide_pixels(at, patch):
    film = capture()
    get = film.get
    film.get = lambda name: 3e9 if name == cv2.CAP_PROP_SAR_NUM else get(name)
    patch.setattr(cv2, "VideoCapture", lambda *_: film)
    frames.find_sources([written(at / "a.mp4")])


def named_by_words(at):
    folder = own_video.folder(at / "frames", own_video.frames(STEPS))
    for word, path in zip(("one", "two", "three", "four", "five"), sorted(folder.iterdir())):
        path.rename(folder / f"{word}.png")
    return build("--video={at}/frames")(at)


def unwritable(at):
    written(at / "built")
    make.write_download(make.Request((own_video.folder(at / "frames", own_video.frames(STEPS)),)), at / "built",
                        size=(64, 96))  # fmt: skip


def camera(text, **options):
    return lambda at: intrinsics.choose(text, options.get("fov"), size=SIZE)


def camera_file(content):
    return lambda at: intrinsics.choose(str(written(at / "camera.txt", content)), None, size=SIZE)


_VIDEO = "tfds_kitti360.video"
ROWS: list[Row] = [
    row(f"{_VIDEO}.frames._sources: --video={{}} is a folder", "a folder without frames", of_file("frames/a.txt", ""),
        "--video={at}/frames is a folder without frames", ".png"),
    row(f"{_VIDEO}.frames._sources: --video={{}} does not", "a wrong path of the video", build("--video={at}/a.mp4"),
        "--video={at}/a.mp4 does not exist"),
    row(f"{_VIDEO}.frames._sources: --video={{}} is not", "a text for a video", of_file("a.txt", ""),
        "--video={at}/a.txt is not a supported video", ".mp4"),
    row(f"{_VIDEO}.frames._folder: --fps", "a frame rate of pictures", of_folder("--fps=5"),
        "--fps chooses frames of a video file", "{at}/frames"),
    row(f"{_VIDEO}.frames._folder.read", "frames of two sizes", mixed_folder, "{at}/frames/frame3.png is 80x160",
        "frame0.png is 96x160"),
    row("tfds_kitti360.films._opened: {} cannot be read as", "a video that is none", of_file("a.mp4", "no video"),
        "{at}/a.mp4 cannot be read as a video"),
    row("tfds_kitti360.films.open_film: {} holds", "a video of nothing", decoding(reads=False),
        "{at}/a.mp4 holds no frame"),
    row("tfds_kitti360.films.open_film: {} says", "a pixel that is far too wide", wide_pixels,
        "{at}/a.mp4 says that a pixel is 1e+09 times as wide"),
    row(f"{_VIDEO}.frames._folder: the names", "frames named by words", named_by_words,
        "in {at}/frames do not tell the order", "names hold no numbers", "000001.png"),
    row(f"{_VIDEO}.frames._film: --fps", "more frames than the video has", of_film("--fps=99"),
        "--fps=99 cannot be taken from {at}/a.mp4", "10 frames per second"),
    row("tfds_kitti360.films.Film.read", "a damaged frame", decoding(retrieves=False),
        "frame 0 of {at}/a.mp4 is damaged"),
    row(f"{_VIDEO}.intrinsics.choose: --intrinsics", "a camera said twice", camera("1,1,1,1", fov=60.0),
        "--intrinsics and --fov"),
    row(f"{_VIDEO}.intrinsics.choose: --fov", "a field of view behind the camera", camera(None, fov=190.0),
        "--fov=190", "between 20 and 150"),
    row(f"{_VIDEO}.intrinsics._from_numbers: {{}}: {{}}", "no focal length", camera("0,100,80,48"),
        "--intrinsics=0,100,80,48", "not a camera's fx, fy, cx, cy"),
    row(f"{_VIDEO}.intrinsics._from_numbers: {{}} mixes", "fractions among pixels", camera("1,1,80,48"),
        "--intrinsics=1,1,80,48 mixes fractions with pixels", "in pixels"),
    row(f"{_VIDEO}.intrinsics._from_numbers: {{}} is for", "the camera of pictures of another shape",
        camera_file('{"fx": 99, "cx": 48, "cy": 80, "w": 96, "h": 160}'), "{at}/camera.txt is for 160x96 pictures",
        "cropped or rotated"),
    row(f"{_VIDEO}.camera_files.read: --intrinsics={{}} is far", "a file that fills memory",
        camera_file(b"1" * ((1 << 26) + 1)), "--intrinsics={at}/camera.txt is far too large"),
    row(f"{_VIDEO}.camera_files.read: --intrinsics={{}} is neither", "a wrong path of the camera", camera("absent.txt"),
        "--intrinsics=absent.txt is neither four numbers nor a text file"),
    row(f"{_VIDEO}.camera_files.read: {{}} holds", "a file of something else", camera_file("wide angle"),
        "{at}/camera.txt holds no intrinsics"),
    row(f"{_VIDEO}.make.write_download: {{}} is {{}}x{{}}", "videos of two cameras", of_two_sizes,
        "{at}/b is 80x160, but {at}/a is 96x160"),
    row(f"{_VIDEO}.make.write_download: --size", "more than the frames have", of_folder("--size=128x160"),
        "--size=128x160 is larger than the frames of {at}/frames", "96x160"),
    row(f"{_VIDEO}.make.write_download: {{}} holds", "a folder of another video", of_another_video,
        "{at}/built holds a data set of other videos", "--data_dir"),
    row(f"{_VIDEO}.make.write_download: {{}} cannot", "a folder that cannot be", unwritable,
        "{at}/built/video_frames cannot be written", "--data_dir"),
    row(f"{_VIDEO}.make.network_size", "frames too small for the networks", lambda at: make.network_size((63, 200)),
        "63x200", "64x64"),
    row(f"{_VIDEO}.make._write_drive", "a video in which nothing moves", of_folder("--size=64x96", images=[0] * 4),
        "{at}/frames has 4 frames, of which 1 show motion"),
]  # fmt: skip
