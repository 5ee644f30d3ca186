"""A synthetic city in the official KITTI-360 layout: `python -m tfds_kitti360.city --help`."""
