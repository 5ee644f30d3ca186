"""All tasks in one network: depth, semantics, instances.

    python -m mtl_depth.main --config=configs/panoptic.py --workdir=runs/panoptic --config.data.data_dir=TFDS_DIR

Expect: no row of the report to compare with; `python -m mtl_depth.table` prints the run next to the others. Needs an
accelerator; not trained here.
"""

from mtl_depth.config import Config, Data, DepthTask, InstanceTask, Model, SemanticTask, Tasks


def get_config() -> Config:
    """The frames and the weights of the report's experiments, with both segmentations."""
    return Config(
        data=Data(train_frames=9000, eval_frames=2000),
        model=Model(encoder_weights="timm/resnet18.tv_in1k"),
        tasks=Tasks(depth=DepthTask(weight=5.5), semantic=SemanticTask(weight=1.0), instance=InstanceTask(weight=1.0)),
    )
