"""A built data set in other hands: small counts, several processes, killed workers, files that cannot be read."""

import builtins
import itertools
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from kitti360_tree import list_line, write_tree

from mtl_depth import data as reader
from mtl_depth.config import Data
from mtl_depth.data import batches as reading
from mtl_depth.data import records
from mtl_depth.errors import UserError
from tfds_kitti360.build import build

POSED = frozenset({"source_from_target"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Drive 3: five frames, three clips; built below `built`."""
    folder = tmp_path_factory.mktemp("small set")
    write_tree(folder / "raw", {3: range(100, 105)}, has=["poses", "semantic"])
    build(manual_dir=folder / "raw", data_dir=folder / "built", size=(32, 96))
    return folder


@pytest.fixture
def data(folder):
    return Data(data_dir=str(folder / "built"), size=(32, 96))


def take(count, data, **options):
    dataset = reader.open_dataset(data)
    return list(itertools.islice(reader.train_batches(dataset, data, reads=frozenset(), seed=3, **options), count))


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
def test_a_share_of_one_clip(data, processes):
    """Kind 1: batches of one clip, and as many processes as clips of a batch; the shares tile the batch."""
    shares = [
        take(4, data, batch_size=processes, process_index=index, process_count=processes) for index in range(processes)
    ]
    whole = take(4, data, batch_size=processes)
    for n, batch in enumerate(whole):
        tiled = np.concatenate([share[n]["frame"] for share in shares])
        np.testing.assert_array_equal(batch["frame"], tiled)
    passes = [int(batch["frame"][0]) for batch in take(9, data, batch_size=1)]
    assert [sorted(passes[start : start + 3]) for start in (0, 3, 6)] == [[101, 102, 103]] * 3


@pytest.mark.parametrize("start", [0, 1, 10**6, 10**12])
def test_far_starts(data, start):
    assert len(take(2, data, batch_size=1, start=start)) == 2
    assert len(take(1, data, batch_size=7, start=start)) == 1  # larger than what is there


def test_a_data_dir_in_the_home_folder(data, folder, monkeypatch):
    """Kind 2: shells leave --config.data.data_dir=~/x alone."""
    monkeypatch.setenv("HOME", str(folder))
    assert reader.open_dataset(Data(data_dir="~/built", size=(32, 96))).path == folder / "built/kitti360/1.0.0"


def test_building_into_the_home_folder(tmp_path, folder, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").symlink_to(folder / "raw")
    said = build(manual_dir="~/raw", data_dir="~/sets/x", size=(32, 96))
    assert f"in {tmp_path}/sets/x/kitti360" in said and not (tmp_path / "~").exists()


def test_why_there_is_no_clip(tmp_path, data):
    """Kind 4: the cause is named, poses or lists or labels."""
    lists = {"train": [(8, 0)], "val": [(8, 1)]}
    write_tree(tmp_path / "test" / "raw", {8: range(5)}, lists=lists, has=["poses"])
    write_tree(tmp_path / "bare" / "raw", {3: range(5)}, has=[])
    for name in ("test", "bare"):
        build(manual_dir=tmp_path / name / "raw", data_dir=tmp_path / name / "built", size=(32, 96))

    def why(root, reads, **options):
        settings = Data(data_dir=str(root / "built"), size=(32, 96), **options)
        return reader.why_no_clip(reader.open_dataset(settings), settings, split="train", reads=frozenset(reads))

    assert "none of its frames is train (5 test), as the official lists say" in why(tmp_path / "test", POSED)
    assert "0 of its 5 train frames have poses" in why(tmp_path / "bare", POSED)
    assert "--config.tasks.depth.motion=predicted" in why(tmp_path / "bare", POSED)
    assert "no 3 of its 5 train frames follow each other at config.data.stride=3" in why(
        tmp_path / "bare", [], stride=3
    )
    assert "none of its 5 train frames has instance labels" in why(tmp_path / "bare", ["instance"])
    with pytest.raises(UserError, match=r"no training clip with source_from_target: none of its frames is train"):
        settings = Data(data_dir=str(tmp_path / "test/built"), size=(32, 96))
        reader.train_batches(reader.open_dataset(settings), settings, reads=POSED, batch_size=1, seed=0)


def test_what_training_can_take_as_defaults(data, tmp_path):
    opened = reader.open_dataset(data)
    assert (opened.size, opened.camera, opened.has_lists) == ((32, 96), "calibrated", False)
    assert len(opened.fingerprint) == 16
    assert list_line(3, 1).endswith(".png\n")


def refuse(error):
    def opening(file, *arguments, **options):
        if "array_record" in str(file):
            raise error
        return real(file, *arguments, **options)

    real = builtins.open
    return opening


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_a_shard_that_cannot_be_read_is_not_called_damaged(data, monkeypatch, error):
    """Kind 15: nobody is told to delete a sound data set."""
    opened = records.Records(reader.open_dataset(data).path, 3)

    class Broken:
        def __getitem__(self, position):
            raise RuntimeError(f"Could not read: {error.strerror}")

    opened._source = Broken()
    monkeypatch.setattr(builtins, "open", refuse(error))
    with pytest.raises(UserError, match=rf"cannot be read \({error.strerror}\)") as said:
        opened[0]
    assert "damaged" not in str(said.value) and "delete" not in str(said.value)


@pytest.mark.parametrize("name", ["metadata.json", "dataset_info.json", "checksums.json"])
def test_a_record_that_cannot_be_read_is_not_called_damaged(data, monkeypatch, name):
    def refusing(path, *arguments):
        if str(path).endswith(name):
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments)

    real = os.open
    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(UserError, match=rf"{name} cannot be read \(Permission denied\)") as said:
        reader.open_dataset(data)
    assert "delete" not in str(said.value)


def test_a_full_disk_is_said(tmp_path, folder, monkeypatch):
    """Kind 15: the writer of records calls it a RuntimeError."""
    from array_record.python import array_record_module

    from tfds_kitti360.errors import DatasetError

    class Full:
        def __init__(self, *_): ...

        def write(self, _):
            raise RuntimeError("write() failed: No space left on device; writing x")

        def close(self): ...

    monkeypatch.setattr(array_record_module, "ArrayRecordWriter", Full)
    with pytest.raises(DatasetError, match=r"cannot be written \(.*No space left on device.*\); free space"):
        build(manual_dir=folder / "raw", data_dir=tmp_path, size=(32, 96))
    assert not list(tmp_path.glob("kitti360/*"))


def test_a_file_system_without_locks_is_no_other_build(tmp_path, folder, monkeypatch, capsys):
    """Kind 3: ENOLCK is not EWOULDBLOCK."""
    import fcntl

    def unsupported(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    assert "built: 5 frames" in build(manual_dir=folder / "raw", data_dir=tmp_path, size=(32, 96))
    assert "cannot be locked (No locks available)" in capsys.readouterr().out


def test_batches_go_on_after_a_worker_was_killed(data, capsys, monkeypatch):
    """Kind 14: the usual victim of an out-of-memory killer; the batches are those without the loss."""
    whole = take(6, data, batch_size=1)
    made = []
    real = reading._reader

    class Dying:
        def __init__(self, inner):
            self.inner = inner

        def __iter__(self):
            made.append(self)
            yield from itertools.islice(self.inner, 2)
            raise RuntimeError("Worker process was terminated unexpectedly with exit code -9. Search the logs above.")

    monkeypatch.setattr(reading, "_reader", lambda batches, data: Dying(real(batches, data)))
    for batch, expected in zip(take(6, data, batch_size=1), whole, strict=True):
        np.testing.assert_array_equal(batch["image"], expected["image"])
    assert len(made) == 3 and capsys.readouterr().err.count("was killed and is replaced") == 2
    with pytest.raises(UserError, match=r"were killed 4 times.*lower config\.data\.workers"):
        take(99, data, batch_size=1)


@pytest.mark.parametrize("error", [RuntimeError("terminated unexpectedly with exit code -7."), OSError(28, "No space")])
def test_a_small_shared_memory_is_said(data, monkeypatch, error):
    """Kind 9: a container has 64 MB of /dev/shm."""

    def failing(batches, data):
        raise error
        yield

    monkeypatch.setattr(reading, "_reader", failing)
    data.workers = 1
    with pytest.raises(UserError, match="/dev/shm is too small"):
        take(1, data, batch_size=1)


PROGRAM = """
import sys, os, itertools
from absl import flags
flags.FLAGS.mark_as_parsed()
from mtl_depth import data as reader
from mtl_depth.config import Data
if __name__ == "__main__":
    data = Data(data_dir=sys.argv[1], size=(32, 96), workers=2)
    dataset = reader.open_dataset(data)
    batches = reader.train_batches(dataset, data, reads=frozenset(), seed=3, batch_size=3)
    for batch in itertools.islice(batches, 4):
        pass
    print("reading", flush=True)
    for batch in batches:
        pass
"""


def ours(mark):
    """Processes that work for the program, by the variable that it hands on."""
    found = []
    for number in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{number}/environ", "rb") as file:
                if mark.encode() in file.read():
                    found.append(int(number))
        except OSError:
            continue
    return found


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="needs /proc and /dev/shm")
def test_a_killed_training_leaves_nothing_behind(folder, tmp_path):
    """Kind 14: no process and no shared memory, after SIGKILL."""
    mark, before = f"EDGES_MARK={tmp_path}", set(os.listdir("/dev/shm"))
    (tmp_path / "program.py").write_text(PROGRAM)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(reader.__file__))))
    environment = {**os.environ, "EDGES_MARK": str(tmp_path), "PYTHONPATH": root}
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "program.py"), str(folder / "built")], env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"reading\n"
    assert len(ours(mark)) >= 3
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 20
    left = None
    while time.monotonic() < deadline:
        # what other processes of this machine hold comes and goes
        left = ours(mark), set(os.listdir("/dev/shm")) - before
        if not any(left):
            break
        time.sleep(0.1)
    left, remains = left
    for number in left:
        os.kill(number, signal.SIGKILL)
    assert not left and not remains
