"""Second round: folders, cameras and pictures as other tools of this field leave them."""

import io
import json
import struct

import numpy as np
import own_video
import PIL.Image
import pytest
from edges.cases import Case, check_video, ids
from edges.test_footage_edges import FROM_FILE, IMAGES, NERF, camera, named

from mtl_depth.media import inputs
from tfds_kitti360.build import main
from tfds_kitti360.errors import DatasetError
from tfds_kitti360.pictures import read_picture
from tfds_kitti360.video.frames import find_sources

NUMBERED = [f"{n:010d}.png" for n in range(8)]


def below(folder, names=NUMBERED, *, given=".", images=IMAGES):
    """Pictures in a folder below; `given` is what the user names, relative to where it begins."""

    def do(at):
        for name, image in zip(names, images):
            path = at / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(image).save(path)
        return at / given

    return do


def only(name, content):
    def do(at):
        (at / "frames").mkdir()
        (at / "frames" / name).write_bytes(content)
        return at / "frames"

    return do


def nothing(at):
    (at / "frames").mkdir()
    return at / "frames"


def with_alpha(value):
    return [np.dstack([image, np.full(image.shape[:2], value, np.uint8)]) for image in IMAGES]


def every_other_turned(at):
    """A telephone that was turned half way: stored on their sides, every other one, and marked so."""
    (at / "frames").mkdir()
    for n, image in enumerate(IMAGES):
        exif = PIL.Image.Exif()
        exif[0x0112] = 6 if n % 2 else 1
        stored = np.ascontiguousarray(np.rot90(image)) if n % 2 else image
        PIL.Image.fromarray(stored).save(at / "frames" / f"IMG_{n}.jpg", exif=exif, quality=98)
    return at / "frames"


CAMERA_YAML = """
image_width: 160
camera_matrix:
  rows: 3
  cols: 3
  data: [120.0, 0.0, 80.0, 0.0, 121.0, 48.0, 0.0, 0.0, 1.0]
distortion_coefficients: {rows: 1, cols: 5, data: [-0.3, 0.1, 0.0, 0.0, 0.0]}
"""
KALIBR = "cam0:\n  distortion_coeffs: [-0.28, 0.07, 0, 0]\n  intrinsics: [120.0, 121.0, 80.0, 48.0]\n"
CITYSCAPES = json.dumps({"intrinsic": {"fx": 2262.52, "fy": 2265.3, "u0": 1096.98, "v0": 513.137}})
ODOMETRY = "P0: 718.8 0 607.1 0 0 718.8 185.2 0 0 0 1 0\nP1: 718.8 0 607.1 -386 0 718.8 185.2 0 0 0 1 0\n"
NUSCENES = json.dumps([{"token": "a", "camera_intrinsic": [[1266.4, 0, 816.2], [0, 1266.4, 491.5], [0, 0, 1]]}])
RAW = "2011_09_26_drive_0001_sync"
UNKNOWN = ("holds no intrinsics in a known format",)

CASES = [
    Case(4, "HEIC of a telephone and nothing else", only("IMG_0.HEIC", b"\0\0\0\x18ftypheic"), 2, (r"IMG_0\.HEIC",)),
    Case(4, "a drive of KITTI raw", below(f"{RAW}/image_02/data", given=RAW), 2, ("1 folders .image_02.",)),
    Case(4, "a camera of KITTI raw", below(f"{RAW}/image_02/data", given=f"{RAW}/image_02"), 2, ("folders .data.",)),
    Case(4, "the pictures of KITTI raw", below(f"{RAW}/image_02/data", given=f"{RAW}/image_02/data"), 0, ("8 frames",)),
    Case(4, "the root of Cityscapes", below("leftImg8bit/train/aachen", given="leftImg8bit"), 2, ("folders .train.",)),
    Case(4, "samples of nuScenes", below("samples/CAM_FRONT", given="samples"), 2, ("folders .CAM_FRONT.",)),
    Case(4, "an empty folder", nothing, 2, ("without frames .it is empty.",)),
    Case(5, "transparent renderings of Blender", below("r", given="r", images=with_alpha(0)), 0, ("8 frames",)),
    Case(5, "CARLA's four channels", below("_out", given="_out", images=with_alpha(255)), 0, ("8 frames",)),
    Case(5, "a transforms.json without a centre", camera({"fl_x": 120, "fl_y": 120, "w": 160, "h": 96}), 2, UNKNOWN,
         FROM_FILE),
    Case(5, "names in another order", camera("cx: 80\ncy: 48\nfx: 120\nfy: 121\n"), 2, UNKNOWN, FROM_FILE),
    Case(5, "the size before the numbers", camera("width 160 height 96 fx 120 fy 121\n"), 2, UNKNOWN, FROM_FILE),
    Case(5, "ScanNet's names", camera("fx_color = 120\nfy_color = 121\nmx_color = 80\nmy_color = 48\n"), 0,
         ("fx 120.0, fy 121.0, cx 80.0, cy 48.0",), FROM_FILE),
    Case(5, "a header of a table", camera("fx,fy,cx,cy\n120,121,80,48\n"), 0, ("fx 120.0, fy 121.0",), FROM_FILE),
    Case(5, "a camera of upright pictures", camera(NERF | {"w": 96, "h": 160}), 2,
         ("and these are 96x160: one is cropped or rotated",), FROM_FILE),
    Case(5, "a camera of four to three", camera(NERF | {"w": 320, "h": 240}), 2, ("cropped or rotated",), FROM_FILE),
    Case(5, "a camera of pictures twice as large", camera(NERF | {"fl_x": 240, "fl_y": 240, "cx": 160, "cy": 96,
         "w": 320, "h": 192}), 0, ("scaled to the frames', 96x160", "fx 120.0, fy 120.0"), FROM_FILE),
    Case(5, "a lens is said once", camera(NERF | {"k1": -0.2}), 0,
         (r"(?s)\A(?!.*lens distortion.*lens distortion).*lens distortion",), FROM_FILE),
    Case(5, "camera_info of ROS", camera(CAMERA_YAML), 2, UNKNOWN, FROM_FILE),
    Case(5, "camchain of Kalibr", camera(KALIBR), 2, UNKNOWN, FROM_FILE),
    Case(5, "camera.json of Cityscapes", camera(CITYSCAPES), 2, UNKNOWN, FROM_FILE),
    Case(5, "calib.txt of KITTI odometry", camera(ODOMETRY), 2, UNKNOWN, FROM_FILE),
    Case(5, "calibrated_sensor.json of nuScenes", camera(NUSCENES), 2, UNKNOWN, FROM_FILE),
    Case(5, "a transposed matrix", camera("120 0 0 0 121 0 80 48 1"), 2, UNKNOWN, FROM_FILE),
    Case(6, "a telephone that was turned half way", every_other_turned, 0, ("8 frames of 96x160",)),
    Case(6, "grey pictures", below("g", given="g", images=[image[..., 0] for image in IMAGES]), 0, ("8 frames",)),
    Case(6, "frames named by words", named("one.png", "two.png", "three.png", "four.png"), 2,
         ("do not tell the order", "names hold no numbers")),
    Case(6, "a resource fork among the numbers", below("a", ["._1.png", "1.png", "2.png", "3.png", "4.png"], given="a",
         images=IMAGES), 0, ("4 frames", "1 hidden")),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_exports_of_other_tools(tmp_path, capsys, case):
    check_video(case, tmp_path, capsys)


def test_a_zip_of_windows_unpacked_elsewhere(tmp_path, capsys):
    """Backslashes in the names of files where folders were meant."""
    (tmp_path / "raw").mkdir()
    for name in NUMBERED:
        (tmp_path / "raw" / rf"data_2d_raw\2013_05_28_drive_0003_sync\image_00\data_rect\{name}").touch()
    assert main([f"--manual_dir={tmp_path / 'raw'}", f"--data_dir={tmp_path / 'built'}", "--size=64x96"]) == 2
    assert r"data_2d_raw\2013_05_28_drive_0003_sync" in capsys.readouterr().err


def test_an_anamorphic_film_is_as_wide_as_it_is_shown(tmp_path):
    """Pixels of an old camcorder that are twice as wide as high: the track's width, 16.16 bits, behind its matrix."""
    film = own_video.film(tmp_path / "a.mp4", IMAGES)
    data = bytearray(film.read_bytes())
    place = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8 + 36
    assert struct.unpack_from(">I", data, place)[0] == IMAGES[0].shape[1] << 16
    struct.pack_into(">I", data, place, 2 * IMAGES[0].shape[1] << 16)
    film.write_bytes(data)
    (source,) = find_sources([film])
    assert source.size == (96, 320)
    built = [image for _, image in source.read()]
    seen = [image for _, image in inputs.find(film).read()]
    np.testing.assert_array_equal(built, seen)
    for image, true in zip(built, IMAGES):
        assert np.abs(image[:, ::2].astype(int) - true).mean() < 12


def tiff(samples, *, planar=1, sign=1):
    """An uncompressed TIFF of [h w c] or, planar, [c h w]."""
    height, width, channels = samples.shape if planar == 1 else (*samples.shape[1:], samples.shape[0])
    bits, data = 8 * samples.dtype.itemsize, samples.tobytes()
    planes = channels if planar == 2 else 1
    start = 8 + 2 + 12 * 11 + 4
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, 2 if channels == 3 else 1), (273, start),
            (277, channels), (278, height), (279, len(data) // planes), (284, planar), (339, sign)]  # fmt: skip
    extra, entries = b"", b""
    for tag, value in tags:
        values = [value]
        if tag in (258, 339) and channels > 1:
            values = [value] * channels
        if tag in (273, 279) and planes > 1:
            values = [start + 99 + n * (len(data) // planes) if tag == 273 else value for n in range(planes)]
        kind, size = (4, "I") if tag in (273, 279) else (3, "H")
        packed = struct.pack(f"<{len(values)}{size}", *values)
        if len(packed) > 4:
            entries += struct.pack("<HHII", tag, kind, len(values), start + len(extra))
            extra += packed
        else:
            if tag == 273:
                packed = struct.pack("<I", start + 99)
            entries += struct.pack("<HHI4s", tag, kind, len(values), packed)
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + bytes(4) + extra
    return head.ljust(start + 99, b"\0") + data


COLOURS = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)
DEEP = COLOURS.astype(np.uint16) * 257


def test_planes_of_a_tiff(tmp_path):
    np.testing.assert_array_equal(read_picture(tiff(COLOURS)), COLOURS)
    np.testing.assert_array_equal(read_picture(tiff(np.moveaxis(COLOURS, -1, 0).copy(), planar=2)), COLOURS)
    np.testing.assert_array_equal(read_picture(tiff(DEEP)), COLOURS)
    with pytest.raises(DatasetError, match="colours lie in planes of more than 8 bits"):
        read_picture(tiff(np.moveaxis(DEEP, -1, 0).copy(), planar=2))


@pytest.mark.parametrize("samples", [COLOURS[..., :1].astype(np.int16) - 90, COLOURS[..., :1].view(np.int8)])
def test_samples_with_a_sign_are_refused(samples):
    with pytest.raises(DatasetError, match="samples have a sign"):
        read_picture(tiff(np.ascontiguousarray(samples), sign=2))


def test_floats_of_16_bits_are_refused(capfd):
    with pytest.raises(DatasetError, match="floats of 16 bits"):
        read_picture(tiff((COLOURS[..., :1] / 255).astype(np.float16), sign=3))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_pages_and_animations_are_refused_and_a_second_picture_of_a_telephone_is_not(kind):
    first, second = (PIL.Image.fromarray(image) for image in (COLOURS, COLOURS[::-1].copy()))

    def written(kind, **options):
        file = io.BytesIO()
        first.save(file, kind, save_all=True, append_images=[second], **options)
        return file.getvalue()

    with pytest.raises(DatasetError, match="holds 2 pictures in one file"):
        read_picture(written(kind))
    np.testing.assert_allclose(read_picture(written("MPO", quality=100, subsampling=0)), COLOURS, atol=6)
