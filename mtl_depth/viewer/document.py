"""One HTML file that shows a run or a prediction and needs nothing else: no network, no server, no other file."""

import base64
import html
import io
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
from jaxtyping import Float, UInt8

from mtl_depth import table
from mtl_depth.errors import UserError
from mtl_depth.media import point_cloud
from mtl_depth.runtime import log

HERE = pathlib.Path(__file__).parent
WIDEST = 960  # pixels of the pictures inside
MOST_POINTS = 135_000  # of a cloud: 9 bytes each, a third more as text; with four frames a page stays below 8 MB
MOST_STEPS = 300  # of a curve
HIDDEN = ("step", "split", "learning_rate")  # columns of metrics.jsonl without a curve


class Frame(NamedTuple):
    """One picture of the page.

    Attributes:
        name: of its button.
        image: the input.
        depth_picture: coloured depth.
        depth: at the input's size.
        intrinsics: of the input.
        farthest: depth beyond which the cloud has no point.
    """

    name: str
    image: UInt8[np.ndarray, "h w 3"]
    depth_picture: UInt8[np.ndarray, "H W 3"]
    depth: Float[np.ndarray, "h w"]
    intrinsics: Float[np.ndarray, "3 3"]
    farthest: float


def write(
    path: pathlib.Path,
    *,
    title: str,
    sentences: Sequence[str],
    metric: bool,
    frames: Sequence[Frame] = (),
    figure: UInt8[np.ndarray, "h w 3"] | None = None,
    run: pathlib.Path | None = None,
) -> None:
    """Writes the page.

    Args:
        path: of the HTML file.
        title: its heading.
        sentences: below the heading.
        metric: whether depth is in metres.
        frames: to slide over and to turn in three dimensions.
        figure: the grid of predictions.
        run: folder whose table and curves are shown, as far as they are there.
    """
    content = {
        "title": title,
        "sentences": list(sentences),
        "unit": "in metres" if metric else "up to scale",
        "frames": [_frame(frame) for frame in frames],
        "figure": None if figure is None else _picture(figure, widest=2000),
        **_numbers(run),
        "curves": [] if run is None else curves(log.read_metrics(run / "metrics.jsonl")),
    }
    text = (HERE / "page.html").read_text(encoding="utf-8")
    text = text.replace("<title>mtl_depth</title>", f"<title>{html.escape(title)}</title>")
    for mark, file in (("STYLE", "page.css"), ("CLOUD", "cloud.js"), ("PAGE", "page.js")):
        text = text.replace(f"/*{mark}*/", (HERE / file).read_text(encoding="utf-8"))
    # A "</script>" in a name would end the element that holds the data.
    path.write_text(text.replace("/*DATA*/", json.dumps(content).replace("<", "\\u003c")), encoding="utf-8")


def curves(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every logged number as `{"name", "points": [[step, value], ...]}`, thinned; what was scored on a split last."""
    found: dict[str, list[list[float]]] = {}
    for row in rows:
        prefix = f"{row['split']}: " if "split" in row else ""
        if prefix:  # of the many scores, the ones to steer by
            row = {name: row[name] for name in row if name in SCORES} | {"step": row["step"]}
        for name, value in row.items():
            if name not in HIDDEN and isinstance(value, int | float) and np.isfinite(value):
                found.setdefault(prefix + name, []).append([row["step"], value])
    ordered = sorted(found, key=lambda name: (": " in name, name != "loss", name))
    thinned = {name: found[name][:: max(1, len(found[name]) // MOST_STEPS)] for name in ordered}
    return [{"name": name, "points": points} for name, points in thinned.items() if len(points) > 1]


SCORES = ("depth/median_scaled/abs_rel", "depth/unscaled/abs_rel", "semantic/miou", "instance/pq", "instance/ap")


def _numbers(run: pathlib.Path | None) -> dict[str, list[str]]:
    """The run's Table 1 and what a reader has to know of it."""
    if run is None:
        return {"tables": [], "notes": []}
    try:
        runs = [table.load(run)]
    except UserError as error:
        return {"tables": [], "notes": [str(error)]}
    return {"tables": [table.table(table.rows(runs)), *table.segmentation(runs)], "notes": table.notes(runs)}


def _frame(frame: Frame) -> dict[str, Any]:
    cloud = point_cloud.from_depth(
        frame.depth, frame.image, frame.intrinsics, farthest=frame.farthest, most=MOST_POINTS
    )
    width, stride = frame.image.shape[1], point_cloud.stride(frame.depth.shape, MOST_POINTS)
    largest = float(np.abs(cloud.points).max()) if len(cloud.points) else 1.0
    scale = largest / 32767
    return {
        "name": frame.name,
        "input": _picture(frame.image),
        "depth": _picture(frame.depth_picture),
        "cloud": {
            "count": len(cloud.points),
            "points": _base64(np.rint(cloud.points / scale).astype("<i2").tobytes()),
            "colors": _base64(cloud.colors.tobytes()),
            "scale": scale,
            "middle": float(np.median(cloud.points[:, 2])) if len(cloud.points) else 1.0,
            "focal": float(frame.intrinsics[0, 0] / width),
            "columns": width / stride,
        },
    }


def _picture(picture: UInt8[np.ndarray, "h w 3"], *, widest: int = WIDEST) -> str:
    """A data address."""
    image = PIL.Image.fromarray(picture)
    if image.width > widest:
        image = image.resize((widest, max(1, round(image.height * widest / image.width))), PIL.Image.Resampling.BOX)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{_base64(file.getvalue())}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
