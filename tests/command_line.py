"""Runs command lines of mtl_depth.main inside the test process."""

import sys

import pytest
from absl import flags

from mtl_depth import main as command


def run(*arguments: str) -> int:
    """Exit status of `python -m mtl_depth.main` with these arguments."""
    for name in [name for name in flags.FLAGS if name.startswith("config.")]:
        delattr(flags.FLAGS, name)  # defined by the run before
    flags.FLAGS.unparse_flags()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["main", *arguments])
            return command.main()
    finally:
        flags.FLAGS.mark_as_parsed()
