"""Segmentation for depth: hand-made pictures in which something moves, is sky, or has an edge."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtl_depth import config
from mtl_depth.errors import UserError
from mtl_depth.tasks import depth as depth_task
from mtl_depth.tasks import guidance

CAR, ROAD, SKY, EGO = 26, 7, 23, 1
SIZE = (32, 48)
INTRINSICS = np.array([[[24.0, 0, 23.5], [0, 24.0, 15.5], [0, 0, 1]]], np.float32)
STILL = np.eye(4, dtype=np.float32)[None, None]


def street(*, car_at: int) -> np.ndarray:
    """Sky above, road below, a car of 8 x 8 pixels."""
    labels = np.full((1, *SIZE), ROAD)
    labels[:, :12] = SKY
    labels[:, 16:24, car_at : car_at + 8] = CAR
    return labels


def still(target, source, *, motion=STILL, overlap=0.5):
    depth = np.full((1, *SIZE), 10.0, np.float32)
    return np.asarray(
        jax.jit(lambda *arrays: guidance.still_pixels(*arrays, overlap=overlap))(
            jnp.asarray(target), jnp.asarray(source)[..., None], depth, motion, INTRINSICS
        )
    )


def test_a_car_where_it_was_counts():
    assert still(street(car_at=20), street(car_at=20)).all()


def test_a_car_that_moved_is_left_out_where_it_is_and_where_it_was():
    valid = still(street(car_at=20), street(car_at=34))
    expected = (street(car_at=20) != CAR) & (street(car_at=34) != CAR)
    np.testing.assert_array_equal(valid, expected)


def test_overlap_is_intersection_over_union():
    # moved by 2 of 8 columns: intersection 6, union 10
    assert still(street(car_at=20), street(car_at=22), overlap=0.59).all()
    assert not still(street(car_at=20), street(car_at=22), overlap=0.61).all()


def test_the_camera_s_own_motion_is_taken_into_account():
    """The camera moves 2.5 m to the right: at 10 m and focal length 24 everything shifts by 6 pixels to the left."""
    motion = STILL.copy()
    motion[..., 0, 3] = -2.5
    assert still(street(car_at=20), street(car_at=14), motion=motion).all()
    assert not still(street(car_at=20), street(car_at=20), motion=motion).all()


def test_pictures_without_labels_are_left_as_they_are():
    nothing = np.zeros((1, *SIZE), int)
    assert still(nothing, street(car_at=20)).all() and still(street(car_at=20), nothing).all()


def batch_of(generator):
    labels = street(car_at=20)
    return {
        "image": generator.random((1, 3, *SIZE, 3)).astype(np.float32),
        "intrinsics": INTRINSICS,
        "source_from_target": np.concatenate([STILL, STILL], axis=1),
        "semantic": labels.astype(np.uint8),
        "source_semantic": np.stack([street(car_at=34), labels], axis=-1).astype(np.uint8),
    }


def terms(disparity, batch, **switches):
    section = config.DepthTask(motion="recorded", **switches)
    task = depth_task.make(section, width=0.125, dtype=jnp.float32)
    assert task.reads - {"source_from_target"} <= batch.keys()
    key = jax.random.split(jax.random.key(0), 1)
    found = jax.jit(lambda d, b: task.loss(key, {"disparity": (d,)}, b))(disparity, batch)
    return {name: float(total / count) for name, (total, count) in found.items()}


@pytest.mark.parametrize(
    ("switches", "labels"),
    [({"left_out": ("sky",)}, [SKY]), ({"moving_overlap": 0.5}, [CAR]), ({"left_out": ("road", "car")}, [ROAD, CAR])],
)
def test_pixels_left_out_have_no_part_in_the_loss(switches, labels):
    """Other colours there, three pixels from any that counts (SSIM sees its neighbours), change nothing."""
    generator = np.random.default_rng(0)
    batch = batch_of(generator)
    batch["source_semantic"][..., 1] = batch["source_semantic"][..., 0]
    out = np.isin(batch["semantic"][0], labels)
    if "moving_overlap" in switches:
        out |= street(car_at=34)[0] == CAR
    inner = out.copy()
    for axis in (0, 1):
        for shift in (-2, -1, 1, 2):
            inner &= np.roll(out, shift, axis=axis)
    inner[[0, 1, -2, -1]] = False
    inner[:, [0, 1, -2, -1]] = False
    assert inner.any()
    changed = batch | {"image": np.where(inner[..., None], 0.5, batch["image"]).astype(np.float32)}
    disparity = np.full((1, *SIZE), 0.05, np.float32)  # flat: the smoothness is 0
    plain = [terms(disparity, b)["depth/photometric"] for b in (batch, changed)]
    guided = [terms(disparity, b, **switches)["depth/photometric"] for b in (batch, changed)]
    assert abs(plain[0] - plain[1]) > 1e-3
    np.testing.assert_allclose(guided[1], guided[0], rtol=1e-5)


def test_nothing_left_gives_a_finite_zero():
    batch = batch_of(np.random.default_rng(0)) | {"semantic": np.full((1, *SIZE), SKY, np.uint8)}
    assert terms(np.full((1, *SIZE), 0.05, np.float32), batch, left_out=("sky",))["depth/photometric"] == 0


def test_edges_between_classes_are_free():
    batch = batch_of(np.random.default_rng(0))
    disparity = np.where(batch["semantic"] == CAR, 0.5, 0.05).astype(np.float32)
    assert terms(disparity, batch)["depth/smoothness"] > 1e-5
    # garage and building are one class, so are sky and sky: only the car's outline carries a step
    assert terms(disparity, batch, semantic_edges=True)["depth/smoothness"] == 0


def test_only_what_is_asked_for_is_read():
    assert guidance.make(config.DepthTask()).reads == frozenset()
    assert guidance.make(config.DepthTask(left_out=("sky",))).reads == {"semantic"}
    assert guidance.make(config.DepthTask(semantic_edges=True)).reads == {"semantic"}
    assert guidance.make(config.DepthTask(moving_overlap=0.3)).reads == {"semantic", "source_semantic"}


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        (config.DepthTask(left_out=("skye",)), "holds 'skye', which is not a label of KITTI-360; did you mean sky"),
        (config.DepthTask(moving_overlap=1.5), "moving_overlap is 1.5; it is a share, 0 to 1"),
        (
            config.DepthTask(motion="recorded", translation_weight=1.0),
            "translation_weight has to be 0 or more, and is for pred",
        ),
    ],
)
def test_mistakes_are_one_sentence(section, sentence):
    with pytest.raises(UserError, match=sentence):
        depth_task.make(section, width=0.125, dtype=jnp.float32)
