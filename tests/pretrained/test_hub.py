"""Weights by name: local files, those of pip, the hub when it can be had, a reason when it cannot."""

import sys
import types

import pytest

from mtl_depth import pretrained
from mtl_depth.errors import UserError


def test_local_files_are_themselves(tmp_path):
    path = tmp_path / "resnet18.pth"
    path.touch()
    assert pretrained.resolve_weights(str(path)) == (path, "")


def test_no_name_is_no_file():
    path, reason = pretrained.resolve_weights("")
    assert path is None
    assert reason


@pytest.mark.parametrize("name", ["weights/resnet18.pth", "/nowhere/at/all", "resnet18"])
def test_files_that_are_not_there_are_refused(name):
    with pytest.raises(UserError, match=name):
        pretrained.resolve_weights(name)


def hub(monkeypatch, answer, *, cached=False):
    """Puts a hub client in place that returns, or raises, the answer; returns the list of what it was asked."""
    errors = pytest.importorskip("huggingface_hub.errors")
    asked = []

    def ask(what):
        asked.append(what)
        if isinstance(answer, str):
            raise getattr(errors, answer).__new__(getattr(errors, answer))

    def download(repository, file, *, local_files_only=False):
        if local_files_only and not cached:
            raise errors.LocalEntryNotFoundError.__new__(errors.LocalEntryNotFoundError)
        if not local_files_only:
            ask("file")
        return str(answer / repository.replace("/", "-") / file)

    client = types.SimpleNamespace(
        hf_hub_download=download,
        hf_hub_url=lambda repository, file: f"{repository}/{file}",
        get_hf_file_metadata=lambda url, timeout: ask("whether it is there"),
        errors=errors,
    )
    monkeypatch.setitem(sys.modules, "huggingface_hub", client)
    return asked


def test_what_is_cached_needs_no_network(monkeypatch, tmp_path):
    asked = hub(monkeypatch, tmp_path, cached=True)
    assert pretrained.resolve_weights("timm/resnet18.tv_in1k").path.name == "model.safetensors"
    assert asked == []


def test_an_unreachable_hub_is_asked_once(monkeypatch):
    """The client's own download would ask six times, which takes half a minute."""
    asked = hub(monkeypatch, "OfflineModeIsEnabled")
    assert pretrained.resolve_weights("timm/resnet18.tv_in1k").path is None
    assert asked == ["whether it is there"]


def test_hub_names_are_fetched(monkeypatch, tmp_path):
    hub(monkeypatch, tmp_path)
    expected = tmp_path / "timm-resnet18.tv_in1k" / "model.safetensors"
    assert pretrained.resolve_weights("timm/resnet18.tv_in1k") == (expected, "")


@pytest.mark.parametrize("error", ["LocalEntryNotFoundError", "OfflineModeIsEnabled", "HfHubHTTPError"])
def test_offline_there_is_a_reason(monkeypatch, error):
    hub(monkeypatch, error)
    path, reason = pretrained.resolve_weights("timm/resnet18.tv_in1k")
    assert path is None
    assert "cannot be reached" in reason


@pytest.mark.parametrize("error", ["RepositoryNotFoundError", "EntryNotFoundError"])
def test_names_that_the_hub_lacks_are_refused(monkeypatch, error):
    hub(monkeypatch, error)
    with pytest.raises(UserError, match="is the name right"):
        pretrained.resolve_weights("timm/resnet18.tv_in2k")


def test_without_the_client_there_is_a_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    path, reason = pretrained.resolve_weights("timm/resnet18.tv_in1k")
    assert path is None
    assert "pip install -c constraints.txt -e '.[hub]'" in reason


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "resnet18.onnx"
    path.touch()
    with pytest.raises(UserError, match=r"extensions are .pth, .safetensors, .npz"):
        pretrained.load_resnet(path)
    with pytest.raises(UserError, match="no weight file"):
        pretrained.load_resnet(tmp_path / "absent.pth")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pth"])
def test_damaged_files_are_refused(suffix, tmp_path):
    path = tmp_path / f"resnet18{suffix}"
    path.write_bytes(b"PK but nothing else")
    with pytest.raises(UserError, match="cannot be read"):
        pretrained.load_resnet(path)
