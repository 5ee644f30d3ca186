"""A self-contained HTML file that shows runs or a prediction, without network, server or other files."""

import base64
import html
import io
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import PIL.Image
from jaxtyping import Float, UInt8

from mtl_depth import table
from mtl_depth.data import LABELS
from mtl_depth.errors import UserError
from mtl_depth.media import point_cloud, visualize
from mtl_depth.runtime import log
from mtl_depth.tasks.classes import ID_FROM_TRAIN_ID, PALETTE
from mtl_depth.viewer import training_curves
from mtl_depth.viewer.frames import LARGEST_ERROR, Frame, Layer

HERE = pathlib.Path(__file__).parent
WIDEST = 960  # pixels of the pictures inside
MOST_POINTS = 135_000  # of a cloud: 2 bytes each, a third more as text
SCRIPTS = {"CLOUD": "cloud.js", "CURVES": "curves.js", "PAGE": "page.js"}
CLASSES = {label.name: label.id for label in LABELS if label.id in ID_FROM_TRAIN_ID}  # of the legend of segmentation


def write(
    path: pathlib.Path,
    *,
    title: str,
    sentences: Sequence[str],
    metric: bool,
    frames: Sequence[Frame] = (),
    figure: UInt8[np.ndarray, "h w 3"] | None = None,
    run: pathlib.Path | None = None,
    runs: Sequence[pathlib.Path] = (),
    film: pathlib.Path | None = None,
) -> None:
    """Writes the page.

    Args:
        path: of the HTML file.
        title: the heading.
        sentences: text below the heading.
        metric: whether depth is in metres.
        frames: shown layer by layer and as point clouds.
        figure: the grid of predictions.
        run: folder whose scores and curves are shown, as far as they exist.
        runs: several such folders, whose curves share their charts.
        film: a WebM file that the page plays.
    """
    runs = [pathlib.Path(folder) for folder in (*([run] if run else []), *runs)]
    rows = {folder.resolve().name: log.read_metrics(folder / "metrics.jsonl") for folder in runs}
    content = content_of(title=title, sentences=sentences, metric=metric) | {
        "frames": [frame_content(frame) for frame in frames],
        "figure": None if figure is None else _picture(figure, widest=2000),
        "film": None if film is None else f"data:video/webm;base64,{_base64(film.read_bytes())}",
        "curves": training_curves.charts(rows),
        **_numbers(runs),
    }
    path.write_text(page(content), encoding="utf-8")


def content_of(*, title: str, sentences: Sequence[str], metric: bool) -> dict[str, Any]:
    """The data of a page without frames, tables or curves."""
    stops = visualize.color_map(np.linspace(0, 1, 17, dtype=np.float32)[None])[0]
    return {
        "title": title,
        "sentences": list(sentences),
        "unit": "m" if metric else "",
        "frames": [],
        "figure": None,
        "film": None,
        "tables": [],
        "notes": [],
        "curves": [],
        "classes": [[name, _hex(PALETTE[label_id])] for name, label_id in CLASSES.items()],
        "colors": [_hex(stop) for stop in stops],
        "largest_error": LARGEST_ERROR,
    }


def page(content: Mapping[str, Any], *, serve: bool = False) -> str:
    """The HTML text of a page.

    Args:
        content: the result of `content_of`, with frames, tables and curves added.
        serve: whether the page has controls that send pictures to its server.
    """
    text = (HERE / "page.html").read_text(encoding="utf-8")
    title = html.escape(content["title"])
    text = text.replace("<title>mtl_depth</title>", f"<title>{title}</title>")
    if serve:
        text = text.replace("default-src 'none';", "default-src 'none'; connect-src 'self';")
    files = {"STYLE": "page.css", **SCRIPTS, **({"SERVE": "serve.js"} if serve else {})}
    for mark, file in files.items():
        text = text.replace(f"/*{mark}*/", (HERE / file).read_text(encoding="utf-8"))
    # A "</script>" in a name would end the element that holds the data.
    return text.replace("/*SERVE*/", "").replace("/*DATA*/", json.dumps(content).replace("<", "\\u003c"))


def frame_content(frame: Frame) -> dict[str, Any]:
    """A frame in the form that the page's scripts read; pictures are data URLs, depth is base64."""
    layers = frame.layers
    if not layers and frame.depth_picture is not None:
        layers = [Layer("Depth", frame.depth_picture)]
    depths = frame.others or ({} if frame.depth is None else {"": frame.depth})
    return {
        "name": frame.name,
        "layers": [{"name": "Picture", "picture": _picture(frame.image), "legend": ""}]
        + [layer._asdict() | {"picture": _picture(layer.picture)} for layer in layers],
        "clouds": [_cloud(name, depth, frame) for name, depth in depths.items()],
    }


def _cloud(name: str, depth: Float[np.ndarray, "h w"], frame: Frame) -> dict[str, Any]:
    """Depth on a grid of pixels as 16-bit numbers, 0 where the cloud has no point."""
    matrix = np.asarray(frame.intrinsics, np.float64)
    cloud = point_cloud.from_depth(depth, frame.image, matrix, farthest=frame.farthest, most=MOST_POINTS)
    step = point_cloud.stride(depth.shape, MOST_POINTS)
    grid = np.zeros(depth[step // 2 :: step, step // 2 :: step].shape)
    z = cloud.points[:, 2].astype(np.float64)
    u, v = np.rint((cloud.points @ matrix[:2].T) / z[:, None]).astype(int).T
    grid[v // step, u // step] = z
    scale = (grid.max() or 1.0) / 65535
    return {
        "name": name,
        "depths": _base64(np.rint(grid / scale).astype("<u2").tobytes()),
        "scale": scale,
        "rows": grid.shape[0],
        "columns": grid.shape[1],
        "step": step,
        "size": list(depth.shape),
        "camera": [matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]],
    }


def _numbers(folders: Sequence[pathlib.Path]) -> dict[str, list[str]]:
    """Table 1 of the evaluated runs with its notes, without any local path."""
    runs, notes = [], []
    for folder in folders:
        if (folder / "evaluation.json").exists():
            name = folder.resolve().name
            try:
                runs.append(table.load(folder)._replace(folder=pathlib.Path(name)))
            except UserError:
                notes.append(f"The evaluation of {name} cannot be read; evaluate it again.")
    if not runs:
        return {"tables": [], "notes": notes}
    return {"tables": [table.table(table.rows(runs)), *table.segmentation(runs)], "notes": notes + table.notes(runs)}


def _picture(picture: UInt8[np.ndarray, "h w 3"], *, widest: int = WIDEST) -> str:
    """A picture as a data URL."""
    image = PIL.Image.fromarray(picture)
    if image.width > widest:
        image = image.resize((widest, max(1, round(image.height * widest / image.width))), PIL.Image.Resampling.BOX)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{_base64(file.getvalue())}"


def _hex(color: UInt8[np.ndarray, "3"]) -> str:
    return "#" + "".join(f"{value:02x}" for value in color)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
