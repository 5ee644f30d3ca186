"""A step that is kept is run again as it was, in one piece or in parts, and the first number not finite is named."""

import jax
import numpy as np
import pytest

from mtl_depth import config as configuration
from mtl_depth.commands import replay
from mtl_depth.runtime import replay_file
from mtl_depth.training.assembly import assemble_run


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 2])
def test_first_number_that_is_not_finite(parts, tmp_path, capsys):
    config = configuration.Config(
        data=configuration.Data(size=(64, 64), clip_length=1), model=configuration.Model(width=0.125),
        tasks=configuration.Tasks(semantic=configuration.SemanticTask()),
        train=configuration.Train(batch_size=2, accumulate=parts, augment=False),
    )  # fmt: skip
    state = jax.jit(assemble_run(config).create)(jax.random.key(0))
    batch = {
        "image": np.zeros((2, 1, 64, 64, 3), np.uint8),
        "intrinsics": np.tile(np.eye(3, dtype=np.float32), (2, 1, 1)),
        "semantic": np.full((2, 64, 64), 7, np.uint8),
        "confidence": np.stack([np.ones((64, 64), np.float32), np.full((64, 64), np.nan, np.float32)]),
        "drive": np.array([3, 4]),
        "frame": np.array([120, 7]),
    }
    replay_file.write(tmp_path / "replay_1.npz", state, batch, settings=configuration.to_dict(config))
    assert replay.run(tmp_path, None) == "batch confidence"
    printed = capsys.readouterr().out
    assert "step 1, clips drive_0003/0000000120, drive_0004/0000000007" in printed
    assert "loss semantic/cross_entropy" in printed and "gradient norm head_semantic" in printed
