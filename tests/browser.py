"""A headless Chromium, driven by the DevTools protocol: opens a file, runs scripts, moves the mouse, takes pictures."""

import base64
import contextlib
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 60  # seconds for the browser to start or to answer


class Browser:
    """One tab. `events` holds what it reported: requests, console entries, uncaught errors."""

    def __init__(self, socket: Any):
        self._socket, self._number, self.events = socket, 0, []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol and its answer."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def open(self, page: pathlib.Path | str) -> None:
        """Opens a file or an address and waits until it is shown."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=page if isinstance(page, str) else page.resolve().as_uri())
        self.wait_for("location.href !== 'about:blank' && document.readyState === 'complete'")

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """The size of the window and the colours that the user prefers."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def press(self, key: str, code: int = 0) -> None:
        """Presses and releases a key."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code)

    def middle(self, selector: str) -> tuple[float, float]:
        """The middle of an element, which is scrolled to."""
        self.evaluate(f"document.querySelector('{selector}').scrollIntoView({{block: 'center'}})")
        middle = "(b => [b.x + b.width / 2, b.y + b.height / 2])"
        return self.evaluate(f"{middle}(document.querySelector('{selector}').getBoundingClientRect())")

    def wheel(self, selector: str, *, by: int) -> None:
        """Turns the wheel over an element."""
        x, y = self.middle(selector)
        self.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=by)

    def evaluate(self, script: str) -> Any:
        """The value of an expression."""
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def wait_for(self, script: str) -> None:
        """Waits until an expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.evaluate(script):
            assert time.monotonic() < end, f"never came true: {script}"
            time.sleep(0.05)

    def drag(self, selector: str, *, by: tuple[int, int]) -> None:
        """Presses the mouse in the middle of an element and moves it."""
        x, y = self.middle(selector)
        button = {"button": "left", "buttons": 1, "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, **button)
        for step in range(1, 6):
            self.call(
                "Input.dispatchMouseEvent", type="mouseMoved", x=x + by[0] * step / 5, y=y + by[1] * step / 5, **button
            )
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=x + by[0], y=y + by[1], **button)

    def requests(self) -> list[str]:
        """Addresses that were asked for, other than pictures inside the page."""
        asked = [
            event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"
        ]
        return [address for address in asked if not address.startswith("data:")]

    def complaints(self) -> list[str]:
        """Uncaught errors and whatever went to the console."""
        told = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [json.dumps(event) for event in self.events if event["method"] in told]

    def screenshot(self, path: pathlib.Path) -> None:
        """The whole page as PNG."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))


@contextlib.contextmanager
def chromium(*options: str) -> Iterator[Browser]:
    """Starts the browser, with further options; skips the test, saying so, where there is none."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium on this machine, so the page was NOT tested in a browser: apt-get install chromium")
    websocket = pytest.importorskip("websocket", reason="websocket-client is not installed: the page was NOT tested")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=1100,900",
            *options,
        ]
        port = ["--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={profile}"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([program, *arguments, *port, "about:blank"], **quiet)
        try:
            tabs = _wait_for_tabs(pathlib.Path(profile) / "DevToolsActivePort", process)
            address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
            with contextlib.closing(websocket.create_connection(address, timeout=PATIENCE)) as socket:
                yield Browser(socket)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _wait_for_tabs(file: pathlib.Path, process: subprocess.Popen) -> list[dict[str, Any]]:
    end = time.monotonic() + PATIENCE
    while not file.exists() or not file.read_text().strip():
        assert process.poll() is None, "the browser ended at once"
        assert time.monotonic() < end, "the browser did not start"
        time.sleep(0.05)
    port = file.read_text().split()[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=PATIENCE) as answer:
        return json.load(answer)
