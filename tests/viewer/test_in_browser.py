"""The page in a real browser: no requests, no complaints, and slider and cloud that do what they say."""

import browser
import page_example
import pytest

pytestmark = pytest.mark.browser
PIXELS = "document.querySelector('#cloud').toDataURL()"
COLORS = """(() => { const c = document.querySelector('#cloud');
const p = new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer);
return new Set(p).size })()"""


def edge(tab) -> float:
    """Where the input ends and depth begins, as a share of the width: what the browser paints."""
    return float(tab.evaluate("getComputedStyle(document.querySelector('#above')).clipPath.match(/ ([0-9.]+)%/)[1]"))


def test_the_page_works_offline(tmp_path):
    page = page_example.write(tmp_path)
    with browser.chromium() as tab:
        tab.open(page)
        tab.wait_for(f"{COLORS} > 100")  # the cloud is there, in many colours

        assert tab.evaluate("document.querySelector('h1').textContent") == "a <b>run</b> & more </script>"
        assert tab.evaluate("document.querySelectorAll('table tr').length") == 5
        assert tab.evaluate("document.querySelectorAll('svg polyline').length") == 3
        assert tab.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
        tab.screenshot(tmp_path / "page.png")

        assert edge(tab) == 50
        tab.drag("#slider", by=(200, 0))
        assert edge(tab) < 40  # more of the input, so less is cut from its right

        before = tab.evaluate(PIXELS)
        tab.drag("#cloud", by=(80, 30))
        tab.wait_for(f"{PIXELS} !== {before!r}")
        turned = tab.evaluate(PIXELS)
        tab.evaluate(
            "document.querySelector('#cloud').dispatchEvent(new WheelEvent('wheel', {deltaY: -300, cancelable: true}))"
        )
        tab.wait_for(f"{PIXELS} !== {turned!r}")
        tab.evaluate("document.querySelector('#cloud').dispatchEvent(new MouseEvent('dblclick'))")
        tab.wait_for(f"{PIXELS} === {before!r}")

        tab.evaluate("document.querySelectorAll('#frames button')[1].click()")
        tab.wait_for(f"{PIXELS} !== {before!r}")

        assert tab.requests() == [page.resolve().as_uri()]
        assert tab.complaints() == []
    assert (tmp_path / "page.png").stat().st_size > 20_000
