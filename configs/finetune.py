"""Adapts the starter model to your own video in minutes: depth alone, with predicted motion.

    python -m tfds_kitti360.build --video=VIDEO --data_dir=TFDS_DIR
    python -m mtl_depth.main --config=configs/finetune.py --workdir=runs/own --config.data.data_dir=TFDS_DIR

The networks are those of the starter, whose depth is in metres; low learning rates of encoder and depth keep the scale
while the new pose network learns. Expect: 300 steps of 4 clips of 96x320 in eleven minutes on two CPU cores.
"""

from mtl_depth.config import Config, Data, DepthTask, Model, Tasks, Train


def get_config() -> Config:
    """The starter's networks; only the pose network is trained from scratch."""
    return Config(
        data=Data(size=(96, 320)),
        model=Model(encoder="efficientnet_lite0", decoder_width=0.5, freeze_statistics=True),
        tasks=Tasks(depth=DepthTask(motion="predicted", learning_rate_multiplier=0.04)),
        train=Train(
            steps=300,
            batch_size=4,
            learning_rate=5e-4,
            encoder_multiplier=0.01,
            log_every=10,
            picture_every=100,
            checkpoint_every=100,
        ),
        initial_weights="starter",
    )
