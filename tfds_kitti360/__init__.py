"""Reads KITTI-360; knows nothing of mtl_depth. Importing its builder module registers the data set."""
