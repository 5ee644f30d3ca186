"""Restored networks: what they answer, in which sizes, and how they are scored."""

import functools
import json
import shutil

import fake_run
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtl_depth import config as configuration
from mtl_depth import pretrained
from mtl_depth.errors import UserError
from mtl_depth.evaluation import evaluator
from mtl_depth.models.network import Network
from mtl_depth.prediction import loading, predictor
from mtl_depth.runtime.devices import Devices
from mtl_depth.tasks.base import Metrics, Task

ALL = ("depth", "semantic", "instance")


@pytest.fixture(scope="module")
def perceiver():
    return fake_run.perceiver(*ALL)


def _images(count, size=fake_run.SIZE):
    return np.random.default_rng(0).random((count, *size, 3), np.float32)


def test_perceive_answers_outputs_and_predictions(perceiver):
    height, width = fake_run.SIZE
    answers = perceiver.perceive(_images(2))
    assert answers["depth"].shape == (2, height, width) and answers["depth"].dtype == np.float32
    assert float(answers["depth"].min()) >= 0.1 and float(answers["depth"].max()) <= 100
    assert answers["labels"].shape == (2, height, width) and answers["labels"].dtype == np.uint8
    assert answers["instances"].shape == (2, height, width) and answers["instances"].dtype == np.int32
    assert [scale.shape for scale in answers["disparity"]] == [(2, height >> s, width >> s) for s in range(4)]
    # depth of disparity s: 1 / (1/100 + (1/0.1 - 1/100) s) = 1 / (0.01 + 9.99 s)
    np.testing.assert_allclose(answers["depth"], 1 / (0.01 + 9.99 * np.asarray(answers["disparity"][0])), rtol=1e-5)


def test_pictures_of_other_sizes_are_brought_to_the_network_s(perceiver):
    large = np.repeat(np.repeat(_images(2), 2, axis=1), 2, axis=2)  # its area mean is the small picture
    small = perceiver.perceive(_images(2))["depth"]
    np.testing.assert_allclose(perceiver.perceive(large)["depth"], small, rtol=1e-4)
    assert perceiver.perceive(_images(2, (45, 131)))["depth"].shape == small.shape
    np.testing.assert_array_equal(perceiver.perceive(jnp.asarray(_images(2)))["depth"], small)


def test_motion_maps_the_first_camera_to_the_second(perceiver):
    first, second = _images(2), _images(2)[:, ::-1]
    forward = np.asarray(perceiver.motion(first, second))
    assert forward.shape == (2, 4, 4)
    np.testing.assert_allclose(
        forward[:, :3, :3] @ forward[:, :3, :3].swapaxes(1, 2), np.tile(np.eye(3), (2, 1, 1)), atol=1e-5
    )
    np.testing.assert_array_equal(forward[:, 3], np.tile([0, 0, 0, 1], (2, 1)))
    assert not np.allclose(forward, np.asarray(perceiver.motion(second, first)))


class _Tilted(Network):
    """Answers brightness, more of it to the right, for a head that is not symmetric."""

    def perceive(self, image, **options):
        return {"disparity": (image[..., 0] * jnp.linspace(0.1, 0.9, image.shape[2]),), "value": image[..., 1]}


def test_flip_averages_disparity_with_the_mirrored_answer(perceiver):
    network = _Tilted(encoder=None, heads=())
    perceive = predictor.make_perceive(network, perceiver.tasks[:1], flip=True)
    image = _images(2)
    answer = perceive({}, image)
    # weights 0.1 .. 0.9 from the left and, mirrored twice, 0.9 .. 0.1: their mean is 0.5 everywhere
    np.testing.assert_allclose(answer["disparity"][0], 0.5 * image[..., 0], rtol=1e-5)
    np.testing.assert_allclose(answer["depth"], 1 / (0.01 + 9.99 * 0.5 * image[..., 0]), rtol=1e-4)
    np.testing.assert_array_equal(answer["value"], image[..., 1])
    plain = predictor.make_perceive(network, perceiver.tasks[:1])({}, image)
    np.testing.assert_allclose(plain["disparity"][0], image[..., 0] * np.linspace(0.1, 0.9, 96), rtol=1e-5)


def test_restored_variables_are_the_saved_ones(perceiver):
    assert set(perceiver.variables) == {"params", "batch_stats"} and perceiver.size == fake_run.SIZE
    saved = jax.tree_util.tree_map_with_path(fake_run.draw, dict(perceiver.variables))
    jax.tree.map(np.testing.assert_array_equal, dict(perceiver.variables), saved)


def test_a_short_batch_is_filled_up_and_cut(perceiver):
    sizes = []

    def perceive(image):
        sizes.append(len(image))
        return {"depth": image[..., 0], "disparity": (image[..., 1],)}

    image = _images(1)
    answer = predictor.perceive_padded(perceive, image, batch_size=3)
    assert sizes == [3]
    np.testing.assert_array_equal(answer["depth"], image[..., 0])
    np.testing.assert_array_equal(answer["disparity"][0], image[..., 1])


COUNTING = Task(
    name="depth",
    reads=frozenset(),
    head=None,
    predicts_motion=False,
    loss=lambda keys, outputs, batch: {},
    decode=lambda outputs: {},
    pictures=lambda outputs, batch: {},
    metrics=Metrics(
        reads=frozenset({"depth"}),
        studies=frozenset({"depth"}),
        study=lambda batches: sum(float(batch["depth"].sum()) for batch in batches),
        measure=lambda predictions, batch, studied: {
            "red": float(predictions["red"][: len(batch["frame"])].sum()),
            "truth": {"depth": np.float64(batch["depth"].sum(dtype=np.float64))},
            "frames": len(batch["frame"]),
            "studied": studied,
        },
        summarise=lambda sums: {"depth": {"red": sums["red"], "truth": sums["truth"]["depth"], "n": sums["frames"]}},
    ),
)  # sums up what it is shown: the red of the image and the depth


def test_measure_adds_up_all_frames_once(monkeypatch):
    fake_run.install(monkeypatch)
    data = fake_run.config("depth").data
    result = evaluator.measure(
        lambda image, focal: {"red": image[..., 0]},
        (COUNTING,),
        "opened",
        data,
        split="val",
        batch_size=2,
        progress=False,
    )
    frames = [fake_run.frame(index) for index in range(fake_run.FRAMES)]
    assert (result["split"], result["frames"], result["depth"]["n"]) == ("val", 3, 3)
    np.testing.assert_allclose(result["depth"]["red"], sum(f["image"][..., 0].sum() / 255 for f in frames), rtol=1e-5)
    np.testing.assert_allclose(result["depth"]["truth"], sum(f["depth"].sum() for f in frames), rtol=1e-6)


def test_the_recipe_names_crop_and_flip():
    tasks = fake_run.config("depth").tasks
    for word in ("motion during the sweep", "floor(u + 0.5)", "nearest return", "1e-3 < truth < 80 m (no crop)"):
        assert word in evaluator.recipe(tasks, flip=False)
    tasks.depth.crop = "garg"
    garg = evaluator.recipe(tasks, flip="mean")
    assert "(garg crop)" in garg and "mirrored" in garg
    assert "(no crop)" in evaluator.recipe(fake_run.config("semantic").tasks, flip=False)


def test_study_sees_the_training_frames(monkeypatch):
    fake_run.install(monkeypatch, splits=("train",))
    data = fake_run.config("depth").data
    data.train_frames, data.eval_frames = 2, 1
    studied = evaluator.study((COUNTING,), "opened", data, batch_size=2, progress=False)
    np.testing.assert_allclose(studied["depth"], sum(fake_run.frame(i)["depth"].sum() for i in range(2)), rtol=1e-5)


def test_study_asks_for_no_image(monkeypatch):
    fake_run.install(monkeypatch, splits=("train",))
    seen = []
    metrics = COUNTING.metrics._replace(study=lambda batches: seen.extend(frozenset(batch) for batch in batches))
    silent = COUNTING._replace(metrics=metrics._replace(studies=frozenset(), study=lambda batches: None))
    data = fake_run.config("depth").data
    evaluator.study((COUNTING._replace(metrics=metrics), silent), "opened", data, batch_size=2, progress=False)
    assert set(seen) == {frozenset({"intrinsics", "drive", "frame", "depth"})}


def test_rows_beyond_the_batch_count_nothing(perceiver):
    frames = [fake_run.frame(index) for index in range(2)]
    batch = {key: np.stack([frame[key] for frame in frames[:1]]) for key in frames[0]}
    predictions = perceiver.perceive(_images(2))
    single = jax.tree.map(lambda values: values[:1], predictions)
    for task in perceiver.tasks:
        studied = task.metrics.study(iter([batch]))
        filled, alone = (task.metrics.measure(p, batch, studied) for p in (predictions, single))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), filled, alone)


def test_items_come_one_behind():
    made = []
    items = evaluator.delayed_by_one(made.append(n) or n for n in range(3))
    assert [(item, list(made)) for item in items] == [(0, [0, 1]), (1, [0, 1, 2]), (2, [0, 1, 2])]
    assert list(evaluator.delayed_by_one([])) == []


def test_measure_refuses_a_split_without_truth(monkeypatch):
    fake_run.install(monkeypatch)
    data = fake_run.config("depth").data
    with pytest.raises(UserError, match="split test of data has no frame with depth"):
        evaluator.measure(dict, (COUNTING,), "opened", data, split="test", batch_size=2, progress=False)
    with pytest.raises(UserError, match="'vall'; choose one of train, val, test"):
        evaluator.measure(dict, (COUNTING,), "opened", data, split="vall", batch_size=2, progress=False)


def test_measure_scores_every_task_of_a_run(monkeypatch, perceiver):
    fake_run.install(monkeypatch)
    data = fake_run.config(*ALL).data
    result = evaluator.measure(
        perceiver.answer, perceiver.tasks, "opened", data, split="val", batch_size=2, progress=False
    )
    assert set(result) >= {"split", "frames", "depth", "semantic", "instance"}
    assert set(result["depth"]) >= {"median_scaled", "unscaled", "constant", "mean_image"}
    assert result["semantic"]["majority"]["miou"] == pytest.approx(1.0)  # all frames have the same labels
    assert {"ap", "ap50", "pq"} <= set(result["instance"])
    json.dumps(result, allow_nan=False)


@pytest.mark.parametrize("count", [2, 3, 8])
def test_several_devices_score_as_one(monkeypatch, perceiver, count):
    """Three frames, one at a time: shares of one batch each, the last group not full or with idle devices."""
    fake_run.install(monkeypatch)
    data = fake_run.config(*ALL).data
    measure = functools.partial(
        evaluator.measure, tasks=perceiver.tasks, dataset="opened", data=data, split="val", batch_size=1, progress=False
    )
    devices = Devices(count)
    assert measure(perceiver.on(devices).answer, devices=devices) == measure(perceiver.answer)


def test_mistakes_are_met_by_a_sentence(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        loading.load_perceiver(tmp_path / "absent")
    with pytest.raises(UserError, match=r"neither config.json \(a run folder\) nor encoder.pth"):
        loading.load_perceiver(tmp_path)
    (tmp_path / "config.json").write_text('{"data": ')
    with pytest.raises(UserError, match=r"config.json is damaged"):
        loading.load_perceiver(tmp_path)
    (tmp_path / "config.json").write_text('{"data": {"colour": 1}}')
    with pytest.raises(UserError, match=r"config.json does not fit this version"):
        loading.load_perceiver(tmp_path)
    shutil.copy(fake_run.folder(*ALL) / "config.json", tmp_path)
    with pytest.raises(UserError, match="train first"):
        loading.load_perceiver(tmp_path)


def test_motion_without_a_pose_network_is_refused(perceiver):
    still = predictor.Perceiver(
        perceiver.config, perceiver.network.clone(pose=None), perceiver.tasks, perceiver.variables, perceiver.size
    )
    with pytest.raises(UserError, match="no pose network"):
        still.motion(_images(1), _images(1))


def test_published_weights_are_a_perceiver_too(tmp_path, monkeypatch):
    (tmp_path / "encoder.pth").write_bytes(b"read by the pretrained package, which has its own tests")
    settings = pretrained.Monodepth2Settings(depth=50, size=(320, 1024), predict_motion=True, farthest=80.0)
    monkeypatch.setattr(pretrained, "read_monodepth2_settings", lambda path: settings)
    monkeypatch.setattr(pretrained, "load_monodepth2", lambda path: {"params": {}, "batch_stats": {}})
    loaded = loading.load_perceiver(tmp_path)
    assert loaded.size == (320, 1024) and loaded.config.weights == str(tmp_path)
    assert (loaded.network.encoder.depth, loaded.network.pose.encoder) == (50, "resnet50")
    depth = loaded.tasks[0].decode({"disparity": (jnp.array([[[0.0, 1.0]]]),)})["depth"]
    np.testing.assert_allclose(depth, [[[80, 0.1]]], rtol=1e-5)
    (tmp_path / "evaluated").mkdir()
    (tmp_path / "evaluated" / "config.json").write_text(json.dumps(configuration.to_dict(loaded.config)))
    assert loading.load_perceiver(tmp_path / "evaluated").size == (320, 1024)
    monkeypatch.setattr(pretrained, "read_monodepth2_settings", lambda path: settings._replace(predict_motion=False))
    with pytest.raises(UserError, match="no pose network"):
        loading.load_perceiver(tmp_path).motion(_images(1), _images(1))
