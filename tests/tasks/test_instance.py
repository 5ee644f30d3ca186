"""The instance task: what it learns from, how it groups pixels, and that one undoes the other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtl_depth import config
from mtl_depth.errors import UserError
from mtl_depth.tasks import instance
from mtl_depth.tasks.centers import center_targets
from mtl_depth.tasks.grouping import group

SIZE = (32, 64)
IDS = np.array([26, 24])
IS_THING = np.isin(np.arange(66), IDS)
targets_of = jax.jit(center_targets)
group_jit = jax.jit(group)


def _values(seed, pictures=3):
    """Rectangles of cars and people on road; the last picture has none."""
    rng = np.random.default_rng(seed)
    values = np.full((pictures, *SIZE), 7000, np.int32)
    for picture in values[:-1]:
        for number in range(4):
            top, left = rng.integers(0, SIZE[0] - 6), rng.integers(0, SIZE[1] - 8)
            picture[top : top + 6, left : left + 8] = rng.choice(IDS) * 1000 + number
        picture[0, :5] = 0
    return values


def _outputs(values):
    """What a perfect network answers."""
    targets = targets_of(values, IS_THING)
    classes = np.select([values // 1000 == 26, values // 1000 == 24], [1, 2])
    return {
        "center": targets.center,
        "offset": targets.offset,
        "thing": jnp.asarray(np.eye(3, dtype=np.float32)[classes] * 9),
    }


def test_targets_equal_a_loop_over_instances():
    values = _values(0)
    targets = targets_of(values, IS_THING)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    sigma_y, sigma_x = 8 * SIZE[0] / 376, 8 * SIZE[1] / 1408
    center, offset = np.zeros(values.shape), np.zeros((*values.shape, 2))
    for picture, heat, field in zip(values, center, offset):
        for value in np.unique(picture):
            if value // 1000 in IDS and value % 1000:
                mask = picture == value
                y, x = rows[mask].mean(), columns[mask].mean()
                square = ((rows - y) / sigma_y) ** 2 + ((columns - x) / sigma_x) ** 2
                heat[:] = np.maximum(heat, np.exp(-square / 2))
                field[mask] = np.stack([y - rows[mask], x - columns[mask]], axis=-1)
    np.testing.assert_allclose(targets.center, center, atol=1e-5)
    np.testing.assert_allclose(targets.offset, offset, atol=1e-4)
    np.testing.assert_array_equal(targets.has_center, np.isin(values // 1000, IDS) & (values % 1000 > 0))
    np.testing.assert_array_equal(targets.labelled, values > 0)
    assert (values % 1000 == 0)[np.isin(values // 1000, IDS)].any()  # number 0 occurs, and has no centre


def test_a_mirrored_picture_has_mirrored_targets():
    values = _values(1)
    targets, mirrored = targets_of(values, IS_THING), targets_of(values[:, :, ::-1], IS_THING)
    np.testing.assert_allclose(mirrored.center, targets.center[:, :, ::-1], atol=1e-5)
    np.testing.assert_allclose(mirrored.offset, targets.offset[:, :, ::-1] * np.array([1, -1]), atol=1e-4)


def test_perfect_outputs_give_back_the_instances():
    values = np.full((1, *SIZE), 7000, np.int32)
    values[0, 2:9, 3:12], values[0, 12:22, 5:11], values[0, 8:14, 20:40] = 26001, 24002, 26003
    outputs = _outputs(values)
    found, scores = group_jit(outputs["center"], outputs["offset"], outputs["thing"], IDS)
    found, scores = np.asarray(found[0]), np.asarray(scores[0])
    assert sorted(np.unique(found) // 1000) == [0, 24, 26, 26]
    for value in (26001, 24002, 26003):
        mask = values[0] == value
        (number,) = np.unique(found[mask])
        assert number // 1000 == value // 1000 and (found == number).sum() == mask.sum()
        certainty = np.exp(9) / (np.exp(9) + 2)
        peak = np.asarray(outputs["center"][0])[mask].max()
        assert scores[number % 1000 - 1] == pytest.approx(certainty * peak, rel=1e-5)
    assert (scores > 0).sum() == 3


def _reference_group(center, offset, thing):
    """Loops over one picture: centres by falling heat, then every thing pixel to the nearest, then a vote."""
    height, width = center.shape
    peaks = [
        (-center[y, x], y, x)
        for y in range(height)
        for x in range(width)
        if center[y, x] > 0.1 and center[y, x] == center[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4].max()
    ]
    peaks.sort()
    values, scores = np.zeros(center.shape, int), np.zeros(200)
    if not peaks:
        return values, scores
    probability = np.exp(thing) / np.exp(thing).sum(-1, keepdims=True)
    classes = thing.argmax(-1)
    members = {k: [] for k in range(len(peaks))}
    for y in range(height):
        for x in range(width):
            if classes[y, x]:
                target = (y + offset[y, x, 0], x + offset[y, x, 1])
                distances = [(target[0] - py) ** 2 + (target[1] - px) ** 2 for _, py, px in peaks]
                members[int(np.argmin(distances))].append((y, x))
    for k, pixels in members.items():
        if pixels:
            votes = [classes[pixel] for pixel in pixels]
            winner = max(range(1, thing.shape[-1]), key=votes.count)
            scores[k] = np.mean([probability[pixel][winner] for pixel in pixels]) * -peaks[k][0]
            for pixel in pixels:
                values[pixel] = IDS[winner - 1] * 1000 + k + 1
    return values, scores


def test_random_outputs_are_grouped_as_by_loops():
    rng = np.random.default_rng(3)
    center = rng.random((3, *SIZE)).astype(np.float32)
    center[1] *= 0.2 / center[1].max()
    center[2] = 0.1  # not above the threshold: no centre
    offset = rng.normal(0, 4, (3, *SIZE, 2)).astype(np.float32)
    thing = rng.normal(0, 1, (3, *SIZE, 3)).astype(np.float32)
    values, scores = group_jit(center, offset, thing, IDS)
    for picture in range(3):
        expected, expected_scores = _reference_group(center[picture], offset[picture], thing[picture].astype(float))
        np.testing.assert_array_equal(values[picture], expected)
        np.testing.assert_allclose(scores[picture], expected_scores, rtol=1e-4, atol=1e-7)
    assert not values[2].any() and not scores[2].any()


def test_a_plateau_is_one_center():
    center = np.zeros((1, *SIZE), np.float32)
    center[0, 5:8, 5:8], center[0, 20, 30] = 0.5, 0.4
    thing = np.zeros((1, *SIZE, 3), np.float32)
    thing[..., 1] = 1
    values, scores = group_jit(center, np.zeros((1, *SIZE, 2), np.float32), thing, IDS)
    assert sorted(np.unique(values)) == [26001, 26002] and (np.asarray(scores) > 0).sum() == 2


def test_more_instances_than_places_are_survived():
    values = 26001 + np.arange(SIZE[0] * SIZE[1], dtype=np.int32).reshape(1, *SIZE) % 999
    targets = targets_of(values, IS_THING)
    assert np.isfinite(targets.center).all() and targets.has_center.all()
    values, scores = group_jit(np.full((1, *SIZE), 0.5, np.float32), targets.offset, _outputs(values)["thing"], IDS)
    assert scores.shape == (1, 200) and values.max() % 1000 <= 200


@pytest.fixture(scope="module")
def task():
    return instance.make(config.InstanceTask(things=("car", "person")), width=0.125, dtype=jnp.float32)


def _loss(task):
    return jax.jit(lambda outputs, values: task.loss(None, outputs, {"instance": values}))


def test_loss_by_numpy(task):
    values = _values(4)
    rng = np.random.default_rng(4)
    outputs = {
        "center": rng.random(values.shape).astype(np.float32),
        "offset": rng.normal(size=(*values.shape, 2)).astype(np.float32),
        "thing": rng.normal(size=(*values.shape, 3)).astype(np.float32),
    }
    targets = targets_of(values, IS_THING)
    labelled, moved = values > 0, np.asarray(targets.has_center)
    classes = np.select([values // 1000 == 26, values // 1000 == 24], [1, 2])
    errors = (
        np.log(np.exp(outputs["thing"]).sum(-1)) - np.take_along_axis(outputs["thing"], classes[..., None], -1)[..., 0]
    )
    expected = {
        "instance/center": (200 * (((outputs["center"] - targets.center) ** 2)[labelled]).sum(), labelled.sum()),
        "instance/offset": (0.01 * np.abs(outputs["offset"] - targets.offset)[moved].sum(), moved.sum()),
        "instance/thing": (errors[labelled].sum(), labelled.sum()),
    }
    found = _loss(task)(outputs, values)
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4)
    # The same on three devices, added up, with another weight.
    heavy = instance.make(config.InstanceTask(things=("car", "person"), weight=5.5), width=0.125, dtype=jnp.float32)
    part = _loss(heavy)
    shares = [part(jax.tree.map(lambda x, i=i: x[i : i + 1], outputs), values[i : i + 1]) for i in range(3)]
    for name, (total, count) in found.items():
        np.testing.assert_allclose(np.sum([share[name] for share in shares], axis=0), [5.5 * total, count], rtol=1e-5)


def test_without_labels_loss_and_gradient_are_zero(task):
    values = np.zeros((1, *SIZE), np.int32)
    outputs = {**_outputs(values), "center": jnp.full((1, *SIZE), 0.5)}
    total = jax.jit(lambda o: sum(t for t, _ in task.loss(None, o, {"instance": values}).values()))
    assert total(outputs) == 0
    assert all(not gradient.any() for gradient in jax.tree.leaves(jax.grad(total)(outputs)))


def test_perfect_outputs_score_full_marks(task):
    values = np.full((1, *SIZE), 7000, np.int32)
    values[0, 2:12, 3:15], values[0, 8:22, 20:40] = 26001, 24002
    predictions = jax.tree.map(np.asarray, jax.jit(task.decode)(_outputs(values)))
    batch = {"instance": values, "confidence": np.ones(values.shape, np.float32)}
    summary = task.metrics.summarise(task.metrics.measure(predictions, batch, task.metrics.study([batch])))
    assert summary["instance"]["ap"] == summary["instance"]["pq"] == 1.0
    pictures = task.pictures(predictions, batch | {"image": np.zeros((1, 3, *SIZE, 3), np.float32)})
    assert {name: picture.shape for name, picture in pictures.items()} == {
        "instance": (1, *SIZE, 3),
        "instance_truth": (1, *SIZE, 3),
    }
    np.testing.assert_array_equal(pictures["instance_truth"].any(-1), values // 1000 != 7)  # things only


def test_loss_and_decode_lower_for_every_platform(task):
    shapes = {"center": (), "offset": (2,), "thing": (3,)}
    outputs = {name: jax.ShapeDtypeStruct((2, *SIZE, *rest), jnp.float32) for name, rest in shapes.items()}
    values = jax.ShapeDtypeStruct((2, *SIZE), jnp.int32)
    gradient = jax.grad(lambda o, v: sum(t for t, _ in task.loss(None, o, {"instance": v}).values()))
    jax.jit(gradient).trace(outputs, values).lower(lowering_platforms=("tpu", "cuda"))
    jax.jit(task.decode).trace(outputs).lower(lowering_platforms=("tpu", "cuda"))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (config.InstanceTask(head="mask"), "choose one of panoptic, report"),
        (config.InstanceTask(things=("car", "motorbike")), "'motorbike', which is not a class of KITTI-360"),
        (config.InstanceTask(things=("biulding",)), "did you mean building"),
        (config.InstanceTask(things=("road",)), "'road', which has no instances"),
        (config.InstanceTask(things=()), "at least one class"),
        (config.InstanceTask(things=("car", "car")), "each once"),
    ],
)
def test_settings_that_do_not_exist_are_refused(section, message):
    with pytest.raises(UserError, match=message):
        instance.make(section, width=0.125, dtype=jnp.float32)
