"""The configuration of a run's own config.json, or of the starter model, as a file that --config can name."""

from mtl_depth.config import Config, DepthTask, Tasks
from mtl_depth.runtime.run_folder import load_config


def get_config(folder: str | None = None) -> Config:
    """The run's configuration; without a folder one whose weights are the packaged starter model."""
    if folder is None:
        return Config(tasks=Tasks(depth=DepthTask()), weights="starter")
    return load_config(folder)
