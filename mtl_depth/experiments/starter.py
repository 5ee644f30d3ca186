"""`python -m mtl_depth.experiments.starter --out=DIR`: trains a model like the one that is part of the package.

Draws cities (each with another camera, each street in another light), trains depth with recorded motion, semantics and
instances together, starting from an encoder with ImageNet weights, scores a street that was not trained on, and writes
DIR/model.safetensors and its model card. The same command resumes an interrupted one, also in the middle of training.
"""

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from mtl_depth import data, inference
from mtl_depth.commands import export, train
from mtl_depth.config import Config, Data, DepthTask, InstanceTask, Model, SemanticTask, Tasks, Train
from mtl_depth.errors import UserError
from mtl_depth.evaluation import evaluator, model_card
from mtl_depth.experiments.pieces import Deadline, Stopped, command_line, make_city
from mtl_depth.runtime import log

NAME = "model.safetensors"


class Recipe(NamedTuple):
    """The settings of the starter model.

    Attributes:
        seeds: of the cities, each with its own camera; the last street of each is not trained on, and that of the first
            city is the validation street.
        drives: streets per city.
        frames: frames drawn per street.
        drawn: height and width of the drawn pictures and of the stored ones.
        size: height and width of the networks' input.
        steps: training steps.
        batch_size: clips per step.
    """

    seeds: tuple[int, ...] = tuple(range(200, 212))
    drives: int = 5
    frames: int = 40
    drawn: tuple[int, int] = (128, 416)
    size: tuple[int, int] = (96, 320)
    steps: int = 3000
    batch_size: int = 4


def run(recipe: Recipe, out: pathlib.Path, *, kitti360: pathlib.Path | None, minutes: float | None) -> bool:
    """Does the remaining work, until the minutes are over.

    Args:
        recipe: the settings.
        out: folder of all results; finished parts in it are kept.
        kitti360: root of a KITTI-360 download whose frames are scored too, but not trained on.
        minutes: time after which to stop, with everything saved; None: no limit.

    Returns:
        Whether the model is finished.
    """
    out = out.resolve()
    with Deadline(minutes) as deadline:
        try:
            folders = [
                make_city(
                    out, seed, deadline, drives=recipe.drives, frames=recipe.frames, drawn=recipe.drawn,
                    stored=recipe.drawn, options=["--variety=1"],
                )
                for seed in recipe.seeds
            ]  # fmt: skip
            config = configuration(recipe, folders)
            deadline.check()
            train.run(config, out / "run")
            if not (out / "run" / "evaluation.json").exists():
                raise Stopped
        except Stopped:
            log.say("Stopped, everything is saved; run the same command again to resume.")
            return False
    perceiver = inference.load_perceiver(out / "run")
    if kitti360 is not None:
        log.write_json(out / "kitti360.json", score_kitti360(perceiver, kitti360, out, recipe.drawn))
    export.write_safetensors(perceiver, out, half=True)
    dataset = data.open_dataset(dataclasses.replace(config.data, data_dir=str(folders[0])))
    model_card.write(out / "run", metadata=dataset.metadata, splits=dataset.splits)
    log.say(f"written: {out / NAME} ({(out / NAME).stat().st_size / 1e6:.1f} MB)")
    return True


def configuration(recipe: Recipe, folders: Sequence[pathlib.Path]) -> Config:
    """The configuration: a low learning rate for the pretrained encoder, and strong augmentation."""
    return Config(
        data=Data(data_dir=",".join(map(str, folders)), size=recipe.size),
        model=Model(
            encoder="efficientnet_lite0", encoder_weights="imagenet", decoder_width=0.5, freeze_statistics=True
        ),
        tasks=Tasks(
            depth=DepthTask(weight=5.5, motion="recorded", canonical_focal=0.5, scan_weight=0.2),
            semantic=SemanticTask(),
            instance=InstanceTask(offset_weight=0.01 * 1408 / recipe.size[1]),  # given for pictures 1408 wide
        ),
        train=Train(
            steps=recipe.steps, batch_size=recipe.batch_size, learning_rate=5e-4, warmup_steps=recipe.steps // 20,
            encoder_multiplier=0.1, zoom=1.5, exposure=0.7, checkpoint_every=250, picture_every=0,
        ),
    )  # fmt: skip


def score_kitti360(
    perceiver: inference.Perceiver, root: pathlib.Path, out: pathlib.Path, size: tuple[int, int]
) -> dict[str, Any]:
    """Depth errors over all frames of `root` that have a scan, of any split, because none was trained on."""
    built = out / "kitti360_tfds"
    if not built.exists():
        command_line(
            "tfds_kitti360.build",
            f"--manual_dir={root.resolve()}",
            f"--data_dir={built}",
            f"--size={size[0]}x{size[1]}",
        )
    section = dataclasses.replace(perceiver.config.data, data_dir=str(built), train_frames=0, eval_frames=0)
    dataset = data.open_dataset(section)
    depth = [task for task in perceiver.tasks if task.name == "depth"]
    studied = evaluator.study(depth, dataset, section)
    scored = [
        evaluator.measure(perceiver.answer, depth, dataset, section, split=split, batch_size=8, studied=studied)
        for split in evaluator.SPLITS
        if data.frames(dataset, section, split=split, reads=frozenset({"depth"}))
    ]
    frames = sum(one["frames"] for one in scored)
    kinds = ("median_scaled", "unscaled", "constant", "mean_image")
    means = {
        kind: {
            name: sum(one["depth"][kind][name] * one["frames"] for one in scored) / frames
            for name in scored[0]["depth"][kind]
        }
        for kind in kinds
        if all(kind in one["depth"] for one in scored)
    }
    return {"frames": frames, "depth": means, "scale": [one["depth"]["scale"] for one in scored]}


def main(argv: Sequence[str]) -> int:
    """The command; returns the exit status: 0, 2 for a user's mistake, 3 if the time was over before the end."""
    parser = argparse.ArgumentParser(
        prog="python -m mtl_depth.experiments.starter",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/starter"), help="folder (out/starter)")
    parser.add_argument("--minutes", type=float, help="stop after this many minutes, with everything saved")
    parser.add_argument("--steps", type=int, default=Recipe().steps, help=f"training steps ({Recipe().steps})")
    parser.add_argument("--kitti360", type=pathlib.Path, help="KITTI-360 download whose frames with scans are scored")
    options = parser.parse_args(argv)
    try:
        recipe = Recipe(steps=options.steps)
        done = run(recipe, options.out, kitti360=options.kitti360, minutes=options.minutes)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0 if done else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
