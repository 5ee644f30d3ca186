"""Depth and semantic segmentation: the row "Depth + Semantics" of Table 1.

    python -m mtl_depth.main --config=configs/semantic.py --workdir=runs/semantic --config.data.data_dir=TFDS_DIR

`--config.tasks.semantic.head=report` selects the report's value map instead of classes.
Expect: depth Abs Rel 0.642 in the report (docs/references.md), 16 % worse than depth alone. Needs an accelerator; not
trained here. The weights 5.5 : 1 are the report's, tuned for its value map.
"""

from mtl_depth.config import Config, Data, DepthTask, Model, SemanticTask, Tasks


def get_config() -> Config:
    """The report's experiment: depth : segmentation = 5.5 : 1."""
    return Config(
        data=Data(train_frames=9000, eval_frames=2000),
        model=Model(encoder_weights="timm/resnet18.tv_in1k"),
        tasks=Tasks(depth=DepthTask(weight=5.5), semantic=SemanticTask(weight=1.0)),
    )
