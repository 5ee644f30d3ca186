"""Rewrites a command line before it is parsed: verbs, configurations by name, `~` in paths."""

import difflib
import os
import pathlib
import re
from collections.abc import Collection, Sequence

import mtl_depth
from mtl_depth.errors import UserError

PACKAGE = pathlib.Path(mtl_depth.__file__).parent
# Inside an installed package; in the repository the folder stands next to the package.
CONFIGS = next(folder for folder in (PACKAGE / "configs", PACKAGE.parent / "configs") if folder.is_dir())
SAVED = pathlib.Path(__file__).with_name("saved_config.py")
PATHS = re.compile(
    r"--?(?:workdir|input|output|truth|intrinsics|config|config\.data\.data_dir|config\.data\.manual_dir|"
    r"config\.weights|config\.model\.encoder_weights|config\.initial_weights)"
)  # flags that hold a path; a shell expands `~` only at the beginning of a word, and not in quotes


def as_flags(argv: Sequence[str], verbs: Collection[str], *, starter: Collection[str]) -> list[str]:
    """The command line with verbs replaced by flags, and --config before everything else.

    Args:
        argv: the program's name and its arguments. The first argument may be a verb: `predict` means --mode=predict.
        verbs: all of them.
        starter: the verbs that use the starter model where neither --config nor --workdir is given.

    Raises:
        UserError: the file of --config does not exist, or a path names a home folder that does not.
    """
    program, *words = argv
    if words and words[0] in verbs:
        words[0] = f"--mode={words[0]}"
    words = [_expanded(word, before) for word, before in zip(words, ["", *words])]
    given = value_of(words, "config")
    workdir = value_of(words, "workdir")
    if given is not None:
        config = [f"--config={config_file(given)}"]
    elif workdir is not None and (pathlib.Path(workdir) / "config.json").is_file():
        config = [f"--config={SAVED}:{workdir}"]
    elif workdir is None and value_of(words, "mode") in starter:
        config = [f"--config={SAVED}"]
    else:
        config = []
    return [program, *config, *_without(words, "config")]


def config_file(name: str) -> str:
    """The file of a configuration, with its variant.

    Args:
        name: a file, or a packaged configuration: `configs/instance.py`, `instance`, `tiny:depth`.

    Raises:
        UserError: there is no such file.
    """
    stem, colon, variant = name.partition(":")
    path, packaged = pathlib.Path(stem), (CONFIGS / pathlib.Path(stem).name).with_suffix(".py")
    if path.is_file():
        return name
    if str(path.parent) in (".", "configs") and path.suffix in ("", ".py") and packaged.is_file():
        return f"{packaged}{colon}{variant}"
    names = sorted(file.stem for file in CONFIGS.glob("*.py"))
    near = difflib.get_close_matches(path.stem, names, n=1)
    hint = f"did you mean --config={near[0]}?" if near else f"the packaged ones are {', '.join(names)}."
    raise UserError(f"--config={name}: there is no file {path}; {hint}")


def value_of(words: Sequence[str], flag: str) -> str | None:
    """The last value given to a flag, as `--flag=value` or `--flag value`; None if it is absent."""
    found = None
    for word, following in zip(words, [*words[1:], ""]):
        match = re.fullmatch(rf"--?{flag}(?:=(.*))?", word, re.DOTALL)
        if match:
            found = following if match[1] is None else match[1]
    return found


def settings_in(words: Sequence[str]) -> frozenset[str]:
    """Names of the settings that the words set: `--config.train.steps=3` sets train.steps."""
    found = (re.match(r"--?(?:no)?config\.([\w.]+)", word) for word in words)
    return frozenset(match[1] for match in found if match)


def _without(words: Sequence[str], flag: str) -> list[str]:
    """The words without a flag and its values."""
    kept, skip = [], False
    for word in words:
        if not skip and not re.match(rf"--?{flag}(=|$)", word):
            kept.append(word)
        skip = word in (f"-{flag}", f"--{flag}")
    return kept


def _expanded(word: str, before: str) -> str:
    flag, equals, path = word.partition("=")
    if equals and PATHS.fullmatch(flag):
        return f"{flag}={_home(path)}"
    return _home(word) if PATHS.fullmatch(before) else word


def _home(path: str) -> str:
    expanded = os.path.expanduser(path)
    if expanded.startswith("~") and not os.path.lexists(expanded.split(os.sep)[0]):
        raise UserError(f"{path} starts with ~, and there is no such home folder here; give the whole path.")
    return expanded
