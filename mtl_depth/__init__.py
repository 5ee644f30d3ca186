"""Self-supervised monocular depth and segmentation from driving video, in JAX/Flax, for KITTI-360."""
