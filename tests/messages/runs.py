"""Mistakes around a run: what it left behind, scoring it, looking through it and handing it on."""

import contextlib
import dataclasses
import json
import pathlib
import shutil
import types

import fake_run
import jax
import jax.numpy as jnp
import numpy as np
from messages.rows import Row, main, row, saved, written

from mtl_depth.commands import evaluate, evaluate_folder, train_report
from mtl_depth.evaluation import evaluator
from mtl_depth.prediction import loading
from mtl_depth.runtime import checkpoint, disk, lock, log, replay_file, run_folder, run_identity
from mtl_depth.training import monitor
from mtl_depth.training.state import TrainState


def run_at(at, *names):
    """A copy of a run."""
    shutil.copytree(fake_run.folder(*names), at / "run")
    return at / "run"


def evaluating_no_split(at, patch):
    fake_run.install(patch)
    config = fake_run.config("depth")
    config.evaluation.split = "vall"
    evaluate.run(config, run_at(at, "depth"))


def evaluating_weights(at):
    config = fake_run.config("depth")
    config.weights = "published"
    evaluate.run(config, run_at(at, "depth"))


def evaluating_program(at, patch):
    program = dataclasses.replace(fake_run.perceiver("depth"), network=None, variables=None, program=dict)
    patch.setattr("mtl_depth.inference.load_perceiver", lambda path, **_: program)
    evaluate.run(fake_run.config("depth"), at)


def evaluating_other_head(at):
    run_at(at, "semantic")
    asked = "--config.tasks.semantic.head=report"
    return main("--config=configs/semantic.py", "--workdir={at}/run", "--mode=evaluate", asked)(at)


def other_head(at):
    """A run whose configuration is that of another network."""
    folder = run_at(at, "semantic")
    saved = json.loads((folder / "config.json").read_text())
    saved["tasks"]["semantic"]["head"] = "report"
    (folder / "config.json").write_text(json.dumps(saved))
    return main("--config=configs/semantic.py", "--workdir={at}/run", "--mode=evaluate")(at)


def choosing(step):
    def provoke(at):
        loading.load_perceiver(run_at(at, "depth"), checkpoint=step)

    return provoke


def damaged_checkpoint(at):
    folder = run_at(at, "depth")
    file = next(file for file in (folder / "checkpoints/7/state").rglob("*") if file.is_file())
    file.write_bytes(b"")
    loading.load_perceiver(folder)


def closed_checkpoint(at, patch):
    folder = run_at(at, "depth")

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    patch.setattr(pathlib.Path, "read_bytes", refuse)
    loading.load_perceiver(folder)


def unwritable_checkpoint(at):
    checkpoints = checkpoint.Checkpoints(at / "checkpoints", keep=1)
    written(at / "checkpoints/5.part")
    try:
        checkpoints.save(5, fake_run.Saved({"a": np.zeros(2)}, {}))
        checkpoints.wait()
    finally:
        checkpoints._background.shutdown()


def full_disk(at):
    with disk.reporting_full_disk(at):
        raise OSError(28, "No space left on device", str(at / "metrics.jsonl"))


def file_for_folder(at):
    run_at(at, "depth")
    written(at / "out")
    return main("--config=configs/depth.py", "--workdir={at}/run", "--mode=export", "--format=safetensors",
                "--output={at}/out")(at)  # fmt: skip


def replayed(content):
    def provoke(at):
        path = written(at / "replay_5.npz", content)
        return main("--config=configs/depth.py", "--mode=replay", f"--input={path}")(at)

    return provoke


def replay_of_another_network(at):
    replay_file.write(at / "replay_5.npz", {"a": np.zeros(1)}, {"image": np.zeros(1)}, settings={})
    replay_file.read(at / "replay_5.npz", {"b": np.zeros(1)})


def scored(truth, *, pictures=("a.png",), **options):
    """Scores the user's own pictures; `truth` holds files by name."""

    def provoke(at, patch):
        for name in pictures:
            saved(at / "in" / name, np.zeros((64, 96, 3), np.uint8))
        for name, content in truth.items():
            saved(at / "truth" / name, content)
        run_names = options.get("tasks", ("depth",))
        patch.setattr("mtl_depth.inference.load_perceiver", lambda path, **_: told(fake_run.config(*run_names)))
        evaluate_folder.run(fake_run.config("depth"), at / "run", input=options.get("input", str(at / "in")),
                            truth=at / "truth", scale=options.get("scale", 256.0))  # fmt: skip

    return provoke


def told(config):
    """A perceiver that says two metres everywhere."""
    return types.SimpleNamespace(
        config=config, size=fake_run.SIZE, metric=True, canonical_focal=None, focal_scale=1.0,
        perceive_padded=lambda images, **_: {"depth": np.full((len(images), *fake_run.SIZE), 2.0, np.float32)},
    )  # fmt: skip


def measuring(split):
    def provoke(at, patch):
        fake_run.install(patch)
        data = dataclasses.replace(fake_run.config("depth").data, data_dir=str(at))
        evaluator.measure(dict, fake_run.perceiver("depth").tasks, "opened", data, split=split, batch_size=1)

    return provoke


def broken_down(at):
    state = TrainState(jnp.int32(5), {"a": jnp.ones(2)}, {}, (), jax.random.key(0), jnp.int32(3), jnp.int32(3))
    broken = monitor.Broken(5, {"frame": np.zeros(1, np.int32)}, 3)
    checkpoints = checkpoint.Checkpoints(at / "checkpoints", keep=1)
    report = object.__new__(train_report.Report)
    report._config, report._workdir, report._checkpoints, report._writes = (
        fake_run.config("depth"),
        at,
        checkpoints,
        True,
    )
    with contextlib.closing(checkpoints), contextlib.closing(log.Log(at, step=0)) as report.board:
        report.leave_evidence(state, broken)


def removed_workdir(at):
    with lock.only_writer(at / "run") as held:
        shutil.rmtree(at / "run")
        held.check()


def a_link_to_itself(at):
    (at / "config.json").symlink_to("config.json")
    run_folder.load_config(at)


def config_of_another_version(at):
    written(at / "config.json", '{"data": {"colour": 1}}')
    run_identity._settings(at, {})


ROWS: list[Row] = [
    row("commands.train_report.Report.leave_evidence", "losses that are not finite", broken_down,
        "Step 5", "3 times in a row", "--mode=replay --input={at}/replay_5.npz", "config.train.clip_norm"),
    row("runtime.lock.Held.check", "a run's folder removed while it trains", removed_workdir,
        "{at}/run was removed or replaced", "start the training again"),
    row("runtime.run_folder._load: {} cannot be read", "a configuration that is a circle of links", a_link_to_itself,
        "{at}/config.json cannot be read", "--workdir"),
    row("runtime.run_identity._settings", "a run of another version to continue", config_of_another_version,
        "{at}/config.json does not fit this version", "--workdir"),
    # what a run left behind
    row("prediction.loading.load_perceiver: {} does not exist", "a run that is not there",
        main("--config=configs/depth.py", "--workdir={at}/run", "--mode=evaluate"), "{at}/run does not exist"),
    row("prediction.loading.load_perceiver: {} holds neither", "a folder of something else",
        main("--config=configs/depth.py", "--workdir={at}", "--mode=evaluate"), "{at} holds neither config.json"),
    row("runtime.run_folder._load: {} holds no", "a folder without a run", lambda at: run_folder.load_evaluation(at),
        "{at} holds no evaluation.json", "--mode=evaluate --workdir={at}"),
    row("runtime.run_folder._load: {} is damaged", "a damaged configuration of a run",
        lambda at: run_folder.load_config(written(at / "config.json", "{").parent), "{at}/config.json is damaged",
        "--workdir"),
    row("runtime.run_folder.load_config", "a configuration of another version",
        lambda at: run_folder.load_config(written(at / "config.json", '{"data": {"colour": 1}}').parent),
        "{at}/config.json does not fit this version"),
    row("runtime.run_folder.load_evaluation", "an evaluation that is none",
        lambda at: run_folder.load_evaluation(written(at / "evaluation.json", "{}").parent),
        "{at}/evaluation.json is damaged", "--mode=evaluate"),
    row("runtime.checkpoint.restore_variables: {} does not exist", "a run that has not begun",
        lambda at: checkpoint.restore_variables(at / "checkpoints", {}), "{at}/checkpoints does not exist",
        "--workdir"),
    row("runtime.checkpoint.restore_variables: {} holds no finished", "a run without a checkpoint",
        lambda at: checkpoint.restore_variables(at, {}), "{at} holds no finished checkpoint", "train first"),
    row("runtime.checkpoint.restore_variables: {} has no evaluated", "the best of none", choosing("best"),
        "{at}/run/checkpoints has no evaluated checkpoint", "config.train.evaluate_every"),
    row("runtime.checkpoint.restore_variables: {} has no checkpoint", "a step that is not there", choosing("4"),
        "{at}/run/checkpoints has no checkpoint '4'", "latest, best and 7"),
    row("runtime.manifest._fault", "a checkpoint that may not be read", closed_checkpoint,
        "checkpoints/7/manifest.json cannot be read (Permission denied)", "may be whole"),
    row("runtime.checkpoint.restore_variables: The checkpoint", "a damaged checkpoint", damaged_checkpoint,
        "The checkpoint {at}/run/checkpoints/7 is damaged", "train again"),
    row("runtime.checkpoint._restore", "a checkpoint of another head than config.json says", other_head,
        "{at}/run/checkpoints/7 is damaged, or of another network"),
    row("runtime.checkpoint.Checkpoints._unwritable", "a checkpoint that cannot be written", unwritable_checkpoint,
        "The checkpoint of step 5 cannot be written below {at}/checkpoints", "Free space"),
    row("runtime.disk.reporting_full_disk", "a full disk", full_disk, "{at}/metrics.jsonl cannot be written",
        "No space"),
    row("runtime.disk.reporting_refusals", "a file where a folder belongs", file_for_folder,
        "{at}/out cannot be used (File exists)", "another path"),
    row("runtime.replay_file._read: {} cannot", "a step to replay that is not there",
        main("--config=configs/depth.py", "--mode=replay", "--input={at}/replay_5.npz"),
        "{at}/replay_5.npz cannot be read", "replay_<step>.npz"),
    row("runtime.replay_file._read: {} is not a complete", "half a step to replay", replayed(b"PK"),
        "{at}/replay_5.npz is not a complete"),
    row("runtime.replay_file.read", "a step of another network", replay_of_another_network,
        "{at}/replay_5.npz has no state/b", "another version"),
    row("commands.replay._newest", "nothing to replay", main("--config=configs/depth.py", "--workdir={at}",
        "--mode=replay"),
        "{at} holds no replay_<step>.npz", "--input"),
    # scoring on the data set
    row("commands.evaluate.run: {} was trained with", "evaluation of a run with another head",
        evaluating_other_head,
        "{at}/run was trained with config.tasks.semantic.head='classes', not 'report'", "--workdir"),
    row("commands.evaluate.run: {} already holds a training", "weights scored into a run", evaluating_weights,
        "{at}/run already holds a training run", "--config.weights"),
    row("commands.evaluate.run: {} is an exported", "scoring an export", evaluating_program,
        "{at} is an exported program",
        "--truth"),
    row("evaluation.evaluator.check_split", "an unknown split", evaluating_no_split,
        "config.evaluation.split is 'vall'", "train, val, test"),
    row("evaluation.evaluator.measure", "a split without truth", measuring("test"), "The split test of {at}",
        "--config.evaluation.split"),
    # scoring on the user's own pictures
    row("commands.evaluate_folder.run: --truth=FOLDER", "truth without pictures", scored({}, input=""),
        "--input=FOLDER"),
    row("commands.evaluate_folder.run: --truth_scale", "a scale of nothing", scored({}, scale=0.0), "--truth_scale=0",
        "256"),
    row("commands.evaluate_folder._find_truth: --truth={} is not", "a wrong path of the truth", scored({}),
        "--truth={at}/truth is not a folder"),
    row("commands.evaluate_folder._find_truth: --truth={} holds", "a folder without truth", scored({"a.txt": b""}),
        "--truth={at}/truth holds no depth maps", ".png or .npy"),
    row("commands.evaluate_folder.run: No depth map", "truth of other pictures", scored({"b.npy": np.ones((2, 2))}),
        "No depth map in {at}/truth has the name of a picture in {at}/in", "picture is a", "depth map b"),
    row("commands.evaluate_folder.run: {} has no depth", "depth of a run without it",
        scored({"a.npy": np.ones((2, 2))}, tasks=("semantic",)), "{at}/run has no depth task"),
    row("commands.evaluate_folder.run: No truth", "truth in another unit", scored({"a.npy": np.full((2, 2), 999.0)}),
        "No truth in {at}/truth", "--truth_scale=256"),
    row("commands.evaluate_folder._numbers: {} cannot", "damaged truth", scored({"a.npy": b"no array"}),
        "{at}/truth/a.npy cannot be read"),
    row("commands.evaluate_folder._numbers: {} {};", "truth of 8 bits", scored({"a.png": np.ones((2, 2), np.uint8)}),
        "{at}/truth/a.png has uint8 pixels", "16 bits"),
    row("commands.evaluate_folder.read_truth: {} has the shape", "truth in colours", scored({"a.npy": np.ones((2, 2,
        3))}),
        "{at}/truth/a.npy has the shape (2, 2, 3)", "one number per pixel"),
    row("commands.evaluate_folder.read_truth: {} has no value", "truth along a backward axis",
        scored({"a.npy": np.full((2, 2), -3.0)}), "{at}/truth/a.npy has no value above 0", "positive"),
    row("commands.evaluate_folder.read_truth: {} holds one value", "a mask as truth",
        scored({"a.npy": np.eye(2)}), "{at}/truth/a.npy holds one value besides 0, 1", "--truth_scale"),
    row("commands.evaluate_folder.check_shape", "truth of a part of the picture", scored({"a.npy": np.ones((2, 9))}),
        "{at}/truth/a.npy is 2x9 and its picture 64x96", "truth of the whole picture"),
    row("commands.evaluate_folder._the_only", "two truths of one picture",
        scored({"a.npy": np.ones((2, 2)), "a_depth.npy": np.ones((2, 2))}),
        "{at}/truth/a.npy and a_depth.npy are both truth of the picture a", "--truth"),
]  # fmt: skip
