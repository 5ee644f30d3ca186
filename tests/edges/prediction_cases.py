"""A table of what people did and what has to happen, and what its cases are made with."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import fake_run
import numpy as np
import PIL.Image
import pytest

from mtl_depth.commands import predict
from mtl_depth.errors import UserError
from mtl_depth.media.video_writer import Film

NAMES = ("depth", "semantic", "instance")
PICTURE = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
GERMAN = os.fsdecode(b"stra\xdfe")  # Latin-1 from an old zip: not UTF-8


class Case(NamedTuple):
    """What somebody did in an empty folder, and the sentence that has to meet them, if one has to.

    Attributes:
        kind: of mistake: 2 paths, 6 one reader, 7 own ground truth, 9 limits of the system, 13 results over people's
            files, 15 advice; "files" for what is written.
        name: of the case.
        did: takes the folder and pytest's fixtures; where there is no sentence it looks itself at what happened.
        sentence: part of it, or "".
    """

    kind: int | str
    name: str
    did: Callable[..., None]
    sentence: str


class Table(list):
    """Cases in the order of a file."""

    def case(self, kind: int | str, name: str, sentence: str = "") -> Callable[[Any], None]:
        """Adds the function below."""
        return lambda did: self.append(Case(kind, name, did, sentence))

    def parametrize(self) -> Any:
        """A test for each case."""
        return pytest.mark.parametrize("each", self, ids=lambda each: f"{each.kind}: {each.name}")


def happens(each: Case, at: Any, request: Any) -> None:
    """Does it, and compares what it met with what has to happen."""
    names = each.did.__code__.co_varnames[1 : each.did.__code__.co_argcount]
    given = {name: request.getfixturevalue(name) for name in names}
    if not each.sentence:
        each.did(at, **given)
        return
    with pytest.raises(UserError, match=each.sentence):
        each.did(at, **given)


def put(path, picture=PICTURE, **options):
    """A picture file; no library is given a name that it may not be able to write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {".jpg": "JPEG", ".tif": "TIFF"}.get(path.suffix.lower(), path.suffix[1:].upper())
    with path.open("wb") as file:
        PIL.Image.fromarray(picture).save(file, kind, **options)
    return path


def look(at, given, output="out", *write):
    """--mode=predict; the names of what was written, without hidden files."""
    output = at / output if isinstance(output, str) else output
    predict.run(fake_run.config(*NAMES), at / "run", given, output, write=write or ["npy"])
    return {file.name for file in output.iterdir() if not file.name.startswith(".")} if output.is_dir() else set()


def film(path, count=6, rate=10.0, size=(48, 64)):
    """A video of noise."""
    made = Film(path, rate)
    for index in range(count):
        made.add([np.random.default_rng(index).integers(0, 256, (*size, 3), np.uint8)])
    made.close()
    return path
