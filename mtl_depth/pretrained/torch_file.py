"""Reads PyTorch's `.pth` files as NumPy arrays, without PyTorch and without executing a pickle.

A file holds a pickle, which is a program for a stack machine, and the bytes of the tensors next to it. Here the few
instructions that a saved state_dict() consists of are carried out; every other instruction and every function but
those that make tensors and dictionaries is refused.

References:
    https://docs.python.org/3/library/pickletools.html
    https://docs.pytorch.org/docs/stable/notes/serialization.html
"""

import functools
import io
import math
import pathlib
import pickletools
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from mtl_depth.errors import UserError

MOST_BYTES = 1 << 33  # a ResNet-50 has a hundredth of it
_ZIP = b"PK\x03\x04"
_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001  # of files from before PyTorch 1.6, which are no archives
_TYPES = {
    "torch FloatStorage": np.float32,
    "torch DoubleStorage": np.float64,
    "torch HalfStorage": np.float16,
    "torch BFloat16Storage": jnp.bfloat16,
    "torch LongStorage": np.int64,
    "torch IntStorage": np.int32,
    "torch ShortStorage": np.int16,
    "torch CharStorage": np.int8,
    "torch ByteStorage": np.uint8,
    "torch BoolStorage": np.bool_,
}
_DICT, _PARAMETER = "collections OrderedDict", "torch._utils _rebuild_parameter"
_TENSORS = ("torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor")


def read(path: pathlib.Path) -> dict[str, Any]:
    """Returns the content of the file by name: tensors as arrays, everything else unchanged.

    Raises:
        UserError: the file holds something else than named values, or more than memory should take.
        Exception: it is damaged.
    """
    content = path.read_bytes()
    try:
        held, storage = _read_archive(content) if content.startswith(_ZIP) else _read_stream(io.BytesIO(content))
    except _RefusedError:
        raise UserError(
            f"{path} was not loaded: it is damaged, or its pickle holds more than tensors and could run code."
        ) from None
    if not isinstance(held, dict) or not all(isinstance(name, str) for name in held):
        raise UserError(f"{path} holds no named tensors; save the network's state_dict().")
    tensors = [value for value in held.values() if isinstance(value, _Tensor)]
    if sum(8 * math.prod(tensor.shape) for tensor in tensors) > MOST_BYTES:
        raise UserError(f"{path} would unpack to more data than any network has; it is damaged or malicious.")
    storage = functools.cache(storage)
    return {name: _as_array(x, storage) if isinstance(x, _Tensor) else x for name, x in held.items()}


class _RefusedError(Exception):
    """The pickle contains something that no state dict needs."""


class _Name(NamedTuple):
    """A function or class that the pickle refers to; it is never imported."""

    name: str


class _Storage(NamedTuple):
    """A run of bytes that tensors are views of."""

    kind: Any
    key: str
    count: int


class _Tensor(NamedTuple):
    """A view, in elements of its storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


_Read = Callable[[_Storage], bytes]


def _read_archive(content: bytes) -> tuple[Any, _Read]:
    """Reads a file of PyTorch 1.6 or newer: a zip archive of the pickle and of one file for each storage."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    names = archive.namelist()
    if sum(entry.file_size for entry in archive.infolist()) > len(content):  # PyTorch compresses nothing
        raise _RefusedError
    folder = next(name for name in names if name.endswith("/data.pkl")).removesuffix("data.pkl")
    if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != b"little":
        raise ValueError("big-endian numbers")
    held = _interpret(io.BytesIO(archive.read(f"{folder}data.pkl")))
    return held, lambda storage: archive.read(f"{folder}data/{storage.key}")


def _read_stream(file: io.BytesIO) -> tuple[Any, _Read]:
    """Reads an older file: a sequence of pickles, then the length and the bytes of each storage."""
    if _interpret(file) != _MAGIC or _interpret(file) != _VERSION:
        raise ValueError("not a file of PyTorch")
    _interpret(file)  # sizes of the numbers on the machine that wrote it
    held = _interpret(file)
    keys, start, content = _interpret(file), file.tell(), file.getbuffer()
    kinds = {value.storage.key: value.storage.kind for value in _values(held) if isinstance(value, _Tensor)}
    found = {}
    for key in keys:
        length = np.frombuffer(content[start : start + 8], "<i8").item() * np.dtype(kinds[key]).itemsize
        found[key] = bytes(content[start + 8 : start + 8 + length])
        start += 8 + length
    return held, lambda storage: found[storage.key]


def _values(held: Any) -> Any:
    return held.values() if isinstance(held, dict) else ()


def _interpret(file: io.BytesIO) -> Any:
    """Interprets the next pickle of the file; raises _RefusedError for anything that no state dict needs."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    marks: list[int] = []  # heights of the stack

    def since_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    for opcode, argument, _ in pickletools.genops(file):
        match opcode.name:
            case "PROTO":
                continue
            case "STOP":
                return stack.pop()
            case "MARK":
                marks.append(len(stack))
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[opcode.name])
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE":
                stack.append(argument)
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[opcode.name]())
            case "TUPLE":
                stack.append(tuple(since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(opcode.name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "APPEND":
                item = stack.pop()
                stack[-1].append(item)
            case "APPENDS":
                items = since_mark()
                stack[-1].extend(items)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                stack[-1][key] = value
            case "SETITEMS":
                items = since_mark()
                stack[-1].update(zip(items[::2], items[1::2], strict=True))
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "GLOBAL" if argument in (*_TYPES, *_TENSORS, _DICT, _PARAMETER):
                stack.append(_Name(argument))
            case "BINPERSID":
                _, kind, key, _, count = stack.pop()[:5]
                stack.append(_Storage(_TYPES[kind.name], str(key), count))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(_call(function.name, arguments))
            case "BUILD":  # the versions of the modules that a state dict has as an attribute
                stack.pop()
            case _:
                raise _RefusedError


def _call(name: str, arguments: tuple[Any, ...]) -> Any:
    """The result of the function of this name."""
    if name in _TENSORS:
        storage, offset, shape, strides = arguments[:4]
        whole = (offset, *shape, *strides)
        if not isinstance(storage, _Storage) or not all(type(n) is int and n >= 0 for n in whole):
            raise ValueError("a tensor of no shape")
        return _Tensor(storage, offset, tuple(shape), tuple(strides))
    if name == _PARAMETER:
        return arguments[0]
    if name == _DICT:
        return dict(*arguments)
    raise _RefusedError


def _as_array(tensor: _Tensor, read: _Read) -> np.ndarray:
    """The view as a new array; raises ValueError if it exceeds its storage."""
    values = np.frombuffer(read(tensor.storage), tensor.storage.kind)
    shape, strides = tensor.shape, tensor.strides
    last = tensor.offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if math.prod(shape) and last >= len(values):
        raise ValueError("a tensor beyond its bytes")
    if not math.prod(shape):
        return np.zeros(shape, values.dtype)
    steps = tuple(step * values.itemsize for step in strides)
    return np.lib.stride_tricks.as_strided(values[tensor.offset :], shape, steps).copy()
