"""The page in a real browser: no requests, no complaints, and controls that do what they say, at three sizes."""

import browser
import cv2
import numpy as np
import page_example
import pytest

from mtl_depth.viewer import document

pytestmark = pytest.mark.browser
PIXELS = "document.querySelector('#cloud').toDataURL()"
COLORS = """(() => { const c = document.querySelector('#cloud');
const p = new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer);
return new Set(p).size })()"""
SIZES = [(1400, 900), (1000, 800), (390, 844)]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return page_example.write(tmp_path_factory.mktemp("page"))


@pytest.fixture
def tab(page):
    with browser.chromium() as tab:
        tab.resize(*SIZES[0])
        tab.open(page)
        tab.wait_for(f"{COLORS} > 100")  # the cloud is there, in many colours
        yield tab
        assert tab.requests() == [page.resolve().as_uri()]
        assert tab.complaints() == []


def settled(tab) -> str:
    """The cloud's picture when it no longer changes."""
    tab.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    tab.call("Runtime.evaluate", expression="new Promise(done => setTimeout(done, 200))", awaitPromise=True)
    return tab.evaluate(PIXELS)


def choose(tab, select: str, value: str) -> None:
    tab.evaluate(
        f"(s => {{ s.value = '{value}'; s.dispatchEvent(new Event('change')) }})(document.querySelector('{select}'))"
    )


@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_every_screen(tab, tmp_path, dark):
    for width, height in SIZES:
        tab.resize(width, height, dark=dark)
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert tab.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
        light = sum(tab.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")) > 380
        assert light == (not dark)
        tab.screenshot(tmp_path / "page.png")
        assert (tmp_path / "page.png").stat().st_size > 20_000
    tables = "document.querySelector('#tables')"
    assert tab.evaluate(f"{tables}.scrollWidth > {tables}.clientWidth")  # on a phone it scrolls inside itself
    tab.resize(*SIZES[0])
    assert tab.evaluate(f"{tables}.scrollWidth <= {tables}.clientWidth")


def test_layers_pictures_and_legends(tab):
    assert tab.evaluate("document.querySelector('h1').textContent") == "a <b>run</b> & more </script>"
    assert "Depth (metres)" in tab.evaluate("document.querySelector('#legend').textContent")
    left, below = "document.querySelector('#above').src", "document.querySelector('#below').src"
    first, depth = tab.evaluate(left), tab.evaluate(below)
    choose(tab, "#left", "Semantics")
    assert tab.evaluate(left) != first and "sidewalk" in tab.evaluate("document.querySelector('#legend').textContent")
    choose(tab, "#right", "Depth error")
    assert tab.evaluate(below) != depth
    tab.evaluate("document.querySelector('#frames').focus()")
    tab.press("ArrowRight", 39)
    assert tab.evaluate("document.querySelector('[aria-selected=true]').textContent") == "high"
    assert tab.evaluate("document.querySelector('#left').value") == "Semantics"  # what was chosen stays
    tab.press("ArrowRight", 39)
    assert tab.evaluate("document.querySelector('[aria-selected=true]').textContent") == "low"

    edge = "Number(getComputedStyle(document.querySelector('#above')).clipPath.match(/ ([0-9.]+)%/)[1])"
    assert tab.evaluate(edge) == 50
    tab.drag("#slider", by=(200, 0))
    assert tab.evaluate(edge) < 40  # more of the left layer, so less is cut from its right
    x, y = tab.middle("#slider")
    tab.call(
        "Input.dispatchMouseEvent",
        type="mouseMoved",
        x=x,
        y=y + 0.4 * tab.evaluate("document.querySelector('#slider').clientHeight"),
    )
    assert tab.evaluate("document.querySelector('#value').textContent").startswith("2.8")  # 1.2 m * 120 / 50


def test_the_cloud_turns_zooms_and_comes_back(tab):
    before = settled(tab)
    tab.drag("#cloud", by=(80, 30))
    turned = settled(tab)
    assert turned != before
    tab.evaluate("document.querySelector('#reset').click()")
    assert settled(tab) == before
    for key, code in (("ArrowLeft", 37), ("+", 187), ("-", 189)):
        tab.evaluate("document.querySelector('#cloud').focus()")
        last = settled(tab)
        tab.press(key, code)
        assert settled(tab) != last, key
    tab.press("0", 48)
    assert settled(tab) == before
    for select, value in (("#paint", "Depth"), ("#paint", "Semantics")):
        last = settled(tab)
        choose(tab, select, value)
        assert settled(tab) != last, value
    last = settled(tab)
    tab.evaluate("document.querySelector('#axes').click()")
    assert settled(tab) != last


def test_the_wheel_is_the_page_s_until_the_cloud_was_clicked(tab):
    before, at = settled(tab), "scrollY"
    tab.middle("#cloud")
    start = tab.evaluate(at)
    tab.call("Input.dispatchMouseEvent", type="mouseWheel", x=600, y=450, deltaX=0, deltaY=200)
    tab.wait_for(f"{at} > {start}")
    assert settled(tab) == before
    tab.drag("#cloud", by=(0, 0))  # a click
    start = tab.evaluate(at)
    clicked = settled(tab)
    tab.wheel("#cloud", by=-200)
    assert settled(tab) != clicked and tab.evaluate(at) == start


def touch(tab, kind: str, *places: tuple[float, float]) -> None:
    points = [{"x": x, "y": y, "id": index} for index, (x, y) in enumerate(places)]
    tab.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)


def test_a_finger_scrolls_the_page_and_two_turn_the_cloud(tab):
    tab.resize(*SIZES[2])
    tab.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
    x, y = tab.middle("#cloud")
    before, start = settled(tab), tab.evaluate("scrollY")
    touch(tab, "touchStart", (x, y))
    for moved in range(20, 140, 20):
        touch(tab, "touchMove", (x, y - moved))
    touch(tab, "touchEnd")
    tab.wait_for(f"scrollY > {start}")
    assert settled(tab) == before
    x, y = tab.middle("#cloud")
    settled(tab)
    start = tab.evaluate("scrollY")
    touch(tab, "touchStart", (x - 40, y), (x + 40, y))
    for moved in range(10, 50, 10):
        touch(tab, "touchMove", (x - 40 - moved, y), (x + 40 + moved, y))
    touch(tab, "touchEnd")
    assert settled(tab) != before and tab.evaluate("scrollY") == start


def test_curves_table_and_figure(tab):
    assert tab.evaluate("document.querySelectorAll('table tr').length") == 5
    assert tab.evaluate("document.querySelectorAll('svg polyline').length") == 4
    x, y = tab.middle("#curves figure:nth-child(2) svg")
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    assert tab.evaluate("document.querySelector('#curves figure:nth-child(2) output').textContent").startswith("step ")
    width = "document.querySelector('#grid').clientWidth"
    fitted = tab.evaluate(width)
    tab.evaluate("document.querySelector('#zoom').click()")
    assert tab.evaluate(width) != fitted


def test_a_film_plays(tmp_path):
    film = cv2.VideoWriter(str(tmp_path / "depth.webm"), cv2.VideoWriter_fourcc(*"VP90"), 10, (64, 48))
    for value in range(5):
        film.write(np.full((48, 64, 3), 40 * value, np.uint8))
    film.release()
    page = tmp_path / "page.html"
    document.write(page, title="t", sentences=[], metric=True, film=tmp_path / "depth.webm")
    with browser.chromium() as tab:
        tab.open(page)
        tab.wait_for("document.querySelector('#movie').videoWidth === 64")
        tab.evaluate("document.querySelector('#movie').play()")
        tab.wait_for("document.querySelector('#movie').currentTime > 0.1")
        assert tab.complaints() == []
