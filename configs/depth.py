"""Depth alone, learned from video: the row "Depth" of Table 1.

    python -m mtl_depth.main --config=configs/depth.py --workdir=runs/depth --config.data.data_dir=TFDS_DIR

Expect: Abs Rel 0.555 in the report (docs/references.md), which does not state whether it is median-scaled; Monodepth2
reaches 0.115 on KITTI. Needs an accelerator; not trained here.
"""

from mtl_depth.config import Config, Data, DepthTask, Model, Tasks


def get_config() -> Config:
    """The report's experiment: 9,000 training frames, 2,000 evaluation frames, 20 epochs."""
    return Config(
        data=Data(train_frames=9000, eval_frames=2000),
        model=Model(encoder_weights="timm/resnet18.tv_in1k"),
        tasks=Tasks(depth=DepthTask(weight=1.0)),
    )
