"""Where in the sources a user's mistake is met by a sentence. Reads the sources, imports none of them."""

import ast
import functools
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGES = ("mtl_depth", "tfds_kitti360", "configs")
ERRORS = ("UserError", "DatasetError")


class Site(NamedTuple):
    """A place that makes the error: the file and lines now, and a name that outlives moved lines."""

    file: pathlib.Path
    first_line: int
    last_line: int
    name: str  # module.function: sentence with {} where something is filled in
    is_text: bool  # written there, and not handed on


@functools.cache
def sites() -> tuple[Site, ...]:
    """All of them."""
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    return tuple(site for file in files for site in _sites_in(file))


def named(beginning: str) -> Site:
    """The one site whose name begins so."""
    found = [site for site in sites() if site.name.startswith(beginning)]
    assert len(found) == 1, f"{beginning!r} begins the names of {len(found)} sites: {[site.name for site in found]}"
    return found[0]


def at(file: str, line: int) -> Site:
    """The site that holds this line."""
    return next(site for site in sites() if str(site.file) == file and site.first_line <= line <= site.last_line)


def _sites_in(file: pathlib.Path) -> Iterator[Site]:
    parts = file.relative_to(ROOT).with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts).removeprefix("mtl_depth.")

    def visit(node: ast.AST, place: str) -> Iterator[Site]:
        for child in ast.iter_child_nodes(node):
            inside = isinstance(child, ast.FunctionDef | ast.ClassDef)
            yield from visit(child, f"{place}.{child.name}" if inside else place)
            if isinstance(child, ast.Call) and ast.unparse(child.func).split(".")[-1] in ERRORS:
                sentence, is_text = _sentence(child.args[0])
                yield Site(file, child.lineno, child.end_lineno, f"{place}: {sentence}", is_text)

    return visit(ast.parse(file.read_text(encoding="utf-8")), module)


def _sentence(node: ast.expr) -> tuple[str, bool]:
    """The sentence of a string or an f-string, and whether it says anything; of others the source, False."""
    if isinstance(node, ast.Constant):
        return node.value, True
    if isinstance(node, ast.JoinedStr):
        sentence = "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        return sentence, sentence != "{}."
    return ast.unparse(node), False
