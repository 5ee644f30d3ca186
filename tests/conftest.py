"""Fixtures shared by all tests: where the reference data lie, and flags parsed for grain's workers."""

import collections
import fcntl
import functools
import os
import pathlib
import runpy
from collections.abc import Callable

# Before jax is imported anywhere: eight devices on the CPU, so that tests can compare one device with many; and no
# optimisation in XLA, which halves the time that tests wait for compilation. The marker `as_users` turns it on.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
# As a file: the type checks of jaxtyping have to be installed before mtl_depth is imported.
FLAGS_MODULE = pathlib.Path(__file__).parents[1] / "mtl_depth" / "runtime" / "compiler_flags.py"
runpy.run_path(str(FLAGS_MODULE))["avoid_wrong_reductions"]()
# The same program is compiled once, whichever process of this run of pytest, or of the next one, needs it.
COMPILED = pathlib.Path(__file__).parents[1] / ".pytest_cache" / "compiled"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(COMPILED))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import pytest  # noqa: E402
from absl import flags  # noqa: E402

SHARED = pathlib.Path(__file__).resolve().parents[1].parent / "shared"


def pytest_addoption(parser):
    parser.addoption("--count", type=int, default=5, help="how many times tests/reliability kills a training")


def pytest_terminal_summary(terminalreporter):
    """What tests/reliability and tests/fuzz tried, and what happened."""
    found: dict[str, list[str]] = {}
    fuzzed: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    for report in terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", []):
        for name, value in report.user_properties:
            if name.startswith("fuzzed "):
                fuzzed[name] += collections.Counter(value)
            if report.when == "call" and name.startswith("tried "):
                found.setdefault(name.removeprefix("tried "), []).append(value if report.passed else "FAILED")
    if found:
        terminalreporter.section("what was tried, and what happened")
    for name, outcomes in sorted(found.items()):
        counts = ", ".join(f"{outcome}: {outcomes.count(outcome)}" for outcome in sorted(set(outcomes)))
        terminalreporter.write_line(f"{name:40} tried {len(outcomes):3}   {counts}")
    if fuzzed:
        terminalreporter.section("inputs fuzzed, and what became of them")
        fuzzed["all"] = sum(fuzzed.values(), collections.Counter())
    for name, counts in fuzzed.items():
        outcomes = ", ".join(f"{outcome}: {counts[outcome]}" for outcome in ("own errors", "anything else"))
        terminalreporter.write_line(f"{name:40} inputs {counts['inputs']:5}   {outcomes}")


def pytest_configure(config):
    flags.FLAGS.mark_as_parsed()  # grain reads absl flags even without a command line


def pytest_collection_modifyitems(items):
    """Files with slow tests come first, so that none of them is left over for one process at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="module", autouse=True)
def _compiled_as_for_users(request):
    """Modules marked `as_users` run programs that XLA optimises."""
    if request.node.get_closest_marker("as_users") is None:
        yield
        return
    import jax

    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="session")
def reference_numbers() -> pathlib.Path:
    """Folder of reference numbers of the published implementation."""
    return _shared("fixtures")


@pytest.fixture(scope="session")
def excerpt() -> pathlib.Path:
    """A real excerpt of KITTI-360 in the official layout."""
    return _shared("data/kitti360_excerpt")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Callable[[str, Callable[[pathlib.Path], None]], pathlib.Path]:
    """(name, function that makes a folder) -> a folder that all processes of this run of pytest share."""
    return functools.partial(_made_once, tmp_path_factory)


@pytest.fixture(scope="session")
def city(made_once) -> pathlib.Path:
    """Two short streets of the synthetic city in KITTI-360's layout, to be read only; the second is the val list."""

    def draw(folder: pathlib.Path) -> None:
        from tfds_kitti360.city.__main__ import main

        assert main([f"--out={folder}", "--drives=2", "--frames=6", "--size=94x352"]) == 0

    return made_once("city", draw)


@pytest.fixture(scope="session")
def built_city(city, made_once) -> pathlib.Path:
    """The data set of `city` at 64x96, to be read only."""

    def build(folder: pathlib.Path) -> None:
        from tfds_kitti360.build import main

        assert main([f"--manual_dir={city}", f"--data_dir={folder}", "--size=64x96"]) == 0

    return made_once("built_city", build)


def _made_once(tmp_path_factory, name: str, make: Callable[[pathlib.Path], None]) -> pathlib.Path:
    """The first process that asks makes the folder, the others wait."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, done = base / name, base / f"{name}.done"
    with open(base / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            make(folder)
            done.touch()
    return folder


def _shared(name: str) -> pathlib.Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not on this machine (it is never committed)")
    return folder
