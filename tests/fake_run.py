"""A run folder of a network with random weights and a data set of three frames, shared by the tests of the verbs."""

import functools
import json
import pathlib
import tempfile
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np

from mtl_depth import config as configuration
from mtl_depth.models.network import init
from mtl_depth.prediction import loading, predictor
from mtl_depth.runtime.checkpoint import Checkpoints
from mtl_depth.tasks import assemble

SIZE = (64, 96)  # of the network
STORED = (80, 120)  # of the truth
FRAMES = 3
BATCH_SIZE = 2
CAR, ROAD = 26, 7
_runs = tempfile.TemporaryDirectory(prefix="fake_runs_")  # removed when the tests end


class _Opened(str):
    """What stands for a data set: equal to "opened", with what a model card asks of it."""

    metadata = MappingProxyType({"settings": {"manual_dir": "city"}, "image_size": STORED, "size": SIZE})
    splits = MappingProxyType({"train": [(0, 0)], "val": [(1, 0)], "test": []})


class Saved(NamedTuple):
    """What a checkpoint holds, as far as inference is concerned."""

    params: Any
    batch_stats: Any


def config(*names: str) -> configuration.Config:
    """The smallest network with the named tasks."""
    made = configuration.Config(data=configuration.Data(size=SIZE), model=configuration.Model(width=0.125))
    sections = {
        "depth": configuration.DepthTask(),
        "semantic": configuration.SemanticTask(),
        "instance": configuration.InstanceTask(things=("person", "car")),
    }
    made.tasks = configuration.Tasks(**{name: sections[name] for name in names})
    made.evaluation.batch_size = BATCH_SIZE
    return made


@functools.cache
def folder(*names: str) -> pathlib.Path:
    """A run folder with one checkpoint; made once a session."""
    path = pathlib.Path(_runs.name, "_".join(names))
    path.mkdir()
    made = config(*names)
    network, _ = assemble(made.model, made.tasks)
    shapes = jax.eval_shape(functools.partial(init, network, size=SIZE), jax.random.key(0))
    variables = jax.tree_util.tree_map_with_path(draw, dict(shapes))
    (path / "config.json").write_text(json.dumps(configuration.to_dict(made)))
    checkpoints = Checkpoints(path / "checkpoints", keep=1)
    checkpoints.save(7, Saved(variables["params"], variables["batch_stats"]))
    checkpoints.close()
    return path


def draw(path: Any, leaf: Any) -> np.ndarray:
    """Random weights without compiling an initialiser: identity normalisation, kernels that keep the variance."""
    if path[-1].key in ("scale", "var"):
        return np.ones(leaf.shape, leaf.dtype)
    generator = np.random.default_rng(len(str(path)))
    return (generator.normal(size=leaf.shape) / max(np.prod(leaf.shape[:-1]), 1) ** 0.5).astype(leaf.dtype)


@functools.cache
def perceiver(*names: str) -> predictor.Perceiver:
    """The restored network of `folder`, compiled once a session."""
    return loading.load_perceiver(folder(*names))


def frame(index: int) -> dict[str, np.ndarray]:
    """One evaluation frame: road below, sky above, a car in the middle."""
    generator = np.random.default_rng(index)
    height = STORED[0]
    semantic = np.zeros(STORED, np.uint8)
    semantic[height // 2 :] = ROAD
    semantic[30:60, 40:80] = CAR
    depth = generator.uniform(3, 60, STORED).astype(np.float32)
    depth[: height // 2] = 0
    return {
        "image": generator.integers(0, 256, (1, *SIZE, 3), np.uint8),
        "intrinsics": np.eye(3, dtype=np.float32),
        "semantic": semantic,
        "instance": np.where(semantic == CAR, CAR * 1000 + 1, semantic.astype(np.int32) * 1000).astype(np.int32),
        "confidence": np.ones(STORED, np.float32),
        "depth": depth,
        "drive": np.int32(0),
        "frame": np.int32(index),
    }


def install(monkeypatch, *, splits=("train", "val")) -> None:
    """Puts the three frames in the place of a built data set."""

    def frames(dataset, data, *, split, reads):
        total = FRAMES if split in splits and reads else 0
        return min(total, data.eval_frames) if data.eval_frames else total

    def evaluation_batches(dataset, data, *, split, reads, batch_size, images=True, process_index=0, process_count=1):
        assert dataset == "opened"
        total = frames(dataset, data, split=split, reads=reads)
        keys = {"intrinsics", "drive", "frame"} | set(reads) | ({"image"} if images else set())
        for start in range(0, total, batch_size):
            rows = [frame(index) for index in range(start, min(start + batch_size, total))]
            yield {key: np.stack([row[key] for row in rows]) for key in keys}

    monkeypatch.setattr("mtl_depth.data.open_dataset", lambda data: _Opened("opened"))
    monkeypatch.setattr("mtl_depth.data.frames", frames)
    monkeypatch.setattr("mtl_depth.data.evaluation_batches", evaluation_batches)
    monkeypatch.setattr("mtl_depth.data.pair_batches", lambda *arguments, **options: iter(()))  # no two neighbours
