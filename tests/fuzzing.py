"""Throws damaged inputs at a parser, and counts what came back: an answer, an error of ours, anything else."""

import collections
import os
import pathlib
import warnings

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from mtl_depth.errors import UserError
from tfds_kitti360.errors import DatasetError

OWN = (UserError, DatasetError)
LONGEST = 2000  # characters of a message: a sentence with the names of files, not the file's content
COUNTS: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)

# FUZZ_EXAMPLES=1000 for the long run; the fast suite takes a few of each. Slower than the deadline is a hang.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))


def fuzz(share: float = 1.0):
    """Settings of a test: how many inputs, a time limit for each, and the same inputs in every fast run."""
    return settings(
        max_examples=max(int(EXAMPLES * share), 5),
        deadline=5000,
        derandomize=EXAMPLES <= 100,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def attempt(name: str, parse):
    """What `parse()` answers, or None if it refused with one sentence of ours; anything else is a failed test."""
    COUNTS[name]["inputs"] += 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # NumPy's word for arithmetic that went wrong
            return parse()
    except OWN as error:
        if len(str(error)) < LONGEST and "\n" not in str(error):
            COUNTS[name]["own errors"] += 1
            return None
        COUNTS[name]["anything else"] += 1
        raise
    except BaseException:
        COUNTS[name]["anything else"] += 1
        raise


class Originals(dict):
    """Right inputs by name; too long to be shown when a test fails."""

    def __repr__(self) -> str:
        return f"Originals({', '.join(self)})"


@st.composite
def damaged(draw, *originals: bytes):
    """Bytes that were once right: cut, overwritten, repeated, with words that parsers stumble over."""
    data = bytearray(draw(st.sampled_from(originals)))
    words = [b"nan", b"inf", b"-1", b"1e999", b"9" * 400, b"\xff\xfe", b"\x00", b"../../etc", b"\n", b" ", b"[" * 5000]
    words += [b"{}", b"null", b"true", b"1_0", b"\xd9\xa1", b"-0.0", b"1e-320", b"0x10"]
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, max(len(data) - 1, 0)))
        stop = min(start + draw(st.integers(0, 40)), len(data))
        kind = draw(st.sampled_from(["replace", "word", "cut", "delete", "repeat", "flip"]))
        if kind == "replace":
            data[start:stop] = draw(st.binary(max_size=40))
        elif kind == "word":
            data[start:stop] = draw(st.sampled_from(words))
        elif kind == "cut":
            del data[start:]
        elif kind == "delete":
            del data[start:stop]
        elif kind == "repeat":
            data[start:start] = data[start:stop] * draw(st.integers(1, 50))
        elif data:
            data[start] ^= 1 << draw(st.integers(0, 7))
    return bytes(data)


def place(folder: pathlib.Path, name: str, content: bytes) -> pathlib.Path:
    """Writes a file, over the one of the input before."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
