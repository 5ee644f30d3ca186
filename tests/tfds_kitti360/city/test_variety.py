"""With variety every drive is another world and every seed another camera; without it the city is what it was."""

import collections
import json

import cv2
import numpy as np
import pytest

from tfds_kitti360 import labels, layout
from tfds_kitti360.city import district, drive, lens, light, plan, scanner, world
from tfds_kitti360.city.__main__ import main

SIZE = (64, 208)
# Frame 1 of drives 0 and 1 of the city of seed 5 at 64x160, as drawn before there was variety: mean grey values of
# blocks of 32x40 pixels of the left and the right picture, pixels of some classes, and mean depth in metres.
BEFORE = {
    0: (
        [[182.89, 160.83, 143.36, 137.47], [135.59, 145.43, 117.88, 122.56]],
        [[182.66, 158.31, 152.69, 120.05], [141.75, 139.57, 121.83, 118.42]],
        {"road": 1480, "building": 1601, "vegetation": 621, "sky": 1012, "car": 961},
        11.2139,
        119058,
    ),
    1: (
        [[110.74, 141.78, 124.22, 123.54], [118.72, 140.86, 129.55, 121.41]],
        [[116.4, 141.72, 123.55, 125.5], [122.29, 139.88, 124.31, 117.3]],
        {"road": 2376, "building": 3470, "vegetation": 1409, "sky": 632, "car": 861},
        14.1140,
        119015,
    ),
}


@pytest.mark.parametrize("which", BEFORE)
def test_without_variety_pictures_labels_and_scans_are_those_of_earlier_versions(which):
    left, right, counts, mean_depth, points = BEFORE[which]
    ride = drive.Drive(seed=5, which=which, frames=3, size=(64, 160))
    drawn = ride.scene_at(1)
    for expected, aside in ((left, 0.0), (right, ride.rig.baseline)):
        picture = ride.picture(1, *drawn, aside=aside)
        blocks = picture.image.reshape(2, 32, 4, 40, 3).mean((1, 3, 4))
        np.testing.assert_allclose(blocks, expected, atol=0.1)  # other processors may round another way
    picture = ride.picture(1, *drawn)
    for name, count in counts.items():
        assert abs((picture.value // 1000 == labels.BY_NAME[name].id).sum() - count) <= 3, name
    assert abs(picture.depth.mean() - mean_depth) < 0.01
    scan = scanner.scan(drawn[0], drawn[1].geometry, ride.local_from_velo, 1.0, np.random.default_rng(0))
    assert abs(len(scan) - points) < 20


def _varied(seed, which=0, *, kind=None, frames=12, size=SIZE):
    """A drive with variety; with the vegetation, cars and people of one kind of street where `kind` is given."""
    rig = world.make_rig(plan.Settings(1, frames, size, seed, False, variety=True))
    drawn = world.draw_world(seed, which, rig=rig)
    if kind:
        drawn = drawn._replace(district=kind)
    return drive.Drive(seed=seed, which=which, frames=frames, size=size, rig=rig, world=drawn)


def test_the_same_seed_draws_the_same_and_another_drive_or_seed_another_world():
    one, again = (_varied(3).picture(2, *_varied(3).scene_at(2)) for _ in range(2))
    np.testing.assert_array_equal(one.image, again.image)
    worlds = [_varied(seed, which).world for seed, which in ((3, 0), (3, 1), (4, 0))]
    for name in ("sun", "light", "response", "surfaces", "raised", "tilt"):
        assert len({str(getattr(drawn, name)) for drawn in worlds}) == 3, name


def test_cameras_span_the_focal_lengths_and_keep_the_horizon_in_the_picture():
    rigs = [world.make_rig(plan.Settings(1, 3, SIZE, seed, False, variety=True)) for seed in range(60)]
    shares = [rig.intrinsics[0, 0] / SIZE[1] for rig in rigs]
    assert 0.35 <= min(shares) < 0.4 and 0.8 < max(shares) <= 0.9
    for seed in range(8):
        ride = _varied(seed, frames=3)
        fy, cy = ride.rig.intrinsics[1, 1:]
        pose = ride.local_from_cam0(0.0)
        rise = np.arctan2(pose[2, 2], np.hypot(pose[0, 2], pose[1, 2]))  # of the optical axis over the horizon
        assert 0.3 < (cy + fy * np.tan(rise)) / SIZE[0] < 0.62
        assert 1.18 < pose[2, 3] < 2.02  # the road is not quite even


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """A city of a long focal length as it is written, read back."""
    out = tmp_path_factory.mktemp("city") / "varied"
    flags = ["--variety=1", "--focal=0.7", "--drives=1", "--frames=3", "--size=128x416", "--seed=6", "--no_scans"]
    assert main([f"--out={out}", *flags]) == 0
    return out


def test_what_was_drawn_is_recorded(city):
    record = json.loads((city / "city.json").read_text())
    assert record["variety"] is True and record["focal"] == 0.7
    rig = world.make_rig(plan.Settings(1, 3, (128, 416), 6, False, variety=True, focal=0.7))
    written = json.loads((city / "data_truth" / layout.drive_name(0) / "world.json").read_text())
    drawn = world.draw_world(6, 0, rig=rig)
    assert written["light"]["sun"] == list(drawn.light.sun) and written["response"]["gamma"] == drawn.response.gamma
    assert written["district"]["kind"] == drawn.district.kind and written["raised"] == drawn.raised


@pytest.mark.parametrize("variety", ("--variety=0", "--variety=1"))
def test_the_focal_length_asked_for_is_in_the_calibration(variety, tmp_path, monkeypatch):
    monkeypatch.setattr("tfds_kitti360.city.make.write_drive", lambda *_: None)
    assert main([f"--out={tmp_path}", variety, "--focal=0.5", "--drives=1", "--size=64x208"]) == 0
    projection = layout.Calibration.load(tmp_path).projection
    assert projection[0][0, 0] == pytest.approx(0.5 * 208)
    assert projection[1][0, 3] == pytest.approx(-0.5941862 * 0.5 * 208, rel=1e-4)  # the real baseline, 594 mm


def _reprojected(city, focal_factor=1.0):
    """Median relative difference of depth and correlation of grey values, of frame 0's points seen in frame 2."""
    folder, paths = city / "data_truth" / layout.drive_name(0), layout.Layout(city)
    poses = layout.read_poses(folder / "cam0_to_world.txt")
    intrinsics = layout.Calibration.load(city).projection[0][:, :3].copy()
    intrinsics[[0, 1], [0, 1]] *= focal_factor
    depth = [np.load(folder / "depth" / f"{frame:010d}.npy") for frame in (0, 2)]
    image = [cv2.imread(str(paths.images(0) / f"{frame:010d}.png"), 0).astype(np.float32) for frame in (0, 2)]
    moving = cv2.imread(str(folder / "moving" / f"{0:010d}.png"), 0) > 0
    y, x = np.nonzero((depth[0] > 0) & ~moving)
    points = np.linalg.inv(intrinsics) @ (np.stack([x, y, np.ones(len(x))]) * depth[0][y, x])
    to_other = np.linalg.inv(poses[2]) @ poses[0]
    u, v, z = intrinsics @ (to_other[:3, :3] @ points + to_other[:3, 3:])
    column, row = np.round(u / z).astype(int), np.round(v / z).astype(int)
    inside = (z > 0) & (column >= 0) & (column < 416) & (row >= 0) & (row < 128)
    seen = depth[1][row[inside], column[inside]]
    differs = np.abs(seen - z[inside]) / z[inside]
    visible = differs < 0.03
    grey = image[0][y, x][inside][visible], image[1][row[inside], column[inside]][visible]
    return np.median(differs), np.corrcoef(*grey)[0, 1]


def test_depth_pose_and_calibration_warp_one_frame_into_the_other(city):
    differs, correlation = _reprojected(city)
    assert differs < 0.007 and correlation > 0.8
    wrong, uncorrelated = _reprojected(city, focal_factor=0.8)
    assert wrong > 3 * differs and uncorrelated < correlation - 0.03


@pytest.mark.parametrize("kind", district.KINDS, ids=lambda kind: kind.kind)
def test_every_kind_of_street_has_its_cars_people_and_plants(kind):
    found = collections.Counter()
    for seed in (0, 1, 2):
        ride = _varied(seed, kind=kind, size=(64, 160))
        scene, table = ride.scene_at(4)
        found.update(ride.city.things[thing] for thing in ride.things_in(ride.picture(4, scene, table), table))
    assert found["vehicle"] + found["moving vehicle"] >= 2
    assert found["person"] >= 1 and found["tree"] >= 3


def test_the_tone_curve_clips_and_the_noise_follows_its_strength():
    plain = lens.Response(
        exposure=2.0, automatic=0.0, cast=(1.0, 1.0, 1.0), gamma=1.0, shoulder=0.0, black=0.0, saturation=1.0,
        vignette=0.0, glare=0.0, noise=(0.0, 0.0), softness=0.0,
    )  # fmt: skip
    color = np.float32([[[0.1, 0.25, 0.4], [0.6, 3.0, 0.0]]]).repeat(40, 0).repeat(40, 1)
    developed = lens.develop(color, plain, np.random.default_rng(0))
    np.testing.assert_array_equal(developed[20, 20], [51, 128, 204])  # 2 * 255 * value
    np.testing.assert_array_equal(developed[20, 60], [255, 255, 0])
    noisy = lens.develop(color, plain._replace(noise=(0.02, 0.0)), np.random.default_rng(0))
    assert (noisy[:, :40, 1].astype(float) - 127.5).std() == pytest.approx(0.02 * 255, rel=0.1)
    dim, bright = (
        lens.develop(color * factor, plain._replace(automatic=0.8), np.random.default_rng(0))[20, 20].mean()
        for factor in (0.25, 1.0)
    )
    assert 0.35 * bright < dim < bright  # where the exposure is fixed it is a quarter
    dark = lens.develop(color, plain._replace(vignette=0.5), np.random.default_rng(0))
    assert dark[0, 0, 1] == pytest.approx(0.5 * 127.5, abs=1) and dark[20, 38, 1] > 125


def test_an_overcast_sky_has_no_sun_and_no_glow():
    lights = [light.draw_light(np.random.default_rng(seed), 0.8) for seed in range(80)]
    dim = [one for one in lights if max(one.sun) < 0.6]
    assert 8 < len(dim) < 35
    assert all(np.ptp(one.horizon) < 0.35 and one.glow < 2.0 for one in dim)
