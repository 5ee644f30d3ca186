"""A run goes to the hub and comes back: what it predicts is the same, and no path of this machine goes along."""

import inspect
import json
import pathlib
import shutil
import types

import command_line
import fake_run
import numpy as np
import pytest

from mtl_depth.inference import load_perceiver
from mtl_depth.prediction.loading import STARTER_FILE
from mtl_depth.runtime import record

PICTURE = np.random.default_rng(0).integers(0, 256, (45, 131, 3), np.uint8)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A folder in the place of the hub, with the client's functions that are used."""
    real, errors = pytest.importorskip("huggingface_hub"), pytest.importorskip("huggingface_hub.errors")
    utils = pytest.importorskip("huggingface_hub.utils")
    uploads, downloads = real.HfApi, real.snapshot_download
    place = tmp_path / "hub"
    calls = []

    class Api:
        def create_repo(self, **options):
            inspect.signature(uploads.create_repo).bind(self, **options)
            calls.append(options)
            (place / options["repo_id"]).mkdir(parents=True, exist_ok=options["exist_ok"])

        def upload_folder(self, **options):
            inspect.signature(uploads.upload_folder).bind(self, **options)
            shutil.copytree(options["folder_path"], place / options["repo_id"], dirs_exist_ok=True)

    def snapshot_download(**options):
        inspect.signature(downloads).bind(**options)
        if not (place / options["repo_id"]).is_dir():
            raise errors.RepositoryNotFoundError.__new__(errors.RepositoryNotFoundError)
        files = [path.relative_to(place / options["repo_id"]) for path in (place / options["repo_id"]).rglob("*")]
        files = [path for path in files if (place / options["repo_id"] / path).is_file()]
        for path in utils.filter_repo_objects(map(str, files), allow_patterns=options["allow_patterns"]):
            target = pathlib.Path(options["local_dir"], path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(place / options["repo_id"] / path, target)
        pathlib.Path(options["local_dir"], ".cache/huggingface").mkdir(parents=True)

    monkeypatch.setattr(real, "HfApi", Api)
    monkeypatch.setattr(real, "snapshot_download", snapshot_download)
    return types.SimpleNamespace(place=place, calls=calls)


@pytest.fixture
def run(tmp_path):
    folder = shutil.copytree(fake_run.folder("depth"), tmp_path / "home" / "street")
    config = json.loads((folder / "config.json").read_text())
    config["data"] |= {"data_dir": f"{tmp_path}/home/tfds", "manual_dir": f"{tmp_path}/home/kitti"}
    (folder / "config.json").write_text(json.dumps(config))
    record.write(folder / "dataset.json", {"frames": 3, "built_with": {"manual_dir": f"{tmp_path}/home/kitti"}})
    (folder / "metrics.jsonl").write_text('{"step": 7, "loss": 0.5}\n')
    card = f"Data set: {tmp_path}/home/tfds, built from {tmp_path}/home/kitti."
    (folder / "model_card.md").write_text(card)
    (folder / "tensorboard").mkdir()
    (folder / "tensorboard" / "events").write_text("private")
    return folder


def test_a_run_comes_back_as_it_was(hub, run, tmp_path):
    assert command_line.run("push", str(run), "me/street") == 0
    assert hub.calls == [{"repo_id": "me/street", "exist_ok": True, "private": True}]
    sent = {str(path.relative_to(hub.place)): path for path in hub.place.rglob("*") if path.is_file()}
    assert not any("tensorboard" in name for name in sent)
    for path in sent.values():
        assert str(tmp_path).encode() not in path.read_bytes(), path
    assert "built from kitti." in sent["me/street/README.md"].read_text()
    assert command_line.run("pull", "me/street", str(tmp_path / "back")) == 0
    assert json.loads((tmp_path / "back" / "config.json").read_text())["data"]["data_dir"] == "tfds"
    assert (tmp_path / "back" / "metrics.jsonl").read_text() == '{"step": 7, "loss": 0.5}\n'
    assert not (tmp_path / "back" / ".cache").exists()
    before, after = load_perceiver(run), load_perceiver(tmp_path / "back")
    np.testing.assert_array_equal(before.depth(PICTURE), after.depth(PICTURE))


def test_the_starter_comes_back_to_the_byte(hub, tmp_path, capsys):
    assert command_line.run("push", "starter", "me/starter") == 0
    assert command_line.run("pull", "me/starter", str(tmp_path / "back")) == 0
    assert (tmp_path / "back" / STARTER_FILE.name).read_bytes() == STARTER_FILE.read_bytes()
    assert f"--config.weights={tmp_path / 'back'}" in capsys.readouterr().err


def test_what_is_not_ours_is_not_kept(hub, tmp_path, capsys):
    (hub.place / "they" / "bert").mkdir(parents=True)
    (hub.place / "they" / "bert" / "config.json").write_text("{}")
    (hub.place / "they" / "bert" / "pickle.bin").write_text("never downloaded")
    assert command_line.run("pull", "they/bert", str(tmp_path / "back")) == 2
    assert "they/bert on the hub was not made by mtl-depth push" in capsys.readouterr().err
    assert not (tmp_path / "back").exists() or not any((tmp_path / "back").iterdir())
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".back")] == []
