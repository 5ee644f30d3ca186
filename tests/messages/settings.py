"""Mistakes in flags and settings."""

import dataclasses
import importlib.util
import socket
import sys

import fake_run
import jax
import pytest
from messages.rows import Row, depth, main, row, written

from mtl_depth import config
from mtl_depth.commands import page, serve
from mtl_depth.data import intrinsics
from mtl_depth.experiments import curves, pieces, table1
from mtl_depth.models import network
from mtl_depth.prediction import loading
from mtl_depth.runtime import distributed, lock, run_identity
from mtl_depth.runtime.devices import Devices
from mtl_depth.training import initial

DATASET = type("DataSet", (), {"metadata": {"size": [64, 96], "drives": {"0000": {"frames": [1]}}}})


def instance(*arguments):
    return main("--config=configs/instance.py", "--workdir={at}/run", *arguments)


def claimed(at, *, clips=4, **changed):
    """Claims a folder, and again with other settings."""
    first = config.Config(tasks=config.Tasks(depth=config.DepthTask()))
    run_identity.check_or_record(at, first, DATASET, clips=4)
    run_identity.check_or_record(at, dataclasses.replace(first, **changed), DATASET, clips=clips)


def claimed_damaged(at):
    written(at / "dataset.json", "{")
    claimed(at)


def lock_in_a_file(at):
    with lock.only_writer(written(at / "file") / "run"):
        pass


def devices_of_two_processes(at, patch):
    patch.setattr(jax, "process_count", lambda: 2)
    Devices(1)


def not_together(at, patch):
    def fail(**_):
        raise RuntimeError("DEADLINE_EXCEEDED: nobody came\nand more")

    patch.setattr(jax.distributed, "initialize", fail)
    connect("127.0.0.1:1", "2", "1")


def connect(*values):
    kept = jax.config.jax_cpu_collectives_implementation
    try:
        distributed.connect(dict(zip(distributed.OURS, values)))
    finally:
        jax.config.update("jax_cpu_collectives_implementation", kept)


def no_matplotlib(at, patch):
    patch.setattr(importlib.util, "find_spec", lambda _: None)
    curves.check()


def page_of_nothing(at):
    written(at / "a.png", b"no picture")
    page.run([fake_run.folder("depth")], str(at / "a.png"), str(at))


def page_over_notes(at):
    page.run([fake_run.folder("depth")], output=str(written(at / "notes.html", "<title>mine</title>")))


def no_uvicorn(at, patch):
    patch.setitem(sys.modules, "uvicorn", None)
    serve.run(config.Config(), at, host="127.0.0.1", port=0)


def taken_port(at, patch):
    patch.setattr(serve, "make_app", lambda *_, **__: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        serve.run(config.Config(), at, host="127.0.0.1", port=taken.getsockname()[1])


def other_study(at):
    smoke = next(iter(table1.SCALES.values()))
    table1.check_same_study(smoke, at)
    table1.check_same_study(dataclasses.replace(smoke, frames=smoke.frames + 1), at)


def without_starter(at):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "STARTER_FILE", at / "absent.safetensors")
        loading.load_perceiver("starter")


ROWS: list[Row] = [
    # flags
    row("main._dispatch: NO_CONFIG", "no configuration", main("--workdir={at}"), "--config=FILE is needed"),
    row("main._parse: NO_CONFIG", "a setting of no configuration", main("--config.train.steps=3"),
        "--config=FILE is needed", "--config=instance"),
    row("main._dispatch: --workdir", "no run folder", main("--config=configs/depth.py"), "--workdir=DIR is needed"),
    row("main._dispatch: --{} is for", "a flag of another mode", depth("--write=cloud"),
        "--write is for --mode=predict, not for --mode=train"),
    row("main._dispatch: --mode=evaluate --input", "pictures without truth", depth("--mode=evaluate", "--input={at}"),
        "--input needs --truth=FOLDER"),
    row("main._dispatch: --mode=evaluate --intrinsics", "a camera of a data set",
        depth("--mode=evaluate", "--intrinsics=1,1,1,1"), "--intrinsics is for --truth=FOLDER"),
    row("main._dispatch: --{} has an empty", "a variable of the shell that is not set",
        depth("--mode=predict", "--output="), "--output has an empty value", "leave the flag out"),
    row("commands.arguments._home", "a home that nobody has", depth("--input=~nobody-has-this/x"),
        "~nobody-has-this/x starts with ~", "the whole path"),
    row("main._parse: --{} is not", "an unknown flag", depth("--workdri=x"), "--workdri is not", "mean --workdir?"),
    row("commands.page.run: The runs", "runs of one name", main("page", "{at}/a/run", "{at}/b/run"),
        "{at}/a/run, {at}/b/run", "different names"),
    row("commands.page.run: --input", "no picture of a page", page_of_nothing, "--input=", "no picture that can be"),
    row("commands.page.run: {} is not a page", "a page of one's own", page_over_notes, "{at}/notes.html is not a page",
        "--output"),
    row("commands.serve.run: --mode=serve needs", "no library for a server", no_uvicorn, "pip install", "[serve]"),
    row("commands.serve.run: --port", "a port that is taken", taken_port, "--port=", "--host=127.0.0.1"),
    row("main._parse: {} is not a flag", "a word without dashes", depth("streets"), "'streets' is not", "--name"),
    row("main._parse: {} is not a flag", "a misspelt verb", main("trian", "--config=depth"), "the verb train"),
    row("main._parse: help_text.refused", "an unknown mode", depth("--mode=eval"), "--mode=eval", "mean 'evaluate'?"),
    row("main._parse: _setting", "a misspelt setting", depth("--config.train.step=3"), "step", "mean 'steps'?"),
    row("main._parse: _setting", "a misspelt section", depth("--config.trian.steps=3"), "trian", "mean 'train'?"),
    row("main._parse: _setting", "a setting's section left out", depth("--config.motion=recorded"),
        "--config.tasks.depth.motion?"),
    row("main._parse: _setting", "a section left out", depth("--config.tasks.semantic.weight=1"),
        "--config.tasks.semantic.weight", "no config.tasks.semantic", "--config.tasks.semantic=build"),
    row("main._parse: help_text.refused", "an ill-typed setting", depth("--config.train.steps=many"),
        "--config.train.steps=many", "a whole number or None"),
    row("commands.arguments.config_file", "a wrong path of the configuration",
        main("--config=configs/dept.py", "--workdir={at}"), "there is no file configs/dept.py", "--config=depth?"),
    row("commands.arguments.config_file", "an unknown configuration", main("--config=zzz", "--workdir={at}"),
        "there is no file zzz", "baseline, depth, finetune, instance, laptop"),
    row("configs.tiny.get_config: configs/tiny.py:", "an unknown variant",
        main("--config=configs/tiny.py:dept", "--workdir={at}"), "configs/tiny.py:dept", "the variants are depth"),
    # sizes, batches, numbers
    row("commands.train_start.check_settings: config.data.size", "a size that is not a multiple of 32",
        depth("--config.data.size=100,320"),
        "config.data.size is (100, 320)", "multiple of 32", "--config.data.size=192,640"),
    row("runtime.devices.Devices.check_batch", "a batch that the devices cannot share",
        depth("--config.train.batch_size=12"), "config.train.batch_size is 12", "8 devices", "a multiple of 8"),
    row("runtime.devices.Devices.check_batch", "a batch that its parts cannot share",
        depth("--config.train.batch_size=8", "--config.train.accumulate=2"), "config.train.accumulate=2", "of 16"),
    row("runtime.devices.Devices.__init__: config.train.devices is", "more devices than there are",
        depth("--config.train.devices=99"), "config.train.devices is 99", "this process has 8"),
    row("runtime.devices.Devices.__init__: config.train.devices must", "a part of the devices of several processes",
        devices_of_two_processes, "config.train.devices must be 0"),
    row("commands.train_start.check_settings: config.weights", "training given weights", depth("--config.weights={at}"),
        "config.weights cannot be trained", "config.model.encoder_weights"),
    row("runtime.settings.check", "no step between rows",
        depth("--config.train.log_every=0"), "config.train.log_every is 0", "at least 1"),
    row("runtime.settings.check", "fewer than no skipped steps",
        depth("--config.train.max_skipped=-1"), "config.train.max_skipped is -1", "at least 0"),
    row("commands.train_start.check_settings: config.data.clip_length", "depth from single frames",
        depth("--config.data.clip_length=1"), "config.data.clip_length is 1", "above 1"),
    row("runtime.settings.check", "no steps", depth("--config.train.steps=0"),
        "config.train.steps is 0", "None to count epochs"),
    row("runtime.settings.check", "no learning rate",
        depth("--config.train.learning_rate=0."),
        "config.train.learning_rate is 0.0", "positive"),
    row("training.balance.make", "an unknown balance", depth("--config.train.balance=equal"),
        "config.train.balance is 'equal'", "choose one of fixed"),
    # networks and tasks
    row("tasks.assemble: config.model.dtype", "an unknown arithmetic", depth("--config.model.dtype=half"),
        "config.model.dtype is 'half'", "float32, bfloat16"),
    row("models.encoder.make_encoder", "an unknown encoder", depth("--config.model.encoder=resnet101"),
        "config.model.encoder is 'resnet101'", "resnet18, resnet34, resnet50, efficientnet_lite0"),
    row("tasks.assemble: config.model.{} is", "no width", depth("--config.model.width=0."),
        "config.model.width is 0.0"),
    row("tasks.assemble: No task", "no task", depth("--config.tasks.depth=None"), "config.tasks", "depth, semantic"),
    row("tasks.assemble: Only one task", "two heads of the report",
        main("--config=configs/panoptic.py", "--workdir={at}", "--config.tasks.semantic.head=report",
             "--config.tasks.instance.head=report"), "single-channel head", "config.tasks.semantic.head"),
    row("tasks.assemble: config.camera.learn", "a camera to learn without depth",
        main("--config=configs/semantic.py", "--workdir={at}", "--config.tasks.depth=None",
             "--config.camera.learn=True"), "config.camera.learn needs depth", "config.tasks.depth"),
    row("tasks.depth.make: config.tasks.depth.motion", "an unknown motion", depth("--config.tasks.depth.motion=known"),
        "config.tasks.depth.motion is 'known'", "predicted, recorded"),
    row("tasks.depth.make: config.tasks.depth.translation_weight", "translations tied to themselves",
        depth("--config.tasks.depth.motion=recorded", "--config.tasks.depth.translation_weight=1."),
        "config.tasks.depth.translation_weight", "predicted motion only"),
    row("tasks.depth.make: config.tasks.depth.crop", "an unknown crop", depth("--config.tasks.depth.crop=eigen"),
        "config.tasks.depth.crop is 'eigen'", "'garg'"),
    row("tasks.depth.make: config.tasks.depth: nearest", "an empty range", depth("--config.tasks.depth.nearest=200."),
        "nearest 200.0", "farthest 100", "in this order"),
    row("tasks.guidance.make: config.tasks.depth.moving", "more than all",
        depth("--config.tasks.depth.moving_overlap=2."),
        "config.tasks.depth.moving_overlap is 2.0", "0 to 1"),
    row("tasks.guidance.make: config.tasks.depth.left_out", "an unknown label",
        depth("--config.tasks.depth.left_out=('skie',)"), "config.tasks.depth.left_out holds 'skie'", "mean sky"),
    row("tasks.instance.make", "an unknown head of instances", instance("--config.tasks.instance.head=mask"),
        "config.tasks.instance.head is 'mask'", "panoptic"),
    row("tasks.classes.thing_ids: config.tasks.instance.things holds", "an unknown class",
        instance("--config.tasks.instance.things=('cart',)"), "holds 'cart'", "did you mean", "car"),
    row("tasks.classes.thing_ids: config.tasks.instance.things is", "a class named twice",
        instance("--config.tasks.instance.things=('car','car')"), "config.tasks.instance.things is", "each once"),
    row("tasks.semantic.make: config.tasks.semantic.head", "an unknown head of classes",
        main("--config=configs/semantic.py", "--workdir={at}", "--config.tasks.semantic.head=mask"),
        "config.tasks.semantic.head is 'mask'", "classes"),
    row("tasks.semantic.make: config.tasks.semantic.hardest", "a share above all",
        main("--config=configs/semantic.py", "--workdir={at}", "--config.tasks.semantic.hardest=2."),
        "config.tasks.semantic.hardest is 2.0", "a share"),
    row("models.network.check_size", "an odd size of a network", lambda at: network.check_size((64, 100)),
        "multiples of 32", "64x100"),
    # the run's folder
    row("runtime.run_identity.check_or_record: {} holds a run", "a folder of a run of another model",
        lambda at: claimed(at, model=config.Model(width=0.5)), "{at}", "config.model.width (1.0 there, 0.5 here)"),
    row("runtime.run_identity.check_or_record: {} holds a run", "a folder of a run of another task",
        lambda at: claimed(at, tasks=config.Tasks(depth=config.DepthTask(motion="recorded"))),
        "{at}", "config.tasks.depth.motion (predicted there, recorded here)", "--workdir"),
    row("runtime.run_identity.check_or_record: {} holds a run", "a folder of a run on other data",
        lambda at: claimed(at, data=config.Data(stride=2)), "{at}", "config.data.stride (1 there, 2 here)"),
    row("runtime.run_identity.check_or_record: {} is not the data set", "a folder of a run on another data set",
        lambda at: claimed(at, clips=5), "{at}", "training_clips (4 there, 5 here)", "config.data.data_dir"),
    row("runtime.run_identity._saved", "a damaged record of a run", claimed_damaged, "{at}/dataset.json is damaged",
        "--workdir"),
    row("runtime.lock.only_writer: {} cannot be written", "a folder that cannot be", lock_in_a_file,
        "{at}/file/run cannot be written", "--workdir"),
    # several processes
    row("runtime.distributed.connect: {} is set", "a part of the processes' settings", lambda at: connect("x:1"),
        "JAX_COORDINATOR_ADDRESS is set, but not JAX_NUM_PROCESSES, JAX_PROCESS_ID"),
    row("runtime.distributed.connect: JAX_NUM", "a number that is none", lambda at: connect("x:1", "two", "0"),
        "JAX_NUM_PROCESSES", "whole numbers"),
    row("runtime.distributed.connect: The processes", "processes that do not answer", not_together,
        "cannot connect to each other: ", "nobody came"),
    # cameras and studies
    row("data.intrinsics.read: {}.", "no intrinsics", lambda at: intrinsics.read("wide", size=(64, 96)),
        "--intrinsics=wide is neither four numbers nor a text file"),
    row("data.intrinsics.check", "no intrinsics, before any work", lambda at: intrinsics.check("wide"),
        "--intrinsics=wide is neither four numbers nor a text file"),
    row("experiments.curves.check", "no library for curves", no_matplotlib, "matplotlib", "pip install"),
    row("experiments.table1.main: --only", "an unknown arm",
        lambda at: table1.main([f"--scale={next(iter(table1.SCALES))}", f"--out={at}", "--only=best"]),
        "--only: there is no variant 'best'", "there are"),
    row("experiments.table1.main: --seeds", "no seed",
        lambda at: table1.main([f"--scale={next(iter(table1.SCALES))}", f"--out={at}", "--seeds=0"]), "--seeds=0"),
    row("experiments.table1.check_same_study", "a folder of another study", other_study, "{at} holds a study",
        "frames", "--out"),
    row("training.initial.start_from", "weights of which nothing fits",
        lambda at: initial.start_from({"params": {}}, {"params": {}}, source="RUN"), "config.initial_weights=RUN",
        "config.model.encoder"),
    row("prediction.loading.load_perceiver: The starter", "a package without its model", without_starter,
        "The starter model is missing", "--workdir"),
    row("experiments.pieces.command_line", "a command of a study that fails",
        lambda at: pieces.command_line("tfds_kitti360.layout_absent"), "tfds_kitti360.layout_absent failed",
        "again"),
]  # fmt: skip
