"""Depth and instance segmentation: the row "Depth + Instance" of Table 1.

    python -m mtl_depth.main --config=configs/instance.py --workdir=runs/instance --config.data.data_dir=TFDS_DIR

`--config.tasks.instance.head=report` selects the report's value map instead of centres, offsets and thing classes.
Expect: depth Abs Rel 0.459 in the report (docs/references.md), 17 % better than depth alone. Needs an accelerator; not
trained here. The weights 5.5 : 1 are the report's, tuned for its value map.
"""

from mtl_depth.config import Config, Data, DepthTask, InstanceTask, Model, Tasks


def get_config() -> Config:
    """The report's experiment: depth : segmentation = 5.5 : 1. Semantic images are not read."""
    return Config(
        data=Data(train_frames=9000, eval_frames=2000),
        model=Model(encoder_weights="timm/resnet18.tv_in1k"),
        tasks=Tasks(depth=DepthTask(weight=5.5), instance=InstanceTask(weight=1.0)),
    )
