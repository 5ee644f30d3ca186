"""What a drive shows: warps that fit, scans that fit after correction for motion, and enough of everything."""

import collections

import numpy as np
import pytest

from tfds_kitti360 import velodyne
from tfds_kitti360.city import drive, scanner
from tfds_kitti360.labels import train_id_from_id

SIZE = (94, 320)


@pytest.fixture(scope="module")
def ride():
    return drive.Drive(seed=0, which=0, frames=60, size=SIZE)


@pytest.fixture(scope="module")
def views(ride):
    """Every fifth frame of the drive, and frame 1: (picture, moving mask, things), by number."""
    views = {}
    for number in (0, 1, *range(5, 60, 5)):
        scene, table = ride.scene_at(number)
        picture = ride.picture(number, scene, table)
        views[number] = picture, ride.moving_in(picture, table), ride.things_in(picture, table)
    return views


def _warp_error(source, target, source_from_target, intrinsics):
    """Mean L1 of the source sampled where the target's points lie in it, over standing points visible in both."""
    (seen, _, _), (wanted, moving, _) = source, target
    height, width = SIZE
    y, x = np.mgrid[:height, :width].astype(np.float64)
    rays = np.linalg.inv(intrinsics) @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    points = source_from_target[:3, :3] @ (rays * wanted.depth.ravel()) + source_from_target[:3, 3:]
    u, v, z = intrinsics @ points
    z = np.maximum(z, 1e-3)
    u, v = u / z, v / z
    inside = (u > 0) & (u < width - 1) & (v > 0) & (v < height - 1) & (wanted.depth.ravel() > 0) & ~moving.ravel()
    u, v, z = u[inside], v[inside], z[inside]
    iu, iv = u.astype(int), v.astype(int)
    fu, fv = (u - iu)[:, None], (v - iv)[:, None]
    image = seen.image.astype(np.float64) / 255.0
    sampled = (image[iv, iu] * (1 - fu) + image[iv, iu + 1] * fu) * (1 - fv)
    sampled = sampled + (image[iv + 1, iu] * (1 - fu) + image[iv + 1, iu + 1] * fu) * fv
    error = np.abs(sampled - wanted.image.reshape(-1, 3)[inside] / 255.0).mean(-1)
    visible = np.abs(seen.depth[np.round(v).astype(int), np.round(u).astype(int)] - z) < 0.05 * z
    return error[visible].mean(), error.mean()


def test_depth_and_pose_warp_one_frame_into_the_other(ride, views):
    pose = ride.world_from_cam0(np.array([0.0, 1.0]))
    source_from_target = np.linalg.inv(pose[1]) @ pose[0]
    right, _ = _warp_error(views[1], views[0], source_from_target, ride.rig.intrinsics)
    _, inverted = _warp_error(views[1], views[0], np.linalg.inv(source_from_target), ride.rig.intrinsics)
    assert right < 0.025
    assert inverted > 3 * right


def test_scans_fit_the_depth_after_correction_for_motion_only(ride):
    steps = np.diff(ride.world_from_cam0(np.arange(60.0))[:, :3, 3], axis=0)
    headings = np.unwrap([np.arctan2(m[1, 2], m[0, 2]) for m in ride.world_from_cam0(np.arange(60.0))])
    number = 1 + int(np.argmax(np.abs(np.diff(headings)) * (np.linalg.norm(steps, axis=1) > 0.3)))
    scene, table = ride.scene_at(number)
    picture = ride.picture(number, scene, table)
    points = scanner.scan(scene, table.geometry, ride.local_from_velo, float(number), np.random.default_rng(0))
    assert points.dtype == np.float32 and len(points) > 60_000
    previous, now = ride.world_from_cam0(np.array([number - 1.0, number])) @ ride.rig.cam0_from_velo
    motion = np.linalg.inv(now) @ previous
    projection = np.hstack([ride.rig.intrinsics, np.zeros((3, 1))])
    errors = {}
    for name, matrix in {"corrected": motion, "raw": None, "turned": np.linalg.inv(motion)}.items():
        measured = velodyne.depth_image(
            points,
            velo_from_previous=matrix,
            camera_from_velo=ride.rig.cam0_from_velo,
            projection=projection,
            size=SIZE,
        )
        both = (measured > 0) & (picture.depth > 0) & ~ride.moving_in(picture, table)
        errors[name] = np.median(np.abs(measured - picture.depth)[both] / picture.depth[both])
    assert errors["corrected"] < 0.015
    assert errors["corrected"] < errors["raw"] < errors["turned"]


def test_a_drive_of_60_frames_shows_enough_of_everything(ride, views):
    seen = set().union(*(things.tolist() for _, _, things in views.values()))
    kinds = collections.Counter(ride.city.things[thing] for thing in seen)
    assert kinds["facade"] >= 6
    assert kinds["vehicle"] >= 3 and kinds["moving vehicle"] >= 3 and kinds["vehicle"] + kinds["moving vehicle"] >= 10
    assert kinds["person"] >= 5
    assert kinds["tree"] + kinds["pole"] >= 20
    ids = np.unique(np.concatenate([np.unique(picture.value // 1000) for picture, _, _ in views.values()]))
    assert len({int(train_id_from_id[i]) for i in ids} - {255}) >= 12
    sky = np.mean([(picture.depth == 0).mean() for picture, _, _ in views.values()])
    assert 0.05 < sky < 0.3


def test_depth_is_zero_exactly_where_the_label_is_sky(views):
    for picture, _, _ in views.values():
        np.testing.assert_array_equal(picture.depth == 0, picture.value == 23_000)
        assert picture.value.min() >= 7_000


def test_every_drive_is_another_street(ride):
    other = drive.Drive(seed=0, which=1, frames=60, size=SIZE)
    assert not np.allclose(other.city.street.heading[:1000], ride.city.street.heading[:1000], atol=0.01)


def test_one_thing_keeps_its_instance_value(ride, views):
    values = {}
    for number in views:
        _, table = ride.scene_at(number)
        for thing, value in zip(table.look[:, drive.shapes.THING], table.look[:, drive.shapes.VALUE]):
            values.setdefault((int(thing), int(value) // 1000), set()).add(int(value))
    assert all(len(found) == 1 for found in values.values())
