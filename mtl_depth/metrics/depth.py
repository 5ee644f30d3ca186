"""Errors of predicted depth: of each image, then averaged over the images.

Depths are z in metres; ground truth is 0 where nothing was measured.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Real

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
    errors, _ = point_errors(gt[None], prediction[None], nearest=nearest, farthest=farthest)
    return dict(zip(NAMES, errors[0].tolist()))


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


def point_errors(
    truth: Float[Array | np.ndarray, "b n"],
    prediction: Float[Array | np.ndarray, "b n"],
    *,
    nearest: float | int = 1e-3,
    farthest: float | int = 80.0,
) -> tuple[Float[Array | np.ndarray, "b 7"], Bool[Array | np.ndarray, "b"]]:
    """The errors of frames at their measured pixels, in the order of `NAMES`, in NumPy or jax as they are given.

    Args:
      truth: metres, 0 where there is none.
      prediction: at the same places, scaled already if it is to be.
      nearest: lower limit that the prediction is clipped to.
      farthest: upper limit.

    Returns:
      The errors, 0 for a frame without any truth, and which frames have some.
    """
    xp = jnp if isinstance(truth, jax.Array) else np
    known = truth > 0
    count = known.sum(axis=1)
    prediction = xp.where(known, xp.clip(prediction, nearest, farthest), 1)
    truth = xp.where(known, truth, 1)
    error, logarithm = prediction - truth, xp.log(truth) - xp.log(prediction)
    factor = xp.maximum(truth / prediction, prediction / truth)

    def mean(values: Any) -> Any:
        return xp.where(known, values, 0).sum(axis=1) / xp.maximum(count, 1)

    errors = [mean(abs(error) / truth), mean(error**2 / truth), *(xp.sqrt(mean(x**2)) for x in (error, logarithm))]
    errors += [mean(factor < 1.25**power) for power in (1, 2, 3)]
    return xp.stack(errors, axis=1), count > 0


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
