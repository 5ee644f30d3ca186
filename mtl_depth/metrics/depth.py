"""Errors of predicted depth: one image at a time, then averaged over the images.

Plain numpy in float64. Depths are z in metres; ground truth is 0 where nothing was measured.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Array, Bool, Real

NAMES = ("abs_rel", "sq_rel", "rmse", "rmse_log", "delta_1", "delta_2", "delta_3")

# Garg et al., "Unsupervised CNN for single view depth estimation" (2016): top, bottom, left, right.
_GARG = (0.40810811, 0.99189189, 0.03594771, 0.96405229)


def depth_errors(
    gt: Real[Array | np.ndarray, "h w"],
    prediction: Real[Array | np.ndarray, "h w"],
    *,
    median_scaling: bool,
    nearest: float | int = 1e-3,
    farthest: float | int = 80.0,
    crop: str | None = None,
) -> dict[str, float] | None:
    """Errors of a predicted depth map, over the pixels where nearest < gt < farthest.

    Args:
      gt: measured depth, metres; anything outside the range counts as not measured.
      prediction: predicted depth at the same size.
      median_scaling: multiply the prediction by median(gt) / median(prediction) first, for models without a scale.
      nearest: lower limit of valid depth; the (scaled) prediction is clipped to the limits.
      farthest: upper limit.
      crop: "garg" for the customary central crop of KITTI, or None.

    Returns:
      abs_rel, sq_rel, rmse, rmse_log and the shares delta_1, delta_2, delta_3 of pixels within a factor of 1.25,
      1.25^2, 1.25^3; None if no pixel is valid.
    """
    gt, prediction = np.asarray(gt, np.float64), np.asarray(prediction, np.float64)
    if gt.shape != prediction.shape:
        raise ValueError(f"ground truth is {gt.shape}, the prediction {prediction.shape}: resize the prediction first")
    valid = (gt > nearest) & (gt < farthest) & crop_mask(gt.shape, crop)
    gt, prediction = gt[valid], prediction[valid]
    if not gt.size:
        return None
    if median_scaling:
        prediction = prediction * (np.median(gt) / np.median(prediction))
    prediction = np.clip(prediction, nearest, farthest)

    return {name: float(value) for name, value in value_errors(gt, prediction).items()}


def summarise_ratios(ratios: Sequence[float]) -> dict[str, float]:
    """The median over frames, and the spread, half the width of the central 68 %; {} without frames."""
    if not len(ratios):
        return {}
    low, middle, high = np.percentile(ratios, (16, 50, 84))
    return {"median": float(middle), "spread": float(high - low) / 2}


def correlation(gt: Real[np.ndarray, "n"], prediction: Real[np.ndarray, "n"]) -> float:
    """Pearson's correlation of the logarithms of two depths; 0 where one of them is constant."""
    gt, prediction = np.log(np.asarray(gt, np.float64)), np.log(np.asarray(prediction, np.float64))
    spread = gt.std() * prediction.std()
    return float(np.mean((gt - gt.mean()) * (prediction - prediction.mean())) / spread) if spread else 0.0


def value_errors(gt: Real[np.ndarray, "n"], prediction: Real[np.ndarray, "n"]) -> dict[str, Any]:
    """The seven errors of positive values, neither scaled nor clipped."""
    error = prediction - gt
    factor = np.maximum(gt / prediction, prediction / gt)
    return {
        "abs_rel": np.mean(np.abs(error) / gt),
        "sq_rel": np.mean(error**2 / gt),
        "rmse": np.sqrt(np.mean(error**2)),
        "rmse_log": np.sqrt(np.mean((np.log(gt) - np.log(prediction)) ** 2)),
        "delta_1": np.mean(factor < 1.25),
        "delta_2": np.mean(factor < 1.25**2),
        "delta_3": np.mean(factor < 1.25**3),
    }


def frame_sums(errors: Mapping[str, float] | None) -> dict[str, np.ndarray]:
    """One frame's errors as (total, count), which merge by addition; None (no valid pixel) has a count of 0."""
    if errors is None:
        return {"total": np.zeros(len(NAMES)), "count": np.zeros((), np.int64)}
    return {"total": np.array([errors[name] for name in NAMES], np.float64), "count": np.ones((), np.int64)}


def mean_errors(sums: Mapping[str, Any]) -> dict[str, float]:
    """The mean over the frames that have valid pixels, from merged sums; {} if none has."""
    if not sums["count"]:
        return {}
    return dict(zip(NAMES, (sums["total"] / sums["count"]).tolist()))


def trivial_depths(
    depths: Iterable[Real[np.ndarray, "h w"]], *, nearest: float | int = 1e-3, farthest: float | int = 80.0
) -> dict[str, Any]:
    """Predictions that do not depend on the input, from the depth maps of the training images, all of one size.

    Returns:
      `constant`: the mean of all valid depths, metres. `mean_image` [h w]: the mean of each pixel's valid depths; a
      pixel that was never measured takes the value of the nearest pixel that was. Both None without any valid depth.
    """
    total, count = 0.0, np.zeros((), np.int64)
    for depth in depths:
        valid = (depth > nearest) & (depth < farthest)
        total, count = total + np.where(valid, depth, 0).astype(np.float64), count + valid
    if not count.any():
        return {"constant": None, "mean_image": None}
    image = _fill_from_nearest(total / np.maximum(count, 1), count > 0)
    return {"constant": float(np.sum(total) / np.sum(count)), "mean_image": image}


def crop_mask(shape: tuple[int, int], crop: str | None) -> Bool[np.ndarray, "h w"]:
    """True inside the crop, everywhere without one."""
    mask = np.ones(shape, bool)
    if crop is None:
        return mask
    if crop != "garg":
        raise ValueError(f"crop is {crop!r}, not None or 'garg'")
    height, width = shape
    top, bottom, left, right = _GARG
    inside = np.zeros(shape, bool)
    inside[int(top * height) : int(bottom * height), int(left * width) : int(right * width)] = True
    return inside


def _fill_from_nearest(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    from scipy import ndimage  # only needed here, and not on machines that only train

    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return values[tuple(nearest)]
