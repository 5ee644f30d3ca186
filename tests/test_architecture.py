"""The rules of docs/architecture.md: layers, which library is used where, sizes, names. Reads sources, imports none."""

import ast
import functools
import graphlib
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGES = ("mtl_depth", "tfds_kitti360")
LAYERS = (
    ("bounds",),
    ("errors", "config"),
    ("geometry", "image"),
    ("losses", "metrics", "models", "data", "runtime"),
    ("media",),
    ("tasks",),
    ("training", "pretrained"),
    ("prediction",),
    ("evaluation", "inference"),
    ("table",),
    ("viewer",),
    ("commands",),
    ("main", "experiments", "benchmarks"),
    ("__main__",),
)
LAYER = {name: layer for layer, names in enumerate(LAYERS) for name in names}
# library -> the only places (modules, or packages with all that is inside) that may import it
WALLS = {
    "flax.linen": ("mtl_depth.models",),
    "optax": ("mtl_depth.training", "mtl_depth.losses.segmentation"),
    "orbax": ("mtl_depth.runtime.checkpoint",),
    "grain": ("mtl_depth.data", "tfds_kitti360.kitti360_dataset_builder"),
    "tensorflow_datasets": ("mtl_depth.data", "tfds_kitti360.kitti360_dataset_builder"),
    "tfds_kitti360": ("mtl_depth.data", "mtl_depth.benchmarks", "tfds_kitti360"),
    "mtl_depth": ("mtl_depth",),
    "absl.flags": ("mtl_depth.main", "mtl_depth.experiments", "mtl_depth.benchmarks"),
    "ml_collections": ("mtl_depth.main", "mtl_depth.experiments", "mtl_depth.benchmarks"),
    "starlette": ("mtl_depth.viewer.server",),
    "torch": ("mtl_depth.pretrained", "mtl_depth.benchmarks"),
    "tensorflow": (),
}
FORBIDDEN_NAMES = ("utils", "helpers", "misc", "common")
LONGEST_FILE = 300


def _module(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {_module(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}
EVERYTHING = [
    *SOURCES.values(),
    *(path for folder in ("tests", "configs") for path in sorted((ROOT / folder).rglob("*.py"))),
]


@functools.cache
def _imports(path):
    """Dotted names that a file imports; `from a import b` gives a.b, or a alone where b is a name in our module a."""
    return tuple(_read_imports(path))


def _read_imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write whole names instead of relative imports"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in SOURCES or node.module not in SOURCES else node.module


def _inside(name, place):
    return name == place or name.startswith(place + ".")


def _package(module):
    return module.split(".")[1]


@pytest.mark.parametrize("module", [name for name in SOURCES if name.startswith("mtl_depth.")])
def test_imports_go_down_the_layers(module):
    package = _package(module)
    assert package in LAYER, f"{module} is in no layer: add it to docs/architecture.md and to LAYERS in this file"
    for name in _imports(SOURCES[module]):
        if name.startswith("mtl_depth.") and _package(name) != package:
            assert LAYER.get(_package(name), 99) < LAYER[package], (
                f"{module} imports {name}, which is not in a lower layer"
            )


def test_imports_run_in_no_circle():
    ours = {module: [name for name in _imports(path) if name in SOURCES] for module, path in SOURCES.items()}
    tuple(graphlib.TopologicalSorter(ours).static_order())


@pytest.mark.parametrize("library", WALLS)
def test_walls(library):
    for module, path in SOURCES.items():
        if not any(_inside(module, place) for place in WALLS[library]):
            trespassing = [name for name in _imports(path) if _inside(name, library)]
            assert not trespassing, f"{module} imports {trespassing}; only {WALLS[library]} may"


def test_many_devices_are_one_file_s_business():
    word = re.compile(r"\bpmap\b")
    found = {module for module, path in SOURCES.items() if word.search(path.read_text(encoding="utf-8"))}
    assert found <= {"mtl_depth.runtime.devices"}


@pytest.mark.parametrize("path", EVERYTHING, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_and_say_what_they_are(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE, f"{path} is longer than {LONGEST_FILE} lines: probably two modules"
    assert path.stem not in FORBIDDEN_NAMES, f"{path}: name a module after what it holds"
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), f"{path} does not say what it is for"
    assert "from __future__ import annotations" not in text or path == pathlib.Path(__file__)


def test_the_training_core_needs_no_data_stack():
    """On an accelerator machine there is jax, flax, optax, einops and jaxtyping, and nothing else of ours."""
    absent = ["grain", "tensorflow_datasets", "ml_collections", "cv2", "PIL", "tqdm", "tensorboardX", "torch", "orbax"]
    program = "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in absent)
    for module in SOURCES:
        if any(
            _inside(module, f"mtl_depth.{package}") for package in ("geometry", "models", "losses", "tasks", "training")
        ):
            program += f"import {module}\n"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
