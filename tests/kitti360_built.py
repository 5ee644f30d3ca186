"""Runs the build command on the tree of `kitti360_tree` and looks at what it built."""

import contextlib
import io

import tensorflow_datasets as tfds

from tfds_kitti360.build import main

BUILD = "32x96"
DRIVE = {3: range(100, 112)}


def build(tmp_path, *options, size=BUILD):
    """Runs the command; returns exit status, what it printed, and what it complained of."""
    out, err = io.StringIO(), io.StringIO()
    command = [f"--manual_dir={tmp_path / 'raw'}", f"--data_dir={tmp_path / 'built'}", f"--size={size}", *options]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(command)
    complaint = [line for line in err.getvalue().replace("\r", "\n").splitlines() if line.startswith("error: ")]
    return status, out.getvalue(), "\n".join(complaint)


def built(tmp_path):
    return tfds.builder_from_directory(str(tmp_path / "built" / "kitti360" / "1.0.0"))


def records(tmp_path, drive=3):
    return list(built(tmp_path).as_data_source(f"drive_{drive:04d}"))


def plan_of(tmp_path, drive=3):
    return built(tmp_path).info.metadata["drives"][f"{drive:04d}"]
