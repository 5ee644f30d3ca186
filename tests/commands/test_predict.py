"""`--mode=predict`: every kind of picture to its files, the figure, mistakes."""

import json

import cv2
import fake_run
import numpy as np
import PIL.Image
import plyfile
import pytest

from mtl_depth.commands import predict
from mtl_depth.data import intrinsics
from mtl_depth.errors import UserError
from mtl_depth.media import image_files, inputs, point_cloud
from mtl_depth.media.video_writer import Film
from mtl_depth.prediction.output_folder import MARKER

NAMES = ("depth", "semantic", "instance")


@pytest.fixture(autouse=True)
def _compiled_once(monkeypatch):
    fake_run.install(monkeypatch)
    restored = fake_run.perceiver(*NAMES)
    monkeypatch.setattr("mtl_depth.inference.load_perceiver", lambda path, **options: restored)
    monkeypatch.setattr(
        "mtl_depth.prediction.cameras.find",
        lambda trained, given, **_: lambda size: intrinsics.read(given, size=size).matrix,
    )


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
    endings = ("depth.png", "depth.json", "depth_color.png")
    endings += ("semantic.png", "semantic_ids.png", "instance.png", "instance_ids.png")
    assert written == {f"{name}_{end}" for name in ("odd", "grey", "opacity") for end in endings} | {
        "figure.png",
        "page.html",
        "legend.png",
        MARKER,
    }
    error = capsys.readouterr().err
    assert "Depth is up to scale" in error
    assert "damaged.png cannot be read" in error and "1 of 4 pictures were left out" in error
    for name in ("odd", "grey", "opacity"):
        for end in ("semantic", "instance"):
            assert image_files.read(tmp_path / "out" / f"{name}_{end}.png").shape == (45, 131, 3)
        # enlarged until its legend can be read: 45 x 480 / 131 = 164.9
        assert image_files.read(tmp_path / "out" / f"{name}_depth_color.png").shape == (165, 480, 3)


def test_what_is_written_can_be_chosen(folder, tmp_path):
    config = fake_run.config(*NAMES)
    predict.run(config, tmp_path, folder / "odd.png", tmp_path / "out", write=["npy", "cloud"], camera="90,90,65,22")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"odd_depth.npy", "odd.ply", MARKER}
    depth = np.load(tmp_path / "out" / "odd_depth.npy")
    assert depth.dtype == np.float32 and depth.shape == (45, 131)
    vertices = plyfile.PlyData.read(tmp_path / "out" / "odd.ply")["vertex"]
    camera = np.array([[90.0, 0, 65], [0, 90, 22], [0, 0, 1]])
    image = image_files.read(folder / "odd.png")
    expected = point_cloud.from_depth(depth, image, camera, farthest=point_cloud.farthest(depth, metric=False))
    np.testing.assert_array_equal(np.stack([vertices[name] for name in "xyz"], axis=-1), expected.points)
    with pytest.raises(UserError, match=r"--write=clouds does not exist; there are all, depth"):
        predict.run(config, tmp_path, folder, tmp_path / "out", write=["clouds"])


def test_a_video_becomes_a_video(tmp_path):
    film = Film(tmp_path / "drive.webm", 12.0)
    for value in range(5):
        film.add([np.full((48, 64, 3), 40 * value, np.uint8)])
    film.close()
    predict.run(fake_run.config(*NAMES), tmp_path, tmp_path / "drive.webm", tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"depth.webm", "figure.png", "page.html", MARKER}
    made = inputs.find(tmp_path / "out" / "depth.webm")
    assert made.rate == pytest.approx(12)
    frames = [image for _, image in made.read()]
    assert [image.shape for image in frames] == [(4 * 48, 64, 3)] * 5  # input, depth, semantics, instances
    np.testing.assert_allclose([image[:48].mean() for image in frames], [0, 40, 80, 120, 160], atol=8)


def test_a_smoothed_film_differs_after_its_first_frame(tmp_path, capsys):
    generator = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for index in range(3):
        image_files.write(tmp_path / "in" / f"{index}.png", generator.integers(0, 256, (64, 96, 3), np.uint8))
    for output, smooth in (("plain", False), ("smooth", True)):
        given = (fake_run.config(*NAMES), tmp_path / "run", tmp_path / "in", tmp_path / output)
        predict.run(*given, write=["npy"], smooth=smooth)
    assert capsys.readouterr().err.count("--smooth: the depth of each frame is blended with the last one's") == 1
    files = [[tmp_path / output / f"{index}_depth.npy" for output in ("plain", "smooth")] for index in range(3)]
    assert [np.array_equal(*map(np.load, pair)) for pair in files] == [True, False, False]


def test_farthest_point_of_a_cloud():
    depth = np.array([[1.0, 2.0, 300.0]])
    assert point_cloud.farthest(depth, metric=True) == 80
    assert point_cloud.farthest(depth, metric=False) == 10  # five medians


def test_stored_depth_is_the_network_s(folder, tmp_path):
    predict.run(fake_run.config(*NAMES), tmp_path, folder / "odd.png", tmp_path / "out")
    stored = cv2.imread(str(tmp_path / "out" / "odd_depth.png"), cv2.IMREAD_UNCHANGED)
    image = image_files.resize(image_files.read(folder / "odd.png"), size=fake_run.SIZE)
    image = np.stack([image, image]).astype(np.float32) / 255
    depth = np.asarray(fake_run.perceiver(*NAMES).perceive(image)["depth"][0])
    expected = image_files.resize_depth(depth, size=(45, 131))
    assert stored.dtype == np.uint16
    factor = json.loads((tmp_path / "out" / "odd_depth.json").read_text())["factor"]
    np.testing.assert_allclose(stored / factor, expected, rtol=1e-4, atol=1 / factor)
    assert stored.max() == 65535  # up to scale: all of the range is used


def test_evaluation_frames_where_no_input_is_given(tmp_path):
    predict.run(fake_run.config(*NAMES), tmp_path)
    assert {file.name for file in (tmp_path / "pictures").iterdir()} == {"figure.png", "page.html", MARKER}
    seen, camera = predict.evaluation_frames(
        fake_run.perceiver(*NAMES), fake_run.config(*NAMES), batch_size=fake_run.BATCH_SIZE
    )
    assert len(seen) == fake_run.FRAMES and set(seen[0].shown) >= set(predict.CAPTIONS)
    np.testing.assert_array_equal(seen[1].shown["input"], fake_run.frame(1)["image"][0])
    np.testing.assert_array_equal(camera(fake_run.SIZE), np.eye(3))


def test_mistakes_are_met_by_a_sentence(folder, tmp_path):
    config = fake_run.config(*NAMES)
    with pytest.raises(UserError, match="--output is the folder of the input"):
        predict.run(config, tmp_path, folder, folder)
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "damaged.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="None of the 1 pictures could be read"):
        predict.run(config, tmp_path, tmp_path / "only", tmp_path / "out")
    with pytest.raises(UserError, match="supported extensions"):
        predict.run(config, tmp_path, tmp_path / "out", tmp_path / "more")
    config.evaluation.split = "test"
    with pytest.raises(UserError, match="no frame to show"):
        predict.run(config, tmp_path)
