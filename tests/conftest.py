"""Fixtures shared by all tests: where the reference data lie, and flags parsed for grain's workers."""

import os
import pathlib

# Before jax is imported anywhere: eight devices on the CPU, so that tests can compare one device with many; and no
# optimisation in XLA, which halves the time that tests wait for compilation.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + " --xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
)

import pytest
from absl import flags

SHARED = pathlib.Path(__file__).resolve().parents[1].parent / "shared"


def pytest_configure(config):
    flags.FLAGS.mark_as_parsed()  # grain reads absl flags even without a command line


@pytest.fixture(scope="session")
def reference_numbers() -> pathlib.Path:
    """Folder of reference numbers of the published implementation."""
    return _shared("fixtures")


@pytest.fixture(scope="session")
def excerpt() -> pathlib.Path:
    """A real excerpt of KITTI-360 in the official layout."""
    return _shared("data/kitti360_excerpt")


def _shared(name: str) -> pathlib.Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not on this machine (it is never committed)")
    return folder
