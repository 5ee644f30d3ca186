"""Names of pictures in the order of time: read in that order, or refused with the reason; never another order."""

import random

import PIL.Image
import pytest
from edges.prediction_cases import look, put
from edges.test_footage_edges import IMAGES, SHUFFLED, named

from tfds_kitti360.errors import DatasetError
from tfds_kitti360.files import list_folder
from tfds_kitti360.order import doubt, interleaved
from tfds_kitti360.pictures import ENDINGS, time_taken
from tfds_kitti360.video.frames import find_sources

FRACTIONS = ("05", "1", "15", "2", "25", "3", "35", "4")
KEPT = SHUFFLED | {
    "seconds of ROS behind a word": [f"left-1503677345.{n}.png" for n in FRACTIONS],
    "seconds and nanoseconds of ROS": [f"1503677345_{n}.png" for n in (5000000, 25000000, 100000000, 999999999)],
    "milliseconds of a telephone": [f"PXL_20240901_2359{n}.jpg" for n in ("58005", "58900", "59001", "59002")],
    "WhatsApp": [f"WhatsApp Image 2024-09-01 at 23.59.5{n}.jpeg" for n in (7, 8, 9)],
    "copies of Windows": ["a.png", "a (1).png", "a (2).png", "a (10).png"],
    "names from a zip with backslashes": [f"images\\{n}.png" for n in (1, 2, 10)],
    "letters": [f"{letter}.png" for letter in "abcdefgh"],
    "digits of another script": [f"{chr(0x660 + n // 10)}{chr(0x660 + n % 10)}.png" for n in (1, 2, 10)],
    "wide digits": [f"{name}.png" for name in ("\uff11", "\uff12", "\uff11\uff10")],
    "two cameras one after the other": [f"{side}{n:06d}.png" for side in ("left", "right") for n in range(4)],
    "BDD100K": [f"0a0a0b1a-7c39d841-{n:07d}.jpg" for n in (1, 2, 10)],
    "Virtual KITTI": [f"rgb_{n:05d}.jpg" for n in range(4)],
    "ffmpeg beyond its zeros": ["out-998.png", "out-999.png", "out-1000.png"],
    "a part of a second without zeros": [f"1503677345.{n}.png" for n in ("9", "95", "99")] + ["1503677346.0.png"],
}
REFUSED = {
    "seconds": [f"{n}.png" for n in ("0.05", "0.1", "0.15", "0.2", "0.25")],
    "seconds behind a word": [f"t={n}s.png" for n in ("0.5", "0.75", "1.0", "1.25", "1.5")],
    "a fraction behind an underscore": [f"1503677345_{n}.png" for n in FRACTIONS],
    "days before months": ["30-08-2024.png", "31-08-2024.png", "01-09-2024.png", "02-09-2024.png"],
    "months before years": ["12-30-2023 a.png", "12-31-2023 a.png", "01-01-2024 a.png"],
    "names of months": ["2024-Aug-30.png", "2024-Aug-31.png", "2024-Sep-01.png", "2024-Oct-01.png"],
    "a screen of macOS": [f"Screenshot at {t}.png" for t in ("11.58.00 AM", "11.59.00 AM", "1.00.00 PM")],
    "hashes": [f"{n}.png" for n in ("f3a9c2d1", "0b7e4a11", "9c1d2e3f", "77aa01bc", "1a2b3c4d")],
    "UUIDs": [f"{n}.png" for n in ("6ba7b810-9dad", "1b4e28ba-2fa1", "f81d4fae-7dec", "00a8de61-0f2a")],
    "a hexadecimal counter": [f"frame_{n:04x}.png" for n in range(4, 40)],
    "a hexadecimal counter without zeros": [f"frame_{n:x}.png" for n in range(8, 24)],
    "words": ["one.png", "two.png", "three.png", "four.png"],
    "Roman numbers": ["i.png", "ii.png", "iii.png", "iv.png", "v.png"],
    "columns of a table": ["x.png", "y.png", "z.png", "aa.png", "ab.png"],
    "negative numbers": [f"{n}.png" for n in range(-3, 4)],
    "negative frames of Blender": ["frame_-0010.png", "frame_-0002.png", "frame_0003.png"],
    "a counter that began again": ["DSC_9998.JPG", "DSC_9999.JPG", "DSC_0001.JPG", "DSC_0002.JPG"],
    "depth beside colour": [f"{n}.{kind}.png" for n in range(3) for kind in ("color", "depth")],
    "covers of a burst": ["IMG_1.jpg", "IMG_1_COVER.jpg", "IMG_2.jpg", "IMG_2_COVER.jpg"],
    "labels of Cityscapes": [f"aachen_{n}_{kind}.png" for n in range(3) for kind in ("gtFine_color", "leftImg8bit")],
}


def listed(at, names):
    """The folder as it is read: the names are shuffled on disk."""
    for name in random.Random(0).sample(names, len(names)):
        (at / name).touch()
    return list_folder(at, ENDINGS).files


@pytest.mark.parametrize("names", KEPT.values(), ids=KEPT.keys())
def test_kept(tmp_path, names):
    files = listed(tmp_path, names)
    assert [file.name for file in files] == names
    assert interleaved(files) is None and doubt(files) is None


@pytest.mark.parametrize("names", REFUSED.values(), ids=REFUSED.keys())
def test_refused(tmp_path, names):
    files = listed(tmp_path, names)
    assert interleaved(files) or doubt(files)


def with_times(at, times):
    """JPEG frames in the order of their names, with what their camera noted."""
    at.mkdir()
    folder = named(*(f"IMG_{n}.jpg" for n in range(len(times))))(at)
    for n, (path, (second, fraction)) in enumerate(zip(list_folder(folder, ENDINGS).files, times, strict=True)):
        exif = PIL.Image.Exif()
        exif.get_ifd(0x8769).update({36867: f"2024:09:01 23:59:{second:02d}", 37521: fraction})
        PIL.Image.fromarray(IMAGES[n]).save(path, exif=exif)
    return folder


def test_the_camera_s_clock_decides_whether_a_counter_began_again(tmp_path):
    right = with_times(tmp_path / "a", [(1, "100"), (1, "200"), (2, "000"), (10, "5")])
    assert time_taken(right / "IMG_0.jpg") == "2024:09:01 23:59:01.100"
    assert doubt(list_folder(right, ENDINGS).files) is None
    wrong = with_times(tmp_path / "b", [(10, "0"), (11, "0"), (1, "0"), (2, "0")])
    with pytest.raises(DatasetError, match=r"IMG_2\.jpg was taken at .*59:01.0, before IMG_1\.jpg at .*59:11"):
        find_sources([wrong])
    assert time_taken(tmp_path / "absent.jpg") is None


def test_a_film_of_pictures_out_of_order_says_so(tmp_path, one_network, capsys):
    for name in ("one.png", "two.png", "three.png"):
        put(tmp_path / "words" / name)
    for name in ("1_left.png", "1_right.png", "2_left.png", "2_right.png"):
        put(tmp_path / "cameras" / name)
    look(tmp_path, tmp_path / "words", "a", "video")
    assert "depth.webm may not be in the order of time: names hold no numbers." in capsys.readouterr().err
    look(tmp_path, tmp_path / "cameras", "b", "video")
    assert "several sequences run through one another (1_left.png, 1_right.png)" in capsys.readouterr().err
    look(tmp_path, tmp_path / "words", "c", "npy")
    assert "order of time" not in capsys.readouterr().err
