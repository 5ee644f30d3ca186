"""The page as a file: all inside, small, and its numbers the run's."""

import base64
import json
import re

import numpy as np
import page_example
import pytest

from mtl_depth.media import point_cloud
from mtl_depth.viewer import document, frames, training_curves


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return page_example.write(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def content(page):
    return content_of(page)


def content_of(page):
    return json.loads(re.search(r'type="application/json">(.*?)</script>', page.read_text(), re.S)[1])


def test_everything_is_inside(page):
    text = page.read_text()
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)""", text)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)  # the name of SVG is no address to ask
    assert not re.search(r"/\*[A-Z]+\*/", text) and "connect-src" not in text
    assert page.stat().st_size < 8e6


def test_no_path_of_this_machine_is_inside(page):
    assert str(page.parent) not in page.read_text()


def test_a_title_is_text_and_not_a_tag(page, content):
    assert content["title"] == "a <b>run</b> & more </script>"
    assert "<title>a &lt;b&gt;run&lt;/b&gt; &amp; more &lt;/script&gt;</title>" in page.read_text()
    assert page.read_text().count("</script>") == 5


def points_of(cloud):
    """(x, y, z) as cloud.js makes them."""
    depths = np.frombuffer(base64.b64decode(cloud["depths"]), "<u2").reshape(cloud["rows"], cloud["columns"])
    fx, fy, cx, cy = cloud["camera"]
    rows, columns = np.nonzero(depths)
    z = depths[rows, columns] * cloud["scale"]
    u, v = (cloud["step"] // 2 + index * cloud["step"] for index in (columns, rows))
    return np.stack([(u - cx) / fx * z, (v - cy) / fy * z, z], axis=-1)


def test_the_cloud_is_the_depth_s(content):
    shown, frame = content["frames"][1]["clouds"][0], page_example.frame("high", 4.0)
    cloud = point_cloud.from_depth(frame.depth, frame.image, frame.intrinsics, farthest=80.0)
    np.testing.assert_allclose(points_of(shown), cloud.points, atol=25 / 65535)
    assert shown["size"] == list(page_example.SIZE) and shown["step"] == 1


def test_large_pictures_and_clouds_are_thinned():
    size = (900, 2000)
    image, depth = np.zeros((*size, 3), np.uint8), np.full(size, 5.0)
    entry = document.frame_content(frames.Frame("large", image, image, depth, np.diag([900.0, 900, 1]), 80.0))
    cloud = points_of(entry["clouds"][0])
    assert document.MOST_POINTS / 2.5 < len(cloud) <= document.MOST_POINTS
    np.testing.assert_allclose(cloud, point_cloud.from_depth(
        depth, image, np.diag([900.0, 900, 1]), most=document.MOST_POINTS
    ).points, rtol=1e-4)  # fmt: skip
    assert [layer["name"] for layer in entry["layers"]] == ["Picture", "Depth"]
    assert len(json.dumps(entry)) < 0.5e6


def test_layers_are_what_the_prediction_has(content):
    layers = content["frames"][0]["layers"]
    assert [layer["name"] for layer in layers] == ["Picture", "Depth", "Semantics", "True depth", "Depth error"]
    assert [layer["legend"] for layer in layers] == ["", "depth", "classes", "", "error"]
    depth = page_example.frame("low", 1.2).depth
    assert layers[1]["nearest"] == pytest.approx(np.percentile(depth, 5))
    assert ["car", "#00008e"] in content["classes"] and len(content["classes"]) == 19


def test_an_error_map_is_dark_where_depth_is_right_and_the_picture_where_nothing_is_known():
    truth = np.array([[10.0, 10, 0, 10]] * 2)
    image = np.full((2, 4, 3), 200, np.uint8)
    right, wrong, unknown = (
        frames.error_picture(np.where(truth > 0, truth + d, 7), truth, image, metric=True)[0] for d in (0, 5, 1)
    )
    assert right[0].sum() < 20 and wrong[0].sum() > 500
    np.testing.assert_array_equal(unknown[2], [50, 50, 50])
    scaled = frames.error_picture(3 * truth + (truth == 0), truth, image, metric=False)
    np.testing.assert_array_equal(scaled, right[None].repeat(2, axis=0))


def test_runs_are_merged_picture_by_picture():
    one = page_example.frame("low", 1.2)
    both = frames.merged([one, one._replace(depth=2 * one.depth)], ["a", "b"], metric=True)
    entry = document.frame_content(both)
    names = [layer["name"] for layer in entry["layers"]]
    assert names[:3] == ["Picture", "Depth, a", "Semantics, a"] and "Depth, b" in names
    assert names.count("True depth") == 1 and names[-1] == "True depth"
    assert [cloud["name"] for cloud in entry["clouds"]] == ["a", "b"]
    depths = [layer for layer in both.layers if layer.legend == "depth"]
    assert depths[0].nearest == depths[1].nearest  # the same colours mean the same metres
    assert depths[1].picture.mean() < depths[0].picture.mean()  # twice as far is darker
    free = frames.merged([one, one._replace(depth=2 * one.depth)], ["a", "b"], metric=False)
    assert [layer.picture is one.layers[0].picture for layer in free.layers if layer.legend == "depth"] == [True, True]


def test_the_table_and_the_curves_are_the_run_s(content):
    assert "0.200** (0.555)" in content["tables"][0] and "constant depth" in content["tables"][0]
    assert any("the recipe" in note for note in content["notes"])
    charts = content["curves"]
    assert [chart["name"] for chart in charts] == [
        "val: depth/median_scaled/abs_rel", "loss", "depth/photometric", "learning_rate"
    ]  # fmt: skip
    loss = charts[1]["series"][0]["points"]
    assert loss[-1] == [899, 1 / 899] and 100 < len(loss) <= 450 and loss[5] == [loss[5][0], 1 / loss[5][0]]


def test_runs_share_their_charts():
    rows = [{"step": step, "loss": float(step)} for step in (1, 2)]
    lone = [{"step": 2, "split": "val", "semantic/miou": 0.5}]
    charts = training_curves.charts({"a": rows, "b": rows + lone})
    assert [(chart["name"], [series["run"] for series in chart["series"]]) for chart in charts] == [
        ("val: semantic/miou", ["b"]), ("loss", ["a", "b"])
    ]  # fmt: skip


def test_a_run_that_was_not_evaluated_has_no_table(tmp_path):
    folder = page_example.run(tmp_path / "run")
    (folder / "evaluation.json").unlink()
    document.write(tmp_path / "page.html", title="t", sentences=[], metric=False, run=folder)
    assert "evaluat" not in json.dumps(content_of(tmp_path / "page.html")["notes"])
    (folder / "evaluation.json").write_text("{")
    document.write(tmp_path / "page.html", title="t", sentences=[], metric=False, runs=[folder])
    assert content_of(tmp_path / "page.html")["notes"] == ["The evaluation of run cannot be read; evaluate it again."]


def test_a_film_is_inside(tmp_path):
    (tmp_path / "a.webm").write_bytes(b"film")
    document.write(tmp_path / "page.html", title="t", sentences=[], metric=False, film=tmp_path / "a.webm")
    assert content_of(tmp_path / "page.html")["film"] == "data:video/webm;base64,ZmlsbQ=="
