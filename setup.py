"""Adds the folder configs/ to the wheel as mtl_depth/configs; everything else stands in pyproject.toml."""

import setuptools

setuptools.setup(
    packages=[*setuptools.find_packages(include=["mtl_depth*", "tfds_kitti360*"]), "mtl_depth.configs"],
    package_dir={"mtl_depth.configs": "configs"},
)
