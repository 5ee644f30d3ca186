"""`--mode=predict`: every kind of picture to its files, the figure, mistakes."""

import cv2
import fake_run
import numpy as np
import PIL.Image
import pytest

from mtl_depth import pictures, predict
from mtl_depth.errors import UserError

NAMES = ("depth", "semantic", "instance")


@pytest.fixture(autouse=True)
def _compiled_once(monkeypatch):
    fake_run.install(monkeypatch)
    restored = fake_run.perceiver(*NAMES)
    monkeypatch.setattr("mtl_depth.inference.load_perceiver", lambda path, **options: restored)


@pytest.fixture
def folder(tmp_path):
    """Three pictures of odd sizes and kinds, one damaged."""
    made = tmp_path / "in"
    made.mkdir()
    colours = np.random.default_rng(0).integers(0, 256, (45, 131, 3), np.uint8)
    PIL.Image.fromarray(colours).save(made / "odd.png")
    PIL.Image.fromarray(colours[..., 0]).save(made / "grey.jpg")
    PIL.Image.fromarray(np.dstack([colours, colours[..., :1]])).save(made / "opacity.png")
    (made / "damaged.png").write_bytes(b"\x89PNG\r\n")
    return made


def test_a_folder_of_pictures(folder, tmp_path, capsys):
    predict.run(fake_run.config(*NAMES), tmp_path, folder, tmp_path / "out")
    written = {file.name for file in (tmp_path / "out").iterdir()}
    endings = ("depth", "depth_color", "semantic", "instance")
    assert written == {f"{name}_{end}.png" for name in ("odd", "grey", "opacity") for end in endings} | {"figure.png"}
    error = capsys.readouterr().err
    assert "Depth is up to scale" in error
    assert "damaged.png cannot be read" in error and "1 of 4 pictures were left out" in error
    for name in written - {"figure.png", "odd_depth.png", "grey_depth.png", "opacity_depth.png"}:
        picture = pictures.read(tmp_path / "out" / name)
        assert picture.shape == (45, 131, 3)


def test_stored_depth_is_the_network_s(folder, tmp_path):
    predict.run(fake_run.config(*NAMES), tmp_path, folder / "odd.png", tmp_path / "out")
    stored = cv2.imread(str(tmp_path / "out" / "odd_depth.png"), cv2.IMREAD_UNCHANGED)
    image = pictures.resize(pictures.read(folder / "odd.png"), size=fake_run.SIZE)
    image = np.stack([image, image]).astype(np.float32) / 255
    depth = np.asarray(fake_run.perceiver(*NAMES).perceive(image)["depth"][0])
    expected = pictures.resize_depth(depth, size=(45, 131))
    assert stored.dtype == np.uint16
    np.testing.assert_allclose(stored / 256, expected, atol=1 / 256)


def test_evaluation_frames_where_no_input_is_given(tmp_path):
    predict.run(fake_run.config(*NAMES), tmp_path)
    assert [file.name for file in (tmp_path / "pictures").iterdir()] == ["figure.png"]
    columns = predict.evaluation_columns(
        fake_run.perceiver(*NAMES), fake_run.config(*NAMES), batch_size=fake_run.BATCH_SIZE
    )
    assert len(columns) == fake_run.FRAMES and set(columns[0]) >= set(predict.CAPTIONS)
    np.testing.assert_array_equal(columns[1]["input"], fake_run.frame(1)["image"][0])


def test_names_stay_apart(tmp_path):
    files = [tmp_path / name for name in ("a.png", "a.jpg", "b.png")]
    assert predict.unique_names(files) == ["a_png", "a_jpg", "b"]


def test_mistakes_are_met_by_a_sentence(folder, tmp_path):
    config = fake_run.config(*NAMES)
    with pytest.raises(UserError, match="--output is the folder of the input"):
        predict.run(config, tmp_path, folder, folder)
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "damaged.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="None of the 1 pictures could be read"):
        predict.run(config, tmp_path, tmp_path / "only", tmp_path / "out")
    with pytest.raises(UserError, match="endings read"):
        predict.run(config, tmp_path, tmp_path / "out", tmp_path / "more")
    config.evaluation.split = "test"
    with pytest.raises(UserError, match="no frame to show"):
        predict.run(config, tmp_path)
