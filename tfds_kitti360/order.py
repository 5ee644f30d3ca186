"""Whether the names of pictures tell the order in which they were taken."""

import os
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from tfds_kitti360.files import natural
from tfds_kitti360.pictures import time_taken

_MONTH = re.compile(r"(?<![a-z])(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*(?![a-z])")
_DAY_FIRST = re.compile(r"(?<![0-9])[0-9]{1,2}([-_. ])[0-9]{1,2}\1(?:19|20)[0-9]{2}(?![0-9])")
_HALF_DAY = re.compile(r"[0-9]\s?[ap]\.?m(?![a-z])")
_NEGATIVE = re.compile(r"(?:^|[_=( ])-[0-9]")
_FRACTION = re.compile(r"(?<![0-9.])([0-9]+)\.([0-9]+)(?![0-9.])")
_HEXADECIMAL = re.compile(r"[0-9a-f-]+")
_LONG = 6  # letters and digits of a name that are a hash or a hexadecimal number, and not a counter behind a letter
_LOOKED_AT = 64  # pictures of a folder whose cameras' times are compared


def interleaved(paths: Iterable[pathlib.Path]) -> tuple[str, str] | None:
    """Two names, next to each other in natural order, of sequences that run through one another, such as `7_left` and
    `7_right`; None where the names count one sequence, or one after the other."""
    shapes, before, switches, first = set(), None, 0, None
    for path in paths:
        shape = re.sub(r"[0-9]+", "#", path.stem.casefold())
        if before is not None and shape != before[0]:
            switches += 1
            first = first or (before[1], path.name)
        shapes.add(shape)
        before = shape, path.name
    return first if switches > len(shapes) - 1 else None


def doubt(paths: Sequence[pathlib.Path]) -> str | None:
    """Why pictures in the natural order of their names may not be in the order of time, in a few words, or None."""
    stems = [path.stem.casefold() for path in paths]
    if len(stems) < 3:
        return None
    return next((reason for find in _DOUBTS if (reason := find(stems))), None) or _doubt_of_cameras(paths)


def _of_dates(stems: Sequence[str]) -> str | None:
    if len({found[1] for stem in stems for found in _MONTH.finditer(stem)}) > 1:
        return "months are written as words"
    if len({found[0] for stem in stems for found in _DAY_FIRST.finditer(stem)}) > 1:
        return "dates end with the year"
    if any(map(_HALF_DAY.search, stems)):
        return "hours are counted to twelve, with am and pm"
    return None


def _of_numbers(stems: Sequence[str]) -> str | None:
    if any(map(_NEGATIVE.search, stems)):
        return "numbers are negative"
    if any(map(_FRACTION.search, stems)):
        counted, read = ([natural(f"{change(stem)}.png") for stem in stems] for change in (str, _with_padded_fractions))
        if sorted(range(len(stems)), key=counted.__getitem__) != sorted(range(len(stems)), key=read.__getitem__):
            return "numbers with a point are fractions of different length, or two counters"
    widths: dict[tuple[str, int], list[str]] = {}
    for stem in stems:
        shape = re.sub(r"[0-9]+", "#", stem)
        for place, number in enumerate(re.findall(r"(?<![0-9.])[0-9]+(?!\.?[0-9])", stem)):
            widths.setdefault((shape, place), []).append(number)
    for numbers in widths.values():
        padded = min((len(number) for number in numbers if number[0] == "0" and len(number) > 1), default=0)
        if any(len(number) < padded for number in numbers):
            return "numbers are filled up with zeros in some names only"
        counted, most = set(map(int, numbers)), 10 ** max(map(len, numbers)) - 1
        if padded > 2 and most in counted and counted & {0, 1} and len(counted) < most / 2:
            return f"a counter began again after {most}"
    return None


def _of_words(stems: Sequence[str]) -> str | None:
    first = os.path.commonprefix(stems)  # noqa: RUF071 (of letters, these are no paths)
    last = os.path.commonprefix([stem[len(first) :][::-1] for stem in stems])  # noqa: RUF071
    parts = [stem[len(first) : len(stem) - len(last)] for stem in stems]
    letters, digits = ([any(map(kind, part)) for part in parts] for kind in (str.isalpha, str.isdigit))
    many = sum(letters) * 4 >= len(parts) and any(digits) and (max(map(len, parts)) >= _LONG or not all(letters))
    if many and all(map(_HEXADECIMAL.fullmatch, parts)):
        return "names are hashes or hexadecimal numbers"
    words = [len(part) > 1 and not digit for part, digit in zip(parts, digits)]
    if sum(words) * 2 > len(parts) or (any(words) and not any(digits)):
        return "names hold no numbers"
    return None


_DOUBTS: tuple[Callable[[Sequence[str]], str | None], ...] = (_of_dates, _of_numbers, _of_words)


def _with_padded_fractions(stem: str) -> str:
    return _FRACTION.sub(lambda found: f"{found[1]}.{found[2]:0<20}", stem)


def _doubt_of_cameras(paths: Sequence[pathlib.Path]) -> str | None:
    """A counter that began again at 0001, by the times that cameras note in their pictures."""
    before: tuple[str, str] | None = None
    for path, taken in _times(paths):
        if before is not None and taken < before[0]:
            return f"by its camera's clock {path.name} was taken at {taken}, before {before[1]} at {before[0]}"
        before = taken, path.name
    return None


def _times(paths: Sequence[pathlib.Path]) -> Iterator[tuple[pathlib.Path, str]]:
    for index in sorted({len(paths) * n // _LOOKED_AT for n in range(_LOOKED_AT)}):
        if taken := time_taken(paths[index]):
            yield paths[index], taken
