"""Two lines from a picture to depth, and nobody asked on the way."""

import json
import shutil
import sys

import fake_run
import jax
import numpy as np
import pytest

from mtl_depth.errors import UserError
from mtl_depth.media import image_files
from mtl_depth.prediction import cameras, loading

PICTURE = np.random.default_rng(0).integers(0, 256, (45, 131, 3), np.uint8)


def test_depth_has_the_picture_s_size(tmp_path):
    perceiver = fake_run.perceiver("depth")
    depth = perceiver.depth(PICTURE)
    fitted = image_files.resize(PICTURE, size=fake_run.SIZE).astype(np.float32) / 255
    seen = np.asarray(perceiver.perceive(fitted[None])["depth"])[0]
    np.testing.assert_allclose(depth, image_files.resize_depth(seen, size=(45, 131)), rtol=1e-6)
    image_files.write(tmp_path / "street.png", PICTURE)
    np.testing.assert_array_equal(perceiver.depth(str(tmp_path / "street.png")), depth)
    with pytest.raises(UserError, match="absent"):
        perceiver.depth(tmp_path / "absent.png")


def test_a_run_without_depth_says_so():
    perceiver = loading.load_perceiver(fake_run.folder("semantic"))
    assert not perceiver.metric
    with pytest.raises(UserError, match="without the depth task"):
        perceiver.depth(PICTURE)


def test_the_hub_is_never_asked(tmp_path, monkeypatch):
    """A run whose encoder started from weights of the hub has weights of its own."""
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # importing it fails
    shutil.copytree(fake_run.folder("depth"), tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    config["model"]["encoder_weights"] = "timm/resnet18.tv_in1k"
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr("mtl_depth.pretrained.resolve_weights", lambda name: pytest.fail(f"{name} was looked up"))
    restored = loading.load_perceiver(tmp_path / "run")
    jax.tree.map(np.testing.assert_array_equal, restored.variables, fake_run.perceiver("depth").variables)


def test_labels_ask_for_no_camera(capsys):
    """Only depth depends on the intrinsics, so labels do not say that a field of view is assumed."""
    cameras._say_once.cache_clear()
    starter = loading.load_perceiver("starter")
    assert starter.labels(PICTURE).shape == PICTURE.shape[:2]
    assert "field of view" not in capsys.readouterr().err
    starter.depth(PICTURE)
    assert "field of view" in capsys.readouterr().err
