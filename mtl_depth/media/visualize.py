"""Draws arrays as uint8 RGB pictures, in one style.

Near is bright, unknown is black; label colours are an argument (uint8 [256 3] by label id). OpenCV, which is not
needed for training, is imported where it is used.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Integer, Num, UInt8

Picture = UInt8[np.ndarray, "h w 3"]
INK, PAPER = (40, 40, 40), 255  # captions and gaps of a figure
_MARGIN = 6  # pixels between the pictures of a figure
_TALLEST = 4  # largest height / width of a figure's column; taller pictures are made narrower
_TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 80, 150)  # metres on the legend


def to_uint8(image: Float[np.ndarray, "*b h w 3"] | UInt8[np.ndarray, "*b h w 3"]) -> UInt8[np.ndarray, "*b h w 3"]:
    """Converts colours in [0, 1] to bytes; bytes are returned unchanged."""
    if image.dtype == np.uint8:
        return image
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def color_map(values: Float[np.ndarray, "h w"]) -> Picture:
    """Maps numbers in [0, 1] to the colours of magma, black to pale yellow; others are clipped, and NaN counts as 0."""
    import cv2

    grey = np.rint(np.clip(np.nan_to_num(values), 0, 1) * 255).astype(np.uint8)
    return cv2.applyColorMap(grey, cv2.COLORMAP_MAGMA)[..., ::-1].copy()


def disparity_picture(disparity: Float[np.ndarray, "h w"], *, largest: float | None = None) -> Picture:
    """Colours disparity of any unit; `largest` is the brightest (default: the 95th percentile of positive values)."""
    known = np.isfinite(disparity) & (disparity > 0)
    if largest is None:
        largest = float(np.percentile(disparity[known], 95)) if known.any() else 1.0
    return np.where(known[..., None], color_map(np.where(known, disparity, 0) / largest), np.uint8(0))


def depth_picture(
    depth: Float[np.ndarray, "h w"], *, nearest: float | None = None, legend: bool = False, unit: str = " m"
) -> Picture:
    """Colours depth by its inverse.

    A sparse map (most pixels unknown, 0) is drawn with dots of 3 x 3 pixels, so that a laser scan is visible.

    Args:
        depth: in any unit, 0 or below for unknown.
        nearest: depth of the brightest colour; by default the 5th percentile of known depth.
        legend: whether to draw a bar with ticks in the unit of depth along the right edge.
        unit: text after the numbers of the legend; empty if depth is up to scale.
    """
    known = np.isfinite(depth) & (depth > 0)
    inverse = np.where(known, 1 / np.where(known, depth, 1), 0).astype(np.float32)
    largest = 1 / nearest if nearest else (float(np.percentile(inverse[known], 95)) if known.any() else 1.0)
    if known.mean() < 0.3:
        import cv2

        inverse = cv2.dilate(inverse, np.ones((3, 3), np.uint8))
    picture = disparity_picture(inverse, largest=largest)
    return _with_legend(picture, 1 / largest, unit) if legend else picture


def _with_legend(picture: Picture, nearest: float, unit: str) -> Picture:
    import cv2

    height, width = picture.shape[:2]
    bar, top, bottom = max(6, width // 52), height // 10, height - height // 10
    picture = picture.copy()
    left = width - 5 * bar
    picture[max(0, top - bar) : bottom + bar, left - 4 :] //= 3  # dark, so that white text is legible
    picture[top:bottom, left : left + bar] = color_map(np.linspace(1, 0, bottom - top)[:, None] * np.ones((1, bar)))
    cv2.rectangle(picture, (left - 1, top - 1), (left + bar, bottom), (255, 255, 255), 1)
    lowest = None
    for metres in _TICKS:
        row = round(top + (1 - nearest / metres) * (bottom - top - 1))
        if metres < nearest or (lowest is not None and row - lowest < 3.2 * bar):
            continue
        lowest = row
        text, place = f"{metres:g}{unit}", (left + bar + 3, row + bar // 2)
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, bar / 28, (255, 255, 255), 1, cv2.LINE_AA)
    return picture


def label_picture(
    labels: Integer[np.ndarray, "*b h w"], palette: UInt8[np.ndarray, "256 3"]
) -> UInt8[np.ndarray, "*b h w 3"]:
    """Colours label ids by class; ids outside 0 to 255 are black."""
    known = (labels >= 0) & (labels < len(palette))
    return np.where(known[..., None], palette[np.where(known, labels, 0)], np.uint8(0))


def instance_picture(
    values: Integer[np.ndarray, "h w"],
    palette: UInt8[np.ndarray, "256 3"],
    *,
    image: UInt8[np.ndarray, "_ _ 3"] | None = None,
    opacity: float = 0.65,
) -> Picture:
    """Draws instances (label id * 1000 + number) in distinct shades of their class colour, with light outlines.

    Pixels of value 0 show the image; number 0 of a class has the class colour itself and no outline.

    Args:
        values: raw values.
        palette: colour of every label id.
        image: the background, of any size; black by default.
        opacity: opacity of the colours over the image.
    """
    below = np.zeros((*values.shape, 3)) if image is None else fit(image, values.shape).astype(np.float64)
    number = values % 1000
    # Multiples of irrational numbers fill the space of shades evenly for any number of instances.
    brightness, *hue = np.moveaxis(
        number[..., None] * np.array([0.6180340, 0.7548777, 0.5698403, 0.8566749]) % 1, -1, 0
    )
    base = label_picture(values // 1000, palette).astype(np.float64)
    lifted = 0.7 * base + 50  # the class colours of cars and trucks are nearly black
    shades = lifted * (0.6 + brightness[..., None]) + 90 * (np.stack(hue, axis=-1) - 0.5)
    colors = np.where((number > 0)[..., None], np.clip(shades, 0, 255), base)
    blended = np.where((values > 0)[..., None], opacity * colors + (1 - opacity) * below, below)
    outlined = np.where(_outline(values)[..., None], 0.3 * blended + 0.7 * 255, blended)
    return np.rint(outlined).astype(np.uint8)


def _outline(values: Integer[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Pixels of a numbered instance next to another value; between two instances, those of the larger value."""
    edge = np.zeros(values.shape, bool)
    padded = np.pad(np.where(values % 1000 > 0, values, 0), 1, mode="edge")
    middle = padded[1:-1, 1:-1]
    for neighbour in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        edge |= middle > neighbour
    return edge


def mask_picture(mask: Bool[np.ndarray, "h w"], image: UInt8[np.ndarray, "_ _ 3"]) -> Picture:
    """The image where the mask is true, darkened elsewhere."""
    image = fit(image, mask.shape)
    return np.where(mask[..., None], image, image // 4)


def fit(picture: UInt8[np.ndarray, "_ _ 3"], size: tuple[int, int]) -> Picture:
    """The picture resized to `size` = (height, width): averaged if it gets smaller, interpolated if it gets larger."""
    if picture.shape[:2] == tuple(size):
        return picture
    import cv2

    shrinks = size[0] < picture.shape[0]
    return cv2.resize(picture, tuple(size)[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def figure(rows: Sequence[Sequence[Num[np.ndarray, "_ _ 3"]]], captions: Sequence[str], *, width: int = 480) -> Picture:
    """A grid of pictures on white, each row below its caption, with one column per frame, as in the report's figure 2.

    Pictures of any size are resized to a width of `width` and to the height that the first picture of their column has
    at that width; pictures taller than 4 x `width` are made narrower. In a shorter row the last cells stay white.

    Args:
        rows: uint8 RGB pictures.
        captions: one per row; an empty one takes no space.
        width: width of a column in pixels.
    """
    import cv2

    if not rows or len(rows) != len(captions):
        raise ValueError(
            f"{len(rows)} rows and {len(captions)} captions; a figure needs as many of both, at least one."
        )
    sizes = [_cell(picture.shape, width) for picture in max(rows, key=len)]
    cell = max(height for height, _ in sizes)
    text = max(14, width // 20)  # height of a caption's band
    columns = len(sizes)
    bands = [text if caption else 0 for caption in captions]
    height = sum(bands) + len(rows) * (cell + _MARGIN) + _MARGIN
    canvas = np.full((height, columns * (width + _MARGIN) + _MARGIN, 3), PAPER, np.uint8)
    top = _MARGIN
    for row, caption, band in zip(rows, captions, bands):
        if caption:
            place = (_MARGIN, top + round(0.72 * text))
            cv2.putText(canvas, caption, place, cv2.FONT_HERSHEY_SIMPLEX, text / 36, INK, 1, cv2.LINE_AA)
        top += band
        for column, picture in enumerate(row):
            fitted = fit(to_uint8(picture), sizes[column])
            left = _MARGIN + column * (width + _MARGIN)
            canvas[top : top + len(fitted), left : left + fitted.shape[1]] = fitted
        top += cell + _MARGIN
    return canvas


def _cell(shape: tuple[int, ...], width: int) -> tuple[int, int]:
    """Height and width of a picture in a column of a figure."""
    scale = min(width / shape[1], _TALLEST * width / shape[0])
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def class_legend(names: Sequence[str], colors: UInt8[np.ndarray, "n 3"], *, width: int = 240) -> Picture:
    """A list of classes, each with a square of its colour."""
    import cv2

    row = width // 10
    canvas = np.full((max(1, len(names)) * row, width, 3), PAPER, np.uint8)
    for index, (name, color) in enumerate(zip(names, colors)):
        top = index * row
        canvas[top + 3 : top + row - 3, 6 : row + 6] = color
        place = (row + 14, top + round(0.72 * row))
        cv2.putText(canvas, name, place, cv2.FONT_HERSHEY_SIMPLEX, row / 48, INK, 1, cv2.LINE_AA)
    return canvas
