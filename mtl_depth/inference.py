"""Loads a trained network for prediction: `load_perceiver("RUN").depth("street.png")`."""

from mtl_depth.prediction.loading import load_perceiver
from mtl_depth.prediction.predictor import Perceiver

__all__ = ["Perceiver", "load_perceiver"]
