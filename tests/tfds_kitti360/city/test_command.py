"""The command writes the official layout, keeps what is finished and explains mistakes in one sentence."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from tfds_kitti360 import layout
from tfds_kitti360.city import plan
from tfds_kitti360.city.__main__ import main
from tfds_kitti360.errors import DatasetError

FLAGS = ["--drives=2", "--frames=3", "--size=64x160", "--seed=5", "--stereo"]


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    out = tmp_path_factory.mktemp("city") / "new"
    assert main([f"--out={out}", *FLAGS]) == 0
    return out


def _read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_all_files_are_there_in_their_encodings(city):
    paths = layout.Layout(city)
    assert layout.Calibration.load(city).size == (64, 160)
    for drive, first in ((0, 0), (2, 4391)):
        for camera in (0, 1):
            assert (paths.images(drive, camera=camera).parent / "timestamps.txt").read_text().count("\n") == 3
            for frame in range(first, first + 3):
                image = _read(paths.images(drive, camera=camera) / f"{frame:010d}.png")
                assert image.shape == (64, 160, 3) and image.dtype == np.uint8 and image.std() > 20
        name = f"{first:010d}.png"
        semantic, instance, confidence = (
            _read(paths.labels(drive, kind) / name) for kind in ("semantic", "instance", "confidence")
        )
        assert semantic.dtype == np.uint8 and instance.dtype == confidence.dtype == np.uint16
        np.testing.assert_array_equal(instance // 1000, semantic)
        assert 0.2 * 65535 <= confidence.min() < confidence.max() <= 65535
        scan = np.fromfile(paths.scans(drive) / f"{first:010d}.bin", np.float32).reshape(-1, 4)
        assert len(scan) > 50_000 and np.all(np.isfinite(scan)) and 0 <= scan[:, 3].min() <= scan[:, 3].max() <= 1
        depth = np.load(city / "data_truth" / layout.drive_name(drive) / "depth" / f"{first:010d}.npy")
        assert depth.dtype == np.float32 and depth.shape == (64, 160)


def test_both_pose_files_agree_and_lie_kilometres_away(city):
    calibration = layout.Calibration.load(city)
    for drive in (0, 2):
        paths = layout.Layout(city)
        imu, camera = layout.read_poses(paths.poses(drive)), layout.read_poses(paths.cam0_to_world(drive))
        assert imu.keys() == camera.keys() and len(imu) >= 3
        for frame, pose in imu.items():
            expected = pose @ calibration.cam_to_pose @ np.linalg.inv(calibration.rectification[0])
            np.testing.assert_allclose(camera[frame], expected, atol=1e-6)
            assert np.linalg.norm(pose[:2, 3]) > 1000


def test_the_exact_truth_can_be_left_out(tmp_path, city):
    assert main([f"--out={tmp_path}", "--drives=1", "--frames=3", "--size=64x160", "--seed=5", "--no_truth"]) == 0
    folder = tmp_path / "data_truth" / layout.drive_name(0)
    assert sorted(path.name for path in folder.iterdir()) == ["cam0_to_world.txt", "objects.json"]
    for path in layout.Layout(tmp_path).images(0).iterdir():
        assert path.read_bytes() == (city / path.relative_to(tmp_path)).read_bytes()


def test_scans_can_be_left_out(tmp_path):
    assert main([f"--out={tmp_path}", "--drives=1", "--frames=3", "--size=64x160", "--seed=5", "--no_scans"]) == 0
    paths = layout.Layout(tmp_path)
    assert len(list(paths.images(0).iterdir())) == 3 and not (tmp_path / "data_3d_raw").exists()


def test_the_last_drive_is_the_val_list(city):
    train, val = (layout.Layout(city).frame_list(split).read_text().splitlines() for split in ("train", "val"))
    assert train and all("drive_0000_sync" in line for line in train)
    assert val and all("drive_0002_sync" in line for line in val)
    for line in train + val:
        image, semantic = line.split(" ")
        assert (city / image).is_file() and (city / semantic).is_file()


def test_a_second_run_keeps_what_is_finished_and_redoes_the_rest(city):
    paths = layout.Layout(city)
    kept, redone = paths.images(0) / "0000000001.png", paths.images(2) / "0000004392.png"
    before, content = kept.stat().st_mtime_ns, redone.read_bytes()
    redone.write_bytes(b"damaged")
    (city / "data_truth" / layout.drive_name(2) / "objects.json").unlink()  # as if interrupted
    assert main([f"--out={city}", *FLAGS]) == 0
    assert kept.stat().st_mtime_ns == before
    assert redone.read_bytes() == content  # and the same seed gives the same picture
    assert not list(city.rglob("*.tmp"))


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--size=376"], "HEIGHTxWIDTH"),
        (["--size=8x8"], "outside"),
        (["--drives=10"], "1 to 9 drives"),
        (["--drives=0"], "1 to 9 drives"),
        (["--frames=2"], "3 frames"),
        (["--seed=-1"], "seed"),
        (["--focal=552"], "share of the image's width"),
    ],
)
def test_mistakes_end_with_one_sentence_and_status_2(flags, words, tmp_path, capsys):
    assert main([f"--out={tmp_path / 'x'}", *flags]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and words in error and error.count("\n") == 1


def test_other_settings_and_strange_folders_are_refused(tmp_path):
    settings = plan.Settings(2, 3, (64, 160), 5, True)
    (tmp_path / "city.json").write_text(json.dumps(settings.as_json()))
    plan.check_folder(tmp_path, settings)
    with pytest.raises(DatasetError, match="other settings"):
        plan.check_folder(tmp_path, settings._replace(seed=6))
    (tmp_path / "city.json").unlink()
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DatasetError, match="not empty"):
        plan.check_folder(tmp_path, settings)
    with pytest.raises(DatasetError, match="is a file"):
        plan.check_folder(tmp_path / "notes.txt", settings)


def test_a_single_drive_is_all_train(tmp_path, monkeypatch):
    from tfds_kitti360.city import make

    monkeypatch.setattr(make, "write_drive", lambda *_: None)
    make.make_city(tmp_path / "one", plan.Settings(1, 10, (64, 160), 0, False))
    lists = layout.Layout(tmp_path / "one")
    assert lists.frame_list("train").read_text() and lists.frame_list("val").read_text() == ""


def test_help_needs_neither_jax_nor_tfds():
    code = (
        "import sys, runpy; sys.argv = ['city', '--help']\n"
        "try: runpy.run_module('tfds_kitti360.city', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'jax', 'tensorflow_datasets', 'mtl_depth'} & set(sys.modules), 'heavy imports'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--frames" in done.stdout and "unseen street" in done.stdout


def test_ctrl_c_is_a_sentence(tmp_path, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tfds_kitti360.city.make.make_city", interrupt)
    assert main([f"--out={tmp_path / 'x'}", "--drives=1"]) == 130
    assert capsys.readouterr().err.startswith("error: interrupted; finished drives are kept")
