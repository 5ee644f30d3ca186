"""The page as a small web application: it receives a picture, returns layers and point cloud, and stores nothing."""

import asyncio
import collections
import io
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

LARGEST = 25_000_000  # bytes of a picture's file
MOST_PIXELS = 50_000_000
WIDEST = 1920  # pixels per side; larger pictures are reduced
PER_MINUTE = 60  # pictures
WAITING = 4  # requests at the same time, of which one is processed
FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


class Refused(Exception):
    """A request that is answered with an error message and a status."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


def make_app(
    look: Callable[[np.ndarray], Mapping[str, Any]], page: str, *, hosts: Sequence[str], per_minute: int = PER_MINUTE
) -> Starlette:
    """The application: `GET /` returns the page, `POST /look` the results for a picture; there are no other routes.

    Args:
        look: a picture [h w 3] -> a frame in the form that the page's scripts read.
        page: the HTML text.
        hosts: accepted names of the server; others are refused, because another site could use its own domain name
            to send requests (DNS rebinding).
        per_minute: limit of pictures per minute.
    """
    turn, waiting, times = asyncio.Lock(), [], collections.deque()

    async def home(request: Request) -> Response:
        return HTMLResponse(page, headers=HEADERS)

    async def answer(request: Request) -> Response:
        try:
            _check(request)
            _take_turn(times, per_minute)
            if len(waiting) >= WAITING:
                raise Refused(503, "Too many pictures at the same time; send this one again later.")
            waiting.append(request)
            try:
                body = await _read(request)
                async with turn:
                    frame = await run_in_threadpool(lambda: look(decode(body)))
            finally:
                waiting.remove(request)
        except ClientDisconnect:
            return Response(status_code=400)
        except Refused as refused:
            return JSONResponse({"error": str(refused)}, refused.status, HEADERS)
        return JSONResponse(frame, headers=HEADERS)

    routes = [Route("/", home), Route("/look", answer, methods=["POST"])]
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))])


def decode(body: bytes) -> np.ndarray:
    """The picture of a file's bytes, uint8 [h w 3] RGB, upright and at most `WIDEST` wide and high.

    Raises:
        Refused: it is not a picture, or too large.
    """
    try:
        with PIL.Image.open(io.BytesIO(body), formats=FORMATS) as file:
            if file.width * file.height > MOST_PIXELS:
                raise Refused(
                    413, f"The picture has more than {MOST_PIXELS // 10**6} million pixels; send a smaller one."
                )
            file.draft("RGB", (WIDEST, WIDEST))
            picture = PIL.ImageOps.exif_transpose(file).convert("RGB")
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError):
        raise Refused(400, f"This cannot be read as a picture; send one of {', '.join(FORMATS)}.") from None
    picture.thumbnail((WIDEST, WIDEST))
    return np.array(picture)


def _check(request: Request) -> None:
    """Refuses requests that the page of this server does not send."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise Refused(403, "Only the page of this server may send pictures.")
    if not request.headers.get("content-type", "").startswith("image/"):
        raise Refused(415, "Send the bytes of a picture, with a content type such as image/png.")
    if int(request.headers.get("content-length", 0)) > LARGEST:
        raise Refused(413, f"The file is larger than {LARGEST // 10**6} MB; send a smaller one.")


def _take_turn(times: collections.deque, per_minute: int) -> None:
    now = time.monotonic()
    while times and times[0] < now - 60:
        times.popleft()
    if len(times) >= per_minute:
        raise Refused(429, f"More than {per_minute} pictures in a minute; wait a moment.")
    times.append(now)


async def _read(request: Request) -> bytes:
    """Reads the body; stops as soon as it is too large."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise Refused(413, f"The file is larger than {LARGEST // 10**6} MB; send a smaller one.")
    return bytes(body)
