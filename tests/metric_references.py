"""Metrics of one picture in plain NumPy, straight from their definitions, that the program's are compared with."""

import numpy as np

from mtl_depth.metrics.overlap import Overlaps


def depth_errors(truth, prediction):
    """The seven errors of positive values in float64, neither scaled nor clipped."""
    error, factor = prediction - truth, np.maximum(truth / prediction, prediction / truth)
    return {
        "abs_rel": np.mean(np.abs(error) / truth),
        "sq_rel": np.mean(error**2 / truth),
        "rmse": np.sqrt(np.mean(error**2)),
        "rmse_log": np.sqrt(np.mean((np.log(truth) - np.log(prediction)) ** 2)),
        **{f"delta_{power}": np.mean(factor < 1.25**power) for power in (1, 2, 3)},
    }


def confusion(truth, predicted, weight, *, classes):
    """Sums of weight [classes, classes + 1] by true class and predicted class; the last column is of any other."""
    columns = np.where((predicted >= 0) & (predicted < classes), predicted, classes)
    matrix = np.zeros((classes, classes + 1))
    for row in range(classes):
        for column in range(classes + 1):
            matrix[row, column] = weight[(truth == row) & (columns == column)].sum()
    return matrix


def mask_overlaps(truth, masks, weight, void):
    """Overlaps with predictions that may cover each other, as in a benchmark submission."""
    truths = np.array([value for value in np.unique(truth) if value > 0], int)
    table = np.array([[(weight * (truth == value) * mask).sum() for mask in masks] for value in truths])
    return Overlaps(
        truths, np.arange(len(masks)), np.array([weight[truth == value].sum() for value in truths]),
        np.array([weight[mask].sum() for mask in masks]), table.reshape(len(truths), len(masks)),
        np.array([weight[mask & void].sum() for mask in masks]),
    )  # fmt: skip
