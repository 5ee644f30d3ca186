"""The text of `--help`: modes, flags, and every setting with its default and the meaning that config.py gives it."""

import dataclasses
import difflib
import functools
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_args

from mtl_depth.config import Config

WIDTH = 118
EXIT = "Exit status: 0 success, 2 an error that the last line explains, 130 interrupted, 1 an error in the program."


def text(usage: str, modes: dict[str, str], flags: Iterable[tuple[str, Any, str]], *, config: Config | None) -> str:
    """The text of `--help`.

    Args:
        usage: the first lines.
        modes: what each mode does.
        flags: (name, default, meaning) of the flags other than the settings.
        config: the configuration whose values are shown; None: the defaults.
    """
    parts = [usage, "VERBS", *(_entry(mode, meaning) for mode, meaning in modes.items())]
    parts += ["", "FLAGS"]
    parts += [_entry(f"--{name}" + (f"={default}" if default else ""), meaning) for name, default, meaning in flags]
    values = "the defaults of mtl_depth/config.py, some of which the file of --config overrides"
    parts += ["", f"SETTINGS, with {values if config is None else 'the values that --config and the flags give'}"]
    for prefix, section in sections():
        parts += ["", f"  {prefix}: {(inspect.getdoc(section) or '').splitlines()[0].split(';')[0].rstrip('.')}"]
        held = section() if config is None else functools.reduce(_get, prefix.split(".")[1:], config)
        if held is None:
            parts.append(f"  (not in this configuration; --{prefix}=build adds it with its defaults)")
        else:
            parts += [_entry(f"--{prefix}.{name}={shown}", meaning) for name, shown, meaning in settings(held)]
    return "\n".join([*parts, "", EXIT])


def _get(section: Any, name: str) -> Any:
    return getattr(section, name, None)


def sections() -> Iterator[tuple[str, type]]:
    """Yields (prefix of the settings, section) for every section of the configuration, outermost first."""

    def walk(prefix: str, section: type) -> Iterator[tuple[str, type]]:
        yield prefix, section
        for field in dataclasses.fields(section):
            if inner := inside(field):
                yield from walk(f"{prefix}.{field.name}", inner)

    yield from walk("config", Config)


def settings(section: Any) -> Iterator[tuple[str, str, str]]:
    """(name, value as written on the command line, meaning) of a section's own settings."""
    meanings = dict(re.findall(r"^    (\w+): .*?  # (.+)$", inspect.getsource(type(section)), re.MULTILINE))
    for field in dataclasses.fields(section):
        if not inside(field):
            value = getattr(section, field.name)
            shown = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            yield field.name, shown, meanings.get(field.name, "")


def inside(field: dataclasses.Field) -> type | None:
    """The section that a field holds, or may hold; None for a plain setting."""
    return next((kind for kind in (field.type, *get_args(field.type)) if dataclasses.is_dataclass(kind)), None)


RENAMED = {"config.model.depth": "config.model.encoder=resnet18"}  # settings of older versions


def misspelt(path: str) -> str | None:
    """What is wrong with the name of a setting (`config.train.step`), with the nearest one; None if it exists."""
    section, seen = Config, "config"
    for name in path.split(".")[1:]:
        if section is None:
            return f"--{path}: {seen} is a single setting and has no settings inside it."
        fields = {field.name: field for field in dataclasses.fields(section)}
        if renamed := RENAMED.get(f"{seen}.{name}"):
            return f"--{path} no longer exists; did you mean --{renamed}?"
        if name not in fields:
            return f"--{path}: there is no setting {name!r} in {seen}; {_hint(name, fields)}"
        section, seen = inside(fields[name]), f"{seen}.{name}"
    return None


def _hint(name: str, names: Iterable[str]) -> str:
    """Suggests the nearest name of this section, or the same name in other sections, or all names of this section."""
    if near := difflib.get_close_matches(name, names, n=1):
        return f"did you mean {near[0]!r}?"
    elsewhere = [
        f"--{prefix}.{field.name}" for prefix, other in sections() for field in dataclasses.fields(other)
        if field.name == name and not inside(field)
    ]  # fmt: skip
    return f"did you mean {' or '.join(elsewhere)}?" if elsewhere else f"there are {', '.join(names)}."


def nearest_flag(word: str, names: Sequence[str]) -> str:
    """A hint for a flag that does not exist."""
    near = difflib.get_close_matches(word.lstrip("-").split("=")[0], names, n=1)
    return f"did you mean --{near[0]}?" if near else "--help lists all flags."


def nearest_verb(word: str, verbs: Iterable[str]) -> str:
    """A hint for a word that is not a flag."""
    near = difflib.get_close_matches(word, verbs, n=1)
    return f"did you mean the verb {near[0]}, as the first word?" if near else "write flags as --name=value."


def refused(reason: str, verbs: Iterable[str]) -> str:
    """The message for a value that its flag does not accept, made from absl's message."""
    match = re.match(r"flag --([\w.]+)=(.*?): ", reason, re.DOTALL)
    if not match:
        return reason
    name, value = match.groups()
    if name == "mode":
        near = difflib.get_close_matches(value, verbs, n=1)
        return f"--mode={value} does not exist; did you mean {near[0]!r}?" if near else (
            f"--mode={value} does not exist; choose one of {', '.join(verbs)}."
        )  # fmt: skip
    kinds = {f"{prefix}.{field.name}": field.type for prefix, section in sections() for field in _plain(section)}
    wanted = [KINDS[kind] for kind in get_args(kinds.get(name)) or (kinds.get(name, float),) if kind in KINDS]
    return f"--{name}={value} cannot be used; it takes {' or '.join(wanted) or 'another value'}."


KINDS = {int: "a whole number", float: "a number", bool: "True or False", str: "a word", type(None): "None"}


def without_section(path: str, error: Exception) -> str | None:
    """The message for a setting whose section is not in the configuration; None if the error is another one."""
    if "is None by default" not in str(error):
        return None
    section = path.rpartition(".")[0]
    return f"--{path}: this configuration has no {section}; choose one that has, or add --{section}=build before it."


def _plain(section: type) -> list[dataclasses.Field]:
    return [field for field in dataclasses.fields(section) if not inside(field)]


def _entry(head: str, meaning: str) -> str:
    """A line or two: the name, then what it means."""
    head = f"  {head}"
    if len(head) < 46:
        return textwrap.fill(meaning, WIDTH, initial_indent=f"{head:<46}", subsequent_indent=" " * 46)
    return f"{head}\n" + textwrap.fill(meaning, WIDTH, initial_indent=" " * 46, subsequent_indent=" " * 46)
