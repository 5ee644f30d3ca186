"""Reads KITTI-360, independently of mtl_depth. Importing the builder module registers the data set."""
