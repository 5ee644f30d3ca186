"""`mtl-depth serve`: serves the page for pictures that are dropped on it or taken with the browser's camera."""

import pathlib
import socket
from typing import Any

import numpy as np

from mtl_depth import inference
from mtl_depth.config import Config
from mtl_depth.errors import UserError
from mtl_depth.prediction import cameras
from mtl_depth.prediction.predictor import flip_of
from mtl_depth.runtime import log
from mtl_depth.viewer import document, frames

LOCAL = ("127.0.0.1", "localhost")


def run(config: Config, workdir: str | pathlib.Path, *, host: str, port: int, camera: str = "") -> None:
    """Serves until it is interrupted.

    Args:
        config: weights, checkpoint, flip.
        workdir: the run.
        host: address to listen on.
        port: port to listen on; 0: any free one.
        camera: intrinsics of the pictures as `cameras.find` takes them.

    Raises:
        UserError: no run or weights, the port is taken, or the libraries are not installed.
    """
    try:
        import uvicorn
    except ImportError:
        raise UserError("--mode=serve needs starlette and uvicorn: pip install 'mtl_depth[serve]'") from None
    app = make_app(config, workdir, host=host, camera=camera)
    try:
        listener = socket.create_server((host, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or "ports are 0 to 65535"
        raise UserError(f"--port={port} of --host={host} cannot be used ({reason}); give another.") from None
    with listener:
        name = f"http://{host}:{listener.getsockname()[1]}"
        if host not in LOCAL:
            log.say("warning: everyone who can reach this machine can send pictures to it.")
        log.say(f"Open {name} in a browser; press Ctrl-C to stop.")
        settings = uvicorn.Config(app, log_level="warning", limit_concurrency=32, timeout_keep_alive=10)
        uvicorn.Server(settings).run(sockets=[listener])


def make_app(config: Config, workdir: str | pathlib.Path, *, host: str, camera: str = "") -> Any:
    """The application, with the network compiled."""
    from mtl_depth.viewer import server

    source = config.weights or workdir
    perceiver = inference.load_perceiver(source, checkpoint=config.evaluation.checkpoint, flip=flip_of(config))
    camera_of = cameras.find(
        perceiver.config, camera or None, speak=False, focal_scale=perceiver.focal_scale, run=pathlib.Path(workdir)
    )

    def look(image: np.ndarray) -> dict[str, Any]:
        return document.frame_content(frames.of_picture(perceiver, image, name="", camera_of=camera_of))

    look(np.zeros((*perceiver.size, 3), np.uint8))  # compiles, so that the first picture is answered at once
    title = f"mtl_depth: {pathlib.Path(source).resolve().name}"
    content = document.content_of(title=title, sentences=[], metric=perceiver.metric)
    hosts = ["*"] if host not in LOCAL else LOCAL
    return server.make_app(look, document.page(content, serve=True), hosts=hosts)
