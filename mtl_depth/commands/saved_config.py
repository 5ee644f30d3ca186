"""A configuration file for --config that returns the configuration of a run's config.json, or of the starter model."""

from mtl_depth.config import Config, DepthTask, Tasks
from mtl_depth.runtime.run_folder import load_config


def get_config(folder: str | None = None) -> Config:
    """The configuration of the run; without a folder, that of the packaged starter model."""
    if folder is None:
        return Config(tasks=Tasks(depth=DepthTask()), weights="starter")
    return load_config(folder)
