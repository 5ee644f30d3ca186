"""`mtl-depth serve`: what it answers, what it refuses, and the page in a browser."""

import contextlib
import http.client
import io
import json
import socket
import threading

import browser
import fake_run
import numpy as np
import PIL.Image
import pytest
import uvicorn

from mtl_depth import config as configuration
from mtl_depth.commands import serve
from mtl_depth.errors import UserError
from mtl_depth.viewer import document, server

SIZE = (48, 80)


def picture(kind="PNG", size=SIZE) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)).save(file, kind)
    return file.getvalue()


@contextlib.contextmanager
def running(app):
    """The port of a server that runs in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        program = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=program.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            program.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def port():
    config = configuration.Config()
    with running(serve.make_app(config, fake_run.folder("depth"), host="127.0.0.1")) as port:
        yield port


def ask(port, method="POST", path="/look", body=b"", **headers):
    """(status, headers, body) of a request."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_answered_by_its_frame(port, kind):
    status, headers, body = ask(port, body=picture(kind), content_type=f"image/{kind.lower()}")
    frame = json.loads(body)
    assert status == 200 and headers["x-content-type-options"] == "nosniff"
    assert [layer["name"] for layer in frame["layers"]] == ["Picture", "Depth"]
    assert frame["clouds"][0]["size"] == list(SIZE)


def test_the_page_is_the_viewer_and_asks_this_server_only(port):
    status, headers, body = ask(port, "GET", "/")
    assert status == 200 and headers["cache-control"] == "no-store"
    assert b"connect-src 'self'" in body and b"function startServing" in body
    assert str(fake_run.folder("depth").parent).encode() not in body


IMAGE = {"content_type": "image/png"}
REFUSED = {
    "no picture": (400, {"body": b"\x89PNG\r\n", **IMAGE}, "PNG"),
    "another format": (400, {"body": picture("GIF"), **IMAGE}, "send one of"),
    "no type": (415, {"body": picture()}, "content type"),
    "a form": (415, {"body": picture(), "content_type": "multipart/form-data"}, "content type"),
    "too large": (413, {"content_length": str(server.LARGEST + 1), **IMAGE}, "larger than 25 MB"),
    "another page": (403, {"body": picture(), "origin": "http://example.com", **IMAGE}, "Only the page"),
    "another name": (400, {"body": picture(), "host": "example.com", **IMAGE}, "Invalid host"),
    "another way": (405, {"method": "PUT"}, ""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(port, case):
    status, request, sentence = REFUSED[case]
    found, _, body = ask(port, **request)
    assert found == status and sentence in body.decode()


@pytest.mark.parametrize(
    "path", ["/config.json", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/look"]
)
def test_no_file_can_be_read(port, path):
    status, _, body = ask(port, "GET", path)
    assert status in (404, 405) and b"root:" not in body and len(body) < 100


def test_many_pixels_are_refused_before_they_are_decoded(monkeypatch):
    monkeypatch.setattr(server, "MOST_PIXELS", 1000)
    with pytest.raises(server.Refused, match="more than 0 million pixels"):
        server.decode(picture())


def test_large_pictures_are_reduced():
    assert server.decode(picture(size=(100, 4000))).shape == (48, 1920, 3)


def test_pictures_are_limited_in_a_minute_and_bodies_while_they_come(monkeypatch):
    def look(image):
        return {"layers": [], "clouds": []}

    with running(server.make_app(look, "", hosts=serve.LOCAL, per_minute=2)) as port:
        answers = [ask(port, body=picture(), **IMAGE)[0] for _ in range(3)]
        assert answers == [200, 200, 429]
    monkeypatch.setattr(server, "LARGEST", 10_000)
    with running(server.make_app(look, "", hosts=serve.LOCAL)) as port:
        assert ask(port, body=iter([bytes(6_000), bytes(6_000)]), **IMAGE)[0] == 413  # in chunks, no length given


def test_a_taken_port_is_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"--port={port} of --host=127.0.0.1 cannot be used"):
            serve.run(configuration.Config(), fake_run.folder("depth"), host="127.0.0.1", port=port)


@pytest.mark.browser
def test_a_dropped_picture_and_one_of_the_camera(port, tmp_path):
    (tmp_path / "street.png").write_bytes(picture())
    frames, answered = (
        "document.querySelectorAll('.frame').length",
        "document.querySelector('#state').textContent === ''",
    )
    with browser.chromium("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream") as tab:
        address = f"http://127.0.0.1:{port}/"
        tab.open(address)
        x, y = tab.middle("#serve")
        dropped = {"items": [], "files": [str(tmp_path / "street.png")], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            tab.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=dropped)
        tab.wait_for(f"{frames} === 1 && {answered}")
        assert tab.evaluate("document.querySelector('.frame').textContent") == "street.png"
        assert tab.evaluate("document.querySelector('#points').textContent").endswith("up to scale")
        tab.evaluate("document.querySelector('#camera').click()")
        tab.wait_for("!document.querySelector('#take').hidden && document.querySelector('#serve video').videoWidth > 0")
        tab.evaluate("document.querySelector('#take').click()")
        tab.wait_for(f"{frames} === 2 && {answered}")
        assert set(tab.requests()) <= {address, f"{address}look", f"{address}favicon.ico"}
        assert tab.complaints() == []


def test_the_page_of_a_file_asks_nobody():
    content = document.content_of(title="t", sentences=[], metric=True)
    assert "startServing" not in document.page(content)
