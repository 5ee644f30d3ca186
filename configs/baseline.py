"""Published weights, not trained here: the row "Baseline (Monodepth2, KITTI)" of Table 1.

    python -m mtl_depth.main --config=configs/baseline.py --config.weights=MONODEPTH2_FOLDER --mode=evaluate \
        --workdir=runs/baseline --config.data.data_dir=TFDS_DIR

MONODEPTH2_FOLDER contains encoder.pth and depth.pth, which determine the size of the pictures and the range of depth.
Expect: Abs Rel 0.525 in the report (docs/references.md), which does not state whether it is median-scaled.
"""

from mtl_depth.config import Config, Data, DepthTask, Tasks


def get_config() -> Config:
    """The evaluation frames of the report; `config.weights` has to be given."""
    return Config(data=Data(train_frames=9000, eval_frames=2000), tasks=Tasks(depth=DepthTask()))
