"""Reads camera files: KITTI-360's calibration, transforms.json of nerfstudio, COLMAP's cameras.txt, numbers."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from tfds_kitti360.errors import DatasetError
from tfds_kitti360.files import expand, read_bytes

_MOST_BYTES = 1 << 26  # a transforms.json lists the poses of all pictures
_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_FORMS = (
    "fx,fy,cx,cy; a text file with these four numbers or a 3x3 matrix; JSON such as nerfstudio's transforms.json; "
    "COLMAP's cameras.txt; or KITTI-360's perspective.txt"
)
_STRAIGHTEN = "undistort the pictures into a pinhole camera's, and give that camera"
_MODEL_KEYS = ("camera_model", "model", "model_type", "projection", "projection_model")
_MODELS = {  # as COLMAP calls them, with how its parameters become fx, fy, cx, cy and k1, k2, p1, p2, k3, ...
    "SIMPLE_PINHOLE": ((0, 0, 1, 2), ()),
    "PINHOLE": ((0, 1, 2, 3), ()),
    "SIMPLE_RADIAL": ((0, 0, 1, 2), (3,)),
    "RADIAL": ((0, 0, 1, 2), (3, 4)),
    "OPENCV": ((0, 1, 2, 3), (4, 5, 6, 7)),
    "FULL_OPENCV": ((0, 1, 2, 3), (4, 5, 6, 7, 8, 9, 10, 11)),
}
_PARAMETERS = {"SIMPLE_PINHOLE": 3, "PINHOLE": 4, "SIMPLE_RADIAL": 4, "RADIAL": 5, "OPENCV": 8, "FULL_OPENCV": 12}
_OTHER_NAMES = ("PERSPECTIVE", "PLUMB_BOB", "RADTAN", "BROWN")
_NAMED = (
    ["fx", "fy", "cx", "cy"],
    ["fx", "fy", "mx", "my"],
    ["fx", "fy", "ppx", "ppy"],
    ["fx", "fy", "u0", "v0"],
    ["k"],
)
_CAMERA_KEYS = ("fl_x", "fl_y", "fx", "fy", "cx", "cy", "k1", "k2", "k3", "k4", "p1", "p2", "w", "h", "camera_model")


class Camera(NamedTuple):
    """fx, fy, cx, cy in pixels; the height and width that they belong to, if known; their origin; and the coefficients
    of OpenCV's lens model (k1, k2, p1, p2, k3, ...), none for a pinhole camera."""

    numbers: tuple[float, float, float, float]
    size: tuple[int, int] | None
    origin: str
    distortion: tuple[float, ...] = ()


def read(text: str) -> Camera:
    """The camera in `fx,fy,cx,cy` or in the file of that name.

    Raises:
      DatasetError: it is neither, or a camera model that is not supported.
    """
    words, shown = text.split(","), " ".join(text.split())[:200]  # for messages: one line
    if len(words) == 4 and all(re.fullmatch(_NUMBER, word.strip()) for word in words):
        return Camera(tuple(float(word) for word in words), None, f"--intrinsics={shown}")
    try:
        path = expand(text)
        content = read_bytes(path, most=_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise DatasetError(f"--intrinsics={shown} is far too large; it is one of: {_FORMS}")
        content = content.decode("utf-8-sig")
    except (OSError, ValueError):
        raise DatasetError(
            f"--intrinsics={shown} is neither four numbers nor a text file; it is one of: {_FORMS}"
        ) from None
    for form in (_official, _json, _colmap, _bare):
        found = form(content, str(path))
        if found is not None:
            return found
    raise DatasetError(f"{path} holds no intrinsics in a known format; it has to be one of: {_FORMS}")


def _official(content: str, origin: str) -> Camera | None:
    """KITTI-360's calibration: P_rect_00 and S_rect_00."""
    lines = {key.strip(): values.split() for key, _, values in (line.partition(":") for line in content.splitlines())}
    projection, size = (_floats(lines.get(key, []), count) for key, count in (("P_rect_00", 12), ("S_rect_00", 2)))
    if projection is None:
        return None
    return Camera((projection[0], projection[5], projection[2], projection[6]), _size(size and size[::-1]), origin)


def _json(content: str, origin: str) -> Camera | None:
    """Reads an object with fx, fy, cx, cy, or fl_x, fl_y, cx, cy, optional width and height, or w and h, and a lens."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict):
        return None
    values = _of_frames(values, origin) | values

    def get(*names: str):
        return next((values[name] for name in names if name in values), None)

    numbers = [get("fx", "fl_x"), get("fy", "fl_y", "fx", "fl_x"), get("cx"), get("cy")]
    found = _floats(numbers, 4)
    angle = _floats([values.get("camera_angle_x")], 1)
    if found is None and angle and 0 < angle[0] < math.pi:
        raise DatasetError(
            f"{origin} holds a field of view and no focal length in pixels; leave --intrinsics out and pass "
            f"--fov={math.degrees(angle[0]):.6g}"
        )
    size = _size(_floats([get("height", "h"), get("width", "w")], 2))
    return found and Camera(found, size, origin, _lens(values, origin))


def _of_frames(values: dict[str, Any], origin: str) -> dict[str, Any]:
    """The camera of the frames of a transforms.json, which must be the same for all of them."""
    frames = [frame for frame in values.get("frames") or () if isinstance(frame, dict)]
    cameras = [{key: frame[key] for key in _CAMERA_KEYS if key in frame} for frame in frames]
    if any(camera != cameras[0] for camera in cameras):
        raise DatasetError(
            f"{origin} holds several cameras, one for each frame; videos built together must have the same camera"
        )
    return cameras[0] if cameras else {}


def _lens(values: dict[str, Any], origin: str) -> tuple[float, ...]:
    """The coefficients of OpenCV's lens model in JSON, none where all are 0."""
    models = [str(values[key]).upper() for key in _MODEL_KEYS if values.get(key)]
    fisheye = bool(values.get("is_fisheye")) or any(model not in (*_MODELS, *_OTHER_NAMES) for model in models)
    if fisheye:
        raise DatasetError(f"{origin} is of another camera model ({', '.join(models) or 'fisheye'}); {_STRAIGHTEN}")
    listed = next(
        (values[key] for key in ("distortion", "dist", "dist_coeffs", "D", "distortion_params") if values.get(key)),
        None,
    )
    if isinstance(listed, dict):
        listed = listed.get("data", listed)
    if listed is None:
        listed = [values.get(key) or 0 for key in ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")]
        if any(listed[5:]):  # programs disagree on what these mean
            raise DatasetError(f"{origin} has more distortion coefficients than k1, k2, k3, p1 and p2; {_STRAIGHTEN}")
        listed = listed[:5]
    if not isinstance(listed, list) or len(listed) not in (4, 5, 8) or (found := _floats(listed, len(listed))) is None:
        raise DatasetError(f"{origin} has distortion other than k1, k2, p1, p2, k3; {_STRAIGHTEN}")
    return _distortion(found, origin)


def _distortion(found: Sequence[float], origin: str) -> tuple[float, ...]:
    if not all(math.isfinite(number) and abs(number) < 100 for number in found):
        raise DatasetError(f"{origin} has implausible distortion coefficients; {_STRAIGHTEN}")
    return tuple(found) if any(found) else ()


def _colmap(content: str, origin: str) -> Camera | None:
    """COLMAP's cameras.txt: lines "id MODEL width height parameters", pixel centres at halves."""
    rows = [line.split() for line in content.splitlines() if line.strip() and not line.startswith("#")]
    if not rows or not all(len(row) > 4 and re.fullmatch(r"[A-Z][A-Z_]+", row[1]) for row in rows):
        return None
    model = rows[0][1]
    if any(row[1:] != rows[0][1:] for row in rows):
        raise DatasetError(f"{origin} holds several cameras; videos built together must have the same camera")
    if model not in _MODELS:
        raise DatasetError(f"{origin} is of another camera model ({model}); {_STRAIGHTEN}")
    size, parameters = _floats(rows[0][2:4], 2), _floats(rows[0][4:], _PARAMETERS[model])
    if size is None or parameters is None:
        return None
    pinhole, lens = _MODELS[model]
    fx, fy, cx, cy = (parameters[index] for index in pinhole)
    distortion = [parameters[index] for index in lens]
    distortion += [0.0] * (-len(distortion) % 4)
    return Camera((fx, fy, cx - 0.5, cy - 0.5), _size(size[::-1]), origin, _distortion(distortion, origin))


def _bare(content: str, origin: str) -> Camera | None:
    """Four numbers, or the nine of a matrix, between whatever separates them; names have to say fx, fy, cx, cy too."""
    named = re.findall(r"[a-z]\w*", re.sub(_NUMBER, " ", content.casefold()))
    if named and [name.partition("_")[0] for name in named] not in _NAMED:
        return None
    numbers = _floats(re.findall(_NUMBER, content), 4)
    if numbers is not None:
        return Camera(numbers, None, origin)
    matrix = _floats(re.findall(_NUMBER, content), 9)
    if matrix is None or (*matrix[6:], matrix[1], matrix[3]) != (0, 0, 1, 0, 0):
        return None
    return Camera((matrix[0], matrix[4], matrix[2], matrix[5]), None, origin)


def _floats(words: list, count: int) -> tuple[float, ...] | None:
    if len(words) != count or any(isinstance(word, bool) for word in words):
        return None
    try:
        return tuple(float(word) for word in words)
    except (TypeError, ValueError, OverflowError):
        return None


def _size(found: tuple[float, ...] | None) -> tuple[int, int] | None:
    if found is None or not all(1 <= side <= 1 << 16 for side in found):
        return None
    return int(found[0]), int(found[1])
