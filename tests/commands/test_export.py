"""`--mode=export`: each form is loaded back and compared."""

import dataclasses
import json
import shutil

import cv2
import fake_run
import jax
import jax.export
import numpy as np
import pytest
import safetensors

from mtl_depth import pretrained
from mtl_depth.commands import export
from mtl_depth.errors import UserError
from mtl_depth.prediction import loading
from mtl_depth.tasks import assemble

pytestmark = pytest.mark.as_users
NAMES = ("depth", "semantic", "instance")


@pytest.fixture(autouse=True)
def _compiled_once(monkeypatch):
    restored = fake_run.perceiver(*NAMES)
    monkeypatch.setattr("mtl_depth.inference.load_perceiver", lambda path, **options: restored)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The network as a StableHLO program, exported once: for three platforms that takes seconds."""
    folder, restored = tmp_path_factory.mktemp("stablehlo"), fake_run.perceiver(*NAMES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mtl_depth.inference.load_perceiver", lambda path, **options: restored)
        export.run(fake_run.config(*NAMES), folder, "stablehlo", folder)
    return folder


def _images(count):
    return np.random.default_rng(count).random((count, *fake_run.SIZE, 3), np.float32)


def _agree(answers, expected):
    np.testing.assert_allclose(answers["depth"], expected["depth"], rtol=1e-4)
    for name in ("labels", "instances"):
        assert np.mean(np.asarray(answers[name]) == np.asarray(expected[name])) > 0.999


@pytest.mark.parametrize("format", [pytest.param("onnx", marks=pytest.mark.slow), "stablehlo", "safetensors"])
def test_an_export_comes_back_as_a_perceiver(format, tmp_path, request):
    if format == "onnx":
        pytest.importorskip("jax2onnx")
        pytest.importorskip("onnxruntime")
    folder = request.getfixturevalue("program") if format == "stablehlo" else tmp_path / "out"
    if format != "stablehlo":
        export.run(fake_run.config(*NAMES), tmp_path, format, folder)
    for path in (folder, folder / f"model.{format}"):
        loaded = loading.load_perceiver(path)
        assert loaded.size == fake_run.SIZE and not loaded.metric
    for count in (1, 3):  # the batch is free
        _agree(loaded.perceive(_images(count)), fake_run.perceiver(*NAMES).perceive(_images(count)))
    picture = np.random.default_rng(0).integers(0, 256, (45, 131, 3), np.uint8)
    np.testing.assert_allclose(loaded.depth(picture), fake_run.perceiver(*NAMES).depth(picture), rtol=1e-4)


@pytest.mark.slow
def test_onnx_by_its_own_runtime(tmp_path):
    """What someone without mtl_depth does: names, range and shapes are those of model.json."""
    pytest.importorskip("jax2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    export.run(fake_run.config(*NAMES), tmp_path, "onnx", tmp_path, batch="2")
    description = json.loads((tmp_path / "model.json").read_text())
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    assert [entry.name for entry in session.get_inputs()] == list(description["inputs"]) == ["image"]
    assert session.get_inputs()[0].shape == [2, *fake_run.SIZE, 3]
    assert [entry.name for entry in session.get_outputs()] == list(description["outputs"])
    depth, labels = session.run(["depth", "labels"], {"image": _images(2)})
    expected = fake_run.perceiver(*NAMES).perceive(_images(2))
    np.testing.assert_allclose(depth, expected["depth"], rtol=1e-4)
    assert np.mean(labels == np.asarray(expected["labels"])) > 0.999
    assert description["opset"] == export.OPSET and description["batch"] == 2
    _agree(loading.load_perceiver(tmp_path).perceive(_images(2)), expected)
    answers = loading.load_perceiver(tmp_path).perceive(_images(5))  # in pairs, the last one filled up
    np.testing.assert_allclose(answers["depth"], fake_run.perceiver(*NAMES).perceive(_images(5))["depth"], rtol=1e-4)


def test_a_damaged_export_is_named(tmp_path, program):
    shutil.copytree(program, tmp_path, dirs_exist_ok=True)
    with pytest.raises(
        UserError, match=r"exported program; to flip, export it again with --config\.evaluation\.flip=True"
    ):
        loading.load_perceiver(tmp_path, flip=True)
    (tmp_path / "model.stablehlo").write_bytes(b"no program")
    with pytest.raises(UserError, match=r"model\.stablehlo cannot be loaded"):
        loading.load_perceiver(tmp_path)
    (tmp_path / "model.json").unlink()
    with pytest.raises(UserError, match=r"model\.json, the description of"):
        loading.load_perceiver(tmp_path)
    (tmp_path / "model.stablehlo").rename(tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"model\.safetensors is damaged"):
        loading.load_perceiver(tmp_path)


def test_stablehlo_answers_what_the_network_answers(program):
    read = jax.export.deserialize(bytearray((program / "model.stablehlo").read_bytes()))
    image = np.random.default_rng(0).random((fake_run.BATCH_SIZE, *fake_run.SIZE, 3), np.float32)
    answers, expected = read.call(image), fake_run.perceiver(*NAMES).perceive(image)
    assert set(answers) == {"depth", "labels", "instances", "scores"}
    assert set(json.loads((program / "model.json").read_text())["outputs"]) == set(answers)
    np.testing.assert_allclose(answers["depth"], expected["depth"], rtol=1e-4)
    for name in ("labels", "instances"):
        assert np.mean(np.asarray(answers[name]) == np.asarray(expected[name])) > 0.999


def test_safetensors_hold_every_variable(tmp_path):
    export.run(fake_run.config(*NAMES), tmp_path, "safetensors", tmp_path / "new")
    with safetensors.safe_open(tmp_path / "new" / "model.safetensors", "numpy") as file:
        assert json.loads(file.metadata()["config"])["model"]["width"] == 0.125
        variables = fake_run.perceiver(*NAMES).variables
        leaves = jax.tree_util.tree_leaves_with_path(dict(variables))
        assert len(file.keys()) == len(leaves)
        for path, leaf in leaves:
            name = "/".join(entry.key for entry in path)
            np.testing.assert_array_equal(file.get_tensor(name), leaf)


def test_monodepth2_holds_the_depth_network(tmp_path, monkeypatch, capsys):
    given = {}
    monkeypatch.setattr(pretrained, "export_monodepth2", lambda *values, **options: given.update(options))
    export.run(fake_run.config(*NAMES), tmp_path, "monodepth2", tmp_path)
    assert given == {"height": fake_run.SIZE[0], "width": fake_run.SIZE[1], "use_stereo": False, "translation_unit": 1}
    assert "Note" not in capsys.readouterr().err
    config = fake_run.config(*NAMES)
    config.tasks.depth.stereo = True
    export.write_monodepth2(dataclasses.replace(fake_run.perceiver(*NAMES), config=config), tmp_path)
    assert given["use_stereo"] is True


def test_another_range_of_depth_is_told_to_monodepth2_s_users(tmp_path, monkeypatch, capsys):
    given = {}
    monkeypatch.setattr(pretrained, "export_monodepth2", lambda *values, **options: given.update(options))
    config = fake_run.config("depth")
    config.tasks.depth.motion, config.tasks.depth.stereo = "recorded", True
    _, tasks = assemble(config.model, config.tasks)
    metric = dataclasses.replace(fake_run.perceiver(*NAMES), config=config, tasks=tasks)
    assert export.depth_range(metric) == pytest.approx((200, 1))
    export.write_monodepth2(metric, tmp_path)
    assert "disparity 0 to 1 means 200 to 1 m" in capsys.readouterr().err and given["use_stereo"] is True


def test_what_does_not_exist_is_refused(tmp_path):
    config = fake_run.config(*NAMES)
    with pytest.raises(UserError, match="--format=tflite does not exist; there are monodepth2, onnx, safetensors"):
        export.run(config, tmp_path, "tflite", tmp_path)
    with pytest.raises(UserError, match="--batch=some is neither free nor a number"):
        export.run(config, tmp_path, "onnx", tmp_path, batch="some")
    with pytest.raises(UserError, match="--output=DIR is needed"):
        export.run(config, tmp_path, "stablehlo", None)


def test_a_submission_holds_every_test_picture_at_its_own_size(tmp_path):
    config = fake_run.config(*NAMES)
    with pytest.raises(UserError, match="manual_dir=KITTI360_ROOT is needed"):
        export.run(config, tmp_path, "kitti360", tmp_path / "out")
    images = tmp_path / "raw" / "data_2d_test" / "2013_05_28_drive_0008_sync" / "image_00" / "data_rect"
    images.mkdir(parents=True)
    cv2.imwrite(str(images / "0000000004.png"), np.random.default_rng(0).integers(0, 255, (90, 130, 3), np.uint8))
    config.data.manual_dir = str(tmp_path / "raw")
    export.run(config, tmp_path, "kitti360", tmp_path / "out")
    labels = cv2.imread(str(tmp_path / "out" / "semantic" / "0008_0000000004.png"), cv2.IMREAD_UNCHANGED)
    assert labels.shape == (90, 130) and (tmp_path / "out" / "instance" / "0008_0000000004.txt").exists()
