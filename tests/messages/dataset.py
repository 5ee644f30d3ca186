"""Mistakes in building a data set from a download, in the files of one, and in reading what was built."""

import contextlib
import functools
import json
import os
import pathlib
import shutil
import tempfile
import types

import kitti360_built
import kitti360_tree as trees
import numpy as np
from messages.rows import Row, build, main, row, written

from mtl_depth import data
from mtl_depth.benchmarks import evaluate as evaluate_benchmark
from mtl_depth.benchmarks import input as input_benchmark
from mtl_depth.config import Data
from mtl_depth.data import records
from mtl_depth.metrics.pixels import check_confidence
from mtl_depth.runtime.lock import only_writer
from tfds_kitti360 import metadata

_folder = tempfile.TemporaryDirectory(prefix="messages_")  # removed when the tests end
VERSION = "kitti360/1.0.0"


@functools.cache
def built_once() -> pathlib.Path:
    """A download and what is built from it."""
    root = pathlib.Path(_folder.name)
    trees.write_tree(root / "raw", kitti360_built.DRIVE, has=["poses"])
    status, _, complaint = kitti360_built.build(root)
    assert status == 0, complaint
    return root


def built_at(at):
    """A copy of it; the download stays where it was."""
    shutil.copytree(built_once() / "built", at / "built")
    return at / "built" / VERSION


def build_again(at, *options):
    return build(f"--manual_dir={built_once() / 'raw'}", "--size=32x96", *options)(at)


def build_without(name):
    """Building where a file of the finished data set is gone."""

    def provoke(at):
        (built_at(at) / name).unlink()
        return build_again(at)

    return provoke


def resealed(folder, content):
    """Other metadata, with a right checksum."""
    (folder / "metadata.json").write_text(content)
    metadata.seal(folder)


def build_damaged(content):
    def provoke(at):
        resealed(built_at(at), content)
        return build_again(at)

    return provoke


def build_tree(spoil, *options, drives=None, **kept):
    """Building a download that was spoilt."""

    def provoke(at):
        spoil(trees.write_tree(at / "raw", drives or {3: range(3)}, has=["poses"], **kept))
        return build("--manual_dir={at}/raw", "--size=32x96", *options)(at)

    return provoke


def build_on_full_disk(at, patch):
    from tfds_kitti360.kitti360_dataset_builder import Builder

    def fail(*_):
        raise OSError(28, "No space left on device")

    patch.setattr(Builder, "prepare", fail)
    return build_tree(lambda tree: None)(at)


def build_twice_at_once(at, patch):
    import fcntl

    def locked(*_):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    patch.setattr(fcntl, "flock", locked)
    return build_again(at)


def refuse(*_, **__):
    raise PermissionError(13, "Permission denied")


def build_closed(at, patch):
    built_at(at)
    patch.setattr("tfds_kitti360.kitti360_dataset_builder.Builder.__init__", refuse)
    return build_again(at)


def read_closed(at, patch):
    patch.setattr("tensorflow_datasets.builder_from_directory", refuse)
    reading(str)(at)


def reading(spoil, **settings):
    """Opening a built data set that was spoilt."""

    def provoke(at):
        spoil(built_at(at))
        wanted = Data(data_dir=str(at / "built"), size=(32, 96))
        for name, value in settings.items():
            setattr(wanted, name, value)
        data.open_dataset(wanted)

    return provoke


def batches_of(**options):
    def provoke(at):
        opened = data.open_dataset(Data(data_dir=str(built_once() / "built"), size=(32, 96)))
        given = {"reads": frozenset(), "batch_size": 2, "seed": 0, **options}
        next(data.train_batches(opened, Data(size=(32, 96)), **given))

    return provoke


def frames_of_no_split(at):
    opened = data.open_dataset(Data(data_dir=str(built_once() / "built"), size=(32, 96)))
    data.frames(opened, Data(size=(32, 96)), split="vall", reads=frozenset())


def stored_damage(at):
    def bytes_of(*values):
        return types.SimpleNamespace(bytes_list=types.SimpleNamespace(value=values))

    def number(value):
        return types.SimpleNamespace(int64_list=types.SimpleNamespace(value=[value]))

    records._decode({"image": bytes_of(b"no PNG"), "drive": number(3), "frame": number(104)}, "image")


def damaged_shard(at):
    shard = next(built_at(at).glob("*array_record*"))
    os.truncate(shard, shard.stat().st_size // 2)
    records.Records(at / "built" / VERSION, 3)[0]


def nothing_to_read(at, patch):
    patch.setattr(input_benchmark, "clips", lambda *_, **__: [])
    input_benchmark.Reader(Data(data_dir=str(built_once() / "built"), size=(32, 96)))


def without_a_frame(at):
    path = built_at(at) / "metadata.json"
    content = json.loads(path.read_text())
    content["drives"]["0003"]["frames"].pop()
    resealed(path.parent, json.dumps(content))
    return build_again(at)


def training(config, *arguments, spoil=lambda workdir: contextlib.nullcontext()):
    """The command that trains on the built data set, in a folder that was spoilt, or within what spoils it."""

    def provoke(at):
        data_dir = f"--config.data.data_dir={built_once() / 'built'}"
        with spoil(at / "run"):
            return main(
                f"--config=configs/{config}.py", "--workdir={at}/run", data_dir, "--config.data.size=32,96", *arguments
            )(at)

    return provoke


def of_another_model(workdir):
    saved = {"model": {"width": 0.5}, "data": {"size": [32, 96], "stride": 2}}
    written(workdir / "config.json", json.dumps(saved))
    return contextlib.nullcontext()


ROWS: list[Row] = [
    row("commands.train_start.count_clips", "training on labels that are not there", training("instance"),
        "The data set in", "has no training clip", "instance", "choose tasks"),
    row("runtime.run_identity.check_or_record: {} holds a run", "a run's folder whose saved settings differ",
        training("depth", spoil=of_another_model), "{at}/run holds a run with other settings", "--workdir",
        "config.data.stride (2 there, 1 here)", "config.model.width (0.5 there"),
    row("runtime.lock.only_writer: Process", "a folder that another process trains in",
        training("depth", spoil=only_writer), f"Process {os.getpid()} is training in {{at}}/run;", "--workdir"),
    # the command that builds
    row("tfds_kitti360.build.main", "a camera without a video", build("--manual_dir={at}", "--fov=60"),
        "--fov", "describe a --video"),
    row("tfds_kitti360.build.build: --manual_dir", "a wrong path of the download", build("--manual_dir={at}/no"),
        "--manual_dir={at}/no is not a folder", "data_2d_raw"),
    row("tfds_kitti360.build.build: --stereo", "right images of a video", build("--video={at}/a.mp4", "--stereo"),
        "--stereo", "leave --stereo out"),
    row("tfds_kitti360.build.build: {} is damaged", "an earlier build that is damaged",
        build_damaged("{"), "{at}/built/kitti360 is damaged", "delete that folder"),
    row("tfds_kitti360.build.build: {} cannot be written", "a full disk", build_on_full_disk,
        "{at}/built cannot be written", "No space left", "free space"),
    row("tfds_kitti360.build.build: {} cannot be read", "an earlier build that may not be read", build_closed,
        f"{{at}}/built/{VERSION} cannot be read (Permission denied)", "may be intact"),
    row("tfds_kitti360.build._check_same: {} is not a finished", "a build that lost its record",
        build_damaged("{}"), f"{{at}}/built/{VERSION} is not a finished data set", "delete"),
    row("tfds_kitti360.build._check_same: {} is damaged", "a build whose record lies",
        without_a_frame, f"{{at}}/built/{VERSION} is damaged", "delete"),
    row("tfds_kitti360.build._check_same: {} was built", "a build with other settings",
        lambda at: build_again(at, "--storage=jpeg") if built_at(at) else None,
        f"{{at}}/built/{VERSION} was built with --storage=png, not with --storage=jpeg", "--data_dir"),
    row("tfds_kitti360.build._check_same: {} is missing", "a build that lost a part",
        build_without("kitti360-drive_0003.array_record-00000-of-00001"), "kitti360-drive_0003", "is missing"),
    row("tfds_kitti360.build._only_build: {} cannot", "a folder that cannot be",
        lambda at: build_again(written(at / "file")), "{at}/file/built cannot be written", "--data_dir"),
    row("tfds_kitti360.build._only_build: another", "two builds at once", build_twice_at_once,
        "another build is writing to {at}/built", "wait for it"),
    # what was built
    row("data.dataset._open_one: {} holds", "no built data set",
        lambda at: data.open_dataset(Data(data_dir=str(at))), "{at} holds no built data set", "tfds_kitti360.build"),
    row("data.dataset._open_one: str(error)", "a build that lost its record",
        reading(lambda folder: (folder / "metadata.json").unlink()), f"{{at}}/built/{VERSION} is not a finished"),
    row("data.dataset._open_one: {} is damaged", "a build whose record is damaged",
        reading(lambda folder: resealed(folder, "{")), f"{{at}}/built/{VERSION} is damaged"),
    row("data.dataset._open_one: {} cannot be read ({}); the data set", "a build that may not be read", read_closed,
        f"{{at}}/built/{VERSION} cannot be read (Permission denied)", "may be intact"),
    row("data.dataset._open_one: {} is missing", "a build that lost a part",
        reading(lambda folder: next(folder.glob("*array_record*")).unlink()), "array_record", "is missing; delete"),
    row("data.dataset._open_one: config.data.size", "a data set built with another size",
        reading(str, size=(64, 96)),
        "config.data.size=64,96 is larger", "32,96", "tfds_kitti360.build"),
    row("data.dataset._check_settings: config.data.size", "a size of one side", reading(str, size=(64,)),
        "config.data.size=(64,)", "192,640"),
    row("data.dataset._check_settings: config.data.clip_length", "a clip without a middle", reading(str, clip_length=2),
        "config.data.clip_length=2", "odd"),
    row("data.dataset._check_settings: config.data.{}", "no step between frames", reading(str, stride=0),
        "config.data.stride=0", "1 or more"),
    row("data.batches.train_batches: config.train.batch_size", "a batch that the processes cannot share",
        batches_of(batch_size=3, process_count=2), "config.train.batch_size=3", "2, the number of processes"),
    row("data.dataset._all_clips: {} holds no right images", "stereo on a data set built without", 
        training("depth", "--config.tasks.depth.stereo=True"),
        f"{VERSION} holds no right images", "config.tasks.depth.stereo", "--stereo"),
    row("data.batches.train_batches: {} has no training clip", "no clip with what the tasks read",
        batches_of(reads=frozenset({"instance"})), "no training clip with instance"),
    row("data.dataset._check_request", "an unknown split", frames_of_no_split, "'vall'", "train, val, test"),
    row("data.records._damaged", "a stored image that is damaged", stored_damage,
        "stored image of drive 0003 frame 104 is damaged", "build it again"),
    row("data.records.Records._reporting_damage", "a built data set cut off", damaged_shard,
        f"A shard in {{at}}/built/{VERSION} is damaged", "build it again"),
    row("metrics.pixels.check_confidence", "confidence of another size",
        lambda at: check_confidence(np.ones((1, 3, 3)), np.ones((1, 3, 4), int)), "3 x 3", "3 x 4",
        "build the data set again"),
    row("benchmarks.input.Reader.__init__", "nothing to read", nothing_to_read, "no training clip", "larger"),
    row("benchmarks.evaluate.main", "an unknown variant",
        lambda at: evaluate_benchmark.main(["--variants=all"]), "--variants holds 'all'", "choose from"),
    row("benchmarks.evaluate.measured", "frames too few for a batch",
        lambda at: evaluate_benchmark.main([f"--data_dir={built_once() / 'built'}", "--batch_size=99",
                                            "--variants=depth", "--width=0.125"]), "frames; lower --batch_size"),
]  # fmt: skip
