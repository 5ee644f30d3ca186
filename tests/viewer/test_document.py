"""The page as a file: all inside, small, and its numbers the run's."""

import base64
import json
import re

import numpy as np
import page_example
import pytest

from mtl_depth.media import point_cloud
from mtl_depth.viewer import document


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return page_example.write(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def content(page):
    return json.loads(re.search(r'type="application/json">(.*?)</script>', page.read_text(), re.S)[1])


def test_everything_is_inside(page):
    text = page.read_text()
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)""", text)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)  # the name of SVG is no address to ask
    assert not re.search(r"/\*(STYLE|DATA|CLOUD|PAGE)\*/", text)
    assert page.stat().st_size < 8e6


def test_a_title_is_text_and_not_a_tag(page, content):
    assert content["title"] == "a <b>run</b> & more </script>"
    assert "<title>a &lt;b&gt;run&lt;/b&gt; &amp; more &lt;/script&gt;</title>" in page.read_text()
    assert page.read_text().count("</script>") == 3


def test_the_cloud_is_the_depth_s(content):
    shown, frame = content["frames"][1]["cloud"], page_example.frame("high", 4.0)
    cloud = point_cloud.from_depth(frame.depth, frame.image, frame.intrinsics, farthest=80.0)
    points = np.frombuffer(base64.b64decode(shown["points"]), "<i2").reshape(-1, 3) * shown["scale"]
    np.testing.assert_allclose(points, cloud.points, atol=25 / 32767 * 2)
    colors = np.frombuffer(base64.b64decode(shown["colors"]), np.uint8).reshape(-1, 3)
    np.testing.assert_array_equal(colors, cloud.colors)
    assert shown["count"] == len(points) and shown["focal"] == 0.5 and shown["columns"] == page_example.SIZE[1]


def test_large_pictures_and_clouds_are_thinned():
    size = (900, 2000)
    image, depth = np.zeros((*size, 3), np.uint8), np.full(size, 5.0)
    entry = document._frame(document.Frame("large", image, image, depth, np.diag([900.0, 900, 1]), 80.0))
    assert document.MOST_POINTS / 2.5 < entry["cloud"]["count"] <= document.MOST_POINTS
    assert len(json.dumps(entry)) < 1.8e6  # four of them stay below 8 MB


def test_the_table_and_the_curves_are_the_run_s(content):
    assert "0.200** (0.555)" in content["tables"][0] and "constant depth" in content["tables"][0]
    assert any("the recipe" in note for note in content["notes"])
    assert [curve["name"] for curve in content["curves"]] == [
        "loss",
        "depth/photometric",
        "val: depth/median_scaled/abs_rel",
    ]
    loss = content["curves"][0]["points"]
    assert loss[0] == [1, 1.0] and 100 < len(loss) <= 450 and loss[5] == [loss[5][0], 1 / loss[5][0]]


def test_a_run_that_was_not_evaluated_says_so(tmp_path):
    folder = page_example.run(tmp_path / "run")
    (folder / "evaluation.json").unlink()
    document.write(tmp_path / "page.html", title="t", sentences=[], metric=False, run=folder)
    assert "run --mode=evaluate" in (tmp_path / "page.html").read_text()
