"""Any array that Pillow or OpenCV can write is read to the picture that a person sees; anything else is refused."""

import io
import os
import struct
import zlib

import cv2
import hypothesis.strategies as st
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays

from mtl_depth.data import footage
from mtl_depth.errors import UserError
from tfds_kitti360.errors import DatasetError
from tfds_kitti360.files import expand, list_folder, natural, read_bytes
from tfds_kitti360.order import interleaved
from tfds_kitti360.pictures import read_picture, white_level

FEW = settings(max_examples=60, deadline=None, derandomize=True)
SIDES = st.tuples(st.integers(1, 7), st.integers(1, 9))
LOSSLESS = {"PNG": ("1", "L", "P", "LA", "RGB", "RGBA"), "TIFF": ("1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr"),
            "BMP": ("1", "L", "P", "RGB", "RGBA"), "PPM": ("1", "L", "RGB")}  # fmt: skip


def colours(data, shape):
    return data.draw(arrays.arrays(np.uint8, (*shape, 3)))


def bytes_of(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, format=kind, **options)
    return file.getvalue()


@FEW
@given(data=st.data(), shape=SIDES, kind=st.sampled_from(sorted(LOSSLESS)))
def test_what_pillow_writes(data, shape, kind):
    picture = PIL.Image.fromarray(colours(data, shape)).convert(data.draw(st.sampled_from(LOSSLESS[kind])))
    np.testing.assert_array_equal(read_picture(bytes_of(picture, kind)), np.asarray(picture.convert("RGB")))


@FEW
@given(
    data=st.data(),
    shape=SIDES,
    orientation=st.integers(1, 8),
    deep=st.booleans(),
    kind=st.sampled_from(["PNG", "TIFF"]),
)
def test_the_orientation_mark_is_obeyed(data, shape, orientation, deep, kind):
    values = colours(data, shape)
    if deep:
        picture = PIL.Image.fromarray(values[..., 0].astype(np.uint16) * 257)
        values = np.repeat(values[..., :1], 3, axis=-1)
        white = {"white": 65535}
    else:
        picture, white = PIL.Image.fromarray(values), {}
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    marked = PIL.Image.fromarray(values)
    marked.getexif()[0x0112] = orientation
    upright = np.asarray(PIL.ImageOps.exif_transpose(marked))
    np.testing.assert_array_equal(read_picture(bytes_of(picture, kind, exif=exif), **white), upright)


@FEW
@given(data=st.data(), shape=SIDES, ending=st.sampled_from([".png", ".tif"]), channels=st.sampled_from([1, 3, 4]),
       bits=st.sampled_from([8, 10, 12, 14, 16]))  # fmt: skip
def test_sixteen_bits_by_the_bits_in_use(data, shape, ending, channels, bits):
    values = data.draw(arrays.arrays(np.uint16, (*shape, channels), elements=st.integers(0, 2**bits - 1)))
    values.flat[0] = 2**bits - 1  # the brightest sample that a camera of so many bits gives
    ok, encoded = cv2.imencode(ending, values)
    assert ok
    seen = values.astype(int)[..., 2::-1] if channels > 1 else np.repeat(values.astype(int), 3, axis=-1)
    if channels == 4 and values[..., :3].max() < 2**bits // 4:
        return  # opacity alone is bright, and is dropped
    white = 2**bits - 1
    np.testing.assert_array_equal(read_picture(encoded.tobytes(), white=white), seen * 255 // white)


@pytest.mark.parametrize(("bits", "white"), [(8, 255), (9, 1023), (10, 1023), (11, 4095), (12, 4095), (13, 16383),
                                             (14, 16383), (15, 65535), (16, 65535)])  # fmt: skip
def test_the_bits_in_use_are_found(bits, white):
    values = np.array([[0, 2**bits - 1, 2 ** (bits - 1)]], np.uint16)
    read = read_picture(bytes_of(PIL.Image.fromarray(values), "PNG"))[0, :, 0]
    assert read.tolist() == [int(value) * 255 // white for value in values[0]]


@FEW
@given(data=st.data(), shape=SIDES, dtype=st.sampled_from([np.float32, np.float64]), channels=st.sampled_from([1, 3]),
       scale=st.sampled_from([1, 255]))  # fmt: skip
def test_floats(data, shape, dtype, channels, scale):
    values = data.draw(arrays.arrays(np.uint8, (*shape, channels)))
    values.flat[: values.size] |= 4 if scale == 255 else 0  # half of the samples above 1
    values.flat[0] = 255
    ok, encoded = cv2.imencode(".tif", values.astype(dtype) / dtype(255 // scale))
    assert ok
    seen = values[..., ::-1] if channels == 3 else np.repeat(values, 3, axis=-1)
    np.testing.assert_array_equal(read_picture(encoded.tobytes()), seen)


@FEW
@given(data=st.data(), shape=SIDES, kind=st.sampled_from(["JPEG", "WEBP"]))
def test_lossy_kinds(data, shape, kind):
    value = data.draw(arrays.arrays(np.uint8, 3))
    image = np.broadcast_to(value, (*shape, 3))
    read = read_picture(bytes_of(PIL.Image.fromarray(np.ascontiguousarray(image)), kind, quality=95))
    assert read.shape == image.shape and np.abs(read.astype(int) - image).max() <= 12


def test_high_lights_of_a_renderer_are_white():
    values = np.full((4, 4), 0.5, np.float32)
    values[0] = 30
    read = read_picture(cv2.imencode(".tif", values)[1].tobytes())
    assert read[0].min() == 255 and set(read[1:].ravel()) == {128}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(DatasetError, match="NaN or infinity"):
        read_picture(cv2.imencode(".tif", np.full((2, 2), value, np.float32))[1].tobytes(), name="a.tif")


@pytest.mark.parametrize("shape", [(1, 20_000), (20_000, 1), (1, 1)])
def test_thin_pictures_are_read(shape):
    assert read_picture(bytes_of(PIL.Image.new("RGB", shape[::-1]), "PNG")).shape == (*shape, 3)


@pytest.mark.parametrize("kind", ["AVIF", "DDS", "GIF", "JPEG2000", "PDF", "ICO", "TGA", "SGI", "ICNS"])
def test_other_kinds_are_refused_in_one_sentence(kind):
    picture = PIL.Image.fromarray(np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"a\.png cannot be read as a picture \(.*\); remove it, or save") as error:
        read_picture(bytes_of(picture, kind), name="a.png")
    assert "\n" not in str(error.value) and "object at" not in str(error.value)


def huge():
    """A PNG whose header claims 100,000 x 100,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def test_a_lying_header_costs_nothing():
    with pytest.raises(DatasetError, match=r"(claims to be 100000x100000|cannot be read)"):
        read_picture(huge(), name="a.png")


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".bmp"])
@pytest.mark.parametrize("deep", [False, True])
def test_a_picture_cut_off_is_refused(ending, deep):
    if deep and ending in (".jpg", ".bmp"):
        return
    values = np.random.default_rng(0).integers(0, 60_000 if deep else 256, (40, 40, 3))
    data = cv2.imencode(ending, values.astype(np.uint16 if deep else np.uint8))[1].tobytes()
    with pytest.raises(DatasetError, match="cannot be read as a picture"):
        read_picture(data[: len(data) // 2], name="a")


def test_a_whole_folder_has_one_white(tmp_path):
    for number, brightest in enumerate((900, 4000, 100)):
        PIL.Image.fromarray(np.full((2, 2), brightest, np.uint16)).save(tmp_path / f"{number}.png")
    paths = sorted(tmp_path.iterdir())
    assert white_level(paths) == 4095
    assert [int(read_picture(path, white=white_level(paths))[0, 0, 0]) for path in paths] == [56, 249, 6]
    assert white_level([]) is None


def test_odd_paths(tmp_path, monkeypatch):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("loop", "folder.png", "pipe.png", "absent"):
        with pytest.raises(UserError, match=rf"{name} cannot be read \(.+\); make it readable"):
            footage.read_picture(tmp_path / name)
        with pytest.raises(OSError):
            read_bytes(tmp_path / name)
    strange = os.fsencode(tmp_path) + b"/a\xff [x]*.png"
    with open(strange, "wb") as file:
        file.write(bytes_of(PIL.Image.new("RGB", (3, 2), (1, 2, 3)), "PNG"))
    assert footage.read_picture(os.fsdecode(strange)).tolist() == [[[1, 2, 3]] * 3] * 2
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand("~/x") == tmp_path / "x" and expand("a/~") == expand("a/~")
    with pytest.raises(DatasetError, match="no such home folder"):
        expand("~nobody-has-this-name/x")


def test_folders_are_listed_with_what_is_not_read(tmp_path):
    for name in ("2.png", "10.png", "._2.png", "notes.txt", "Thumbs.db", "1.JPG"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "gone.png").symlink_to("nowhere")
    listing = list_folder(tmp_path, (".png", ".jpg"))
    assert [path.name for path in listing.files] == ["1.JPG", "2.png", "10.png"]
    assert {name for names in listing.unread.values() for name in names} == {
        "._2.png", "notes.txt", "Thumbs.db", "__MACOSX", "gone.png"}  # fmt: skip


@FEW
@given(numbers=st.lists(st.integers(0, 10**12), min_size=2, max_size=8, unique=True), prefix=st.sampled_from(
    ["", "frame", "IMG_", "a b ", "cam0-"]), width=st.sampled_from([0, 6, 10, 13]), suffix=st.sampled_from(
    ["", "_rgb", " (copy)"]))  # fmt: skip
def test_numbers_count_in_every_scheme_of_names(numbers, prefix, width, suffix):
    names = [f"{prefix}{number:0{width}d}{suffix}.png" for number in sorted(numbers)]
    assert sorted(names[::-1], key=natural) == names


def test_sequences_that_run_through_one_another(tmp_path):
    def pair(*names):
        return interleaved([tmp_path / name for name in sorted(names, key=natural)])

    assert pair("1_left.png", "1_right.png", "2_left.png", "2_right.png") == ("1_left.png", "1_right.png")
    assert pair("left_1.png", "left_2.png", "right_1.png", "right_2.png") is None
    assert pair("a1.png", "a2.jpg", "a10.png") is None and pair() is None
