"""Small variants for two CPU cores: `configs/tiny.py:depth`, `:semantic`, `:instance`, `:panoptic`.

    python -m mtl_depth.main --config=configs/tiny.py:instance --workdir=runs/tiny --config.data.data_dir=TFDS_DIR

Pictures of 96x320 (height x width), half of the channels, batches of 4, 1,000 steps: 10 minutes of CPU time for depth.
They warp with the **recorded** motion of the data set, so depth is in metres; `--config.tasks.depth.motion=predicted`
learns the motion too, with which depth collapses at first and then recovers. Expect: a much lower error than that of a
constant depth.
"""

import pathlib
import runpy

from mtl_depth.config import Config
from mtl_depth.errors import UserError

VARIANTS = ("depth", "semantic", "instance", "panoptic")


def get_config(variant: str = "instance") -> Config:
    """The named variant with smaller pictures, channels, batches and steps, and all frames of the data set."""
    if variant not in VARIANTS:
        raise UserError(f"configs/tiny.py:{variant} does not exist; the variants are {', '.join(VARIANTS)}")
    config = runpy.run_path(str(pathlib.Path(__file__).with_name(f"{variant}.py")))["get_config"]()
    config.data.size = (96, 320)
    config.data.train_frames = 0
    config.data.eval_frames = 0
    config.model.width = 0.5
    config.model.encoder_weights = ""  # there are none for half of the channels
    config.tasks.depth.motion = "recorded"
    if config.tasks.instance is not None:
        config.tasks.instance.offset_weight *= 1408 / 320  # given for pixels of the full picture, 1408 wide
    config.train.steps = 1000
    config.train.learning_rate = 5e-4  # a small network takes larger steps
    config.train.batch_size = 4
    config.train.log_every = 10
    config.train.picture_every = 100
    config.train.checkpoint_every = 100
    return config
