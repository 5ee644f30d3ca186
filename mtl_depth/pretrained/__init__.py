"""Converts published weights to Flax variables and back: encoders of torchvision, timm and pip, and Monodepth2."""

from mtl_depth.pretrained.encoder import initialise_encoder, load_encoder, load_resnet
from mtl_depth.pretrained.hub import ResolvedWeights, resolve_weights
from mtl_depth.pretrained.monodepth2 import (
    Monodepth2Settings,
    export_monodepth2,
    load_monodepth2,
    read_monodepth2_settings,
)

__all__ = [
    "Monodepth2Settings",
    "ResolvedWeights",
    "export_monodepth2",
    "initialise_encoder",
    "load_encoder",
    "load_monodepth2",
    "load_resnet",
    "read_monodepth2_settings",
    "resolve_weights",
]
