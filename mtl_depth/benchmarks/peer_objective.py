"""The depth objective of Godard et al. (ICCV 2019) in PyTorch: channels first, nothing computed twice.

Benchmarks compare the speed of our step with it, and tests use it as an independent reference in float64.
"""

from typing import NamedTuple

import torch
from torch.nn import functional as F

NEAREST, FARTHEST = 0.1, 100


class Image(NamedTuple):
    """An image n 3 h w with the moments of its 3x3 windows, reflected at the rim."""

    colours: torch.Tensor
    padded: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor


def with_moments(colours):
    """The image with its windows' mean and variance."""
    padded = F.pad(colours, (1, 1, 1, 1), "reflect")
    mean = F.avg_pool2d(padded, 3, 1)
    return Image(colours, padded, mean, F.avg_pool2d(padded**2, 3, 1) - mean**2)


def photometric(a, b):
    """Error of every pixel of two images with moments, averaged over the channels."""
    product = a.mean * b.mean
    covariance = F.avg_pool2d(a.padded * b.padded, 3, 1) - product
    top = (2 * product + 0.01**2) * (2 * covariance + 0.03**2)
    similarity = top / ((a.mean**2 + b.mean**2 + 0.01**2) * (a.variance + b.variance + 0.03**2))
    return 0.85 * ((1 - similarity) / 2).clamp(0, 1).mean(1) + 0.15 * (a.colours - b.colours).abs().mean(1)


def rays(matrix, height, width):
    """K^-1 (x, y, 1) of every pixel, b 3 h*w, for intrinsics b 3 3."""
    rows, columns = torch.meshgrid(
        torch.arange(height, dtype=matrix.dtype, device=matrix.device),
        torch.arange(width, dtype=matrix.dtype, device=matrix.device),
        indexing="ij",
    )
    grid = torch.stack([columns, rows, torch.ones_like(rows)]).reshape(3, -1)
    return torch.linalg.inv(matrix) @ grid


def warp(source, depth, projection, ray):
    """The source seen from the target, border colours beyond it; `projection` is K [R|t], b 3 4."""
    height, width = source.shape[-2:]
    pixels = (projection[:, :, :3] @ ray) * depth.flatten(1)[:, None] + projection[:, :, 3:]
    pixels = pixels[:, :2] / (pixels[:, 2:] + 1e-7)
    last = torch.tensor([width - 1, height - 1], dtype=pixels.dtype, device=pixels.device)
    where = (2 * pixels / last[:, None] - 1).reshape(-1, 2, height, width).permute(0, 2, 3, 1)
    return F.grid_sample(source, where, padding_mode="border", align_corners=True)


def per_scale(disparities, motions, target, sources, matrix, noise=None):
    """Term of every scale, whose mean is the loss, and where a reprojection won.

    Images are b (s) 3 h w, motions b s 4 4, `matrix` the intrinsics b 3 3 or 3 3 of all; `noise` b s h w is added to
    the errors of the sources as they are. All in the type of the images.
    """
    height, width = target.shape[-2:]
    matrix = matrix.expand(len(target), 3, 3)
    ray, projections = rays(matrix, height, width), [matrix @ motion[:, :3] for motion in motions.unbind(1)]
    terms, masks, image = [], [], target
    target, sources = with_moments(target), sources.unbind(1)
    with torch.no_grad():
        unmoved = torch.stack([photometric(with_moments(source), target) for source in sources], 1)
        unmoved = (unmoved if noise is None else unmoved + noise).amin(1)
    for scale, disparity in enumerate(disparities):
        full = F.interpolate(disparity[:, None], (height, width), mode="bilinear", align_corners=False)[:, 0]
        depth = 1 / (1 / FARTHEST + (1 / NEAREST - 1 / FARTHEST) * full)
        warped = [warp(source, depth, projection, ray) for source, projection in zip(sources, projections, strict=True)]
        least, winner = torch.stack([unmoved, *(photometric(with_moments(w), target) for w in warped)], 1).min(1)
        masks.append(winner > 0)
        relative = disparity / (disparity.mean((1, 2), keepdim=True) + 1e-7)
        across = relative.diff(dim=2).abs() * torch.exp(-image.diff(dim=3).abs().mean(1))
        down = relative.diff(dim=1).abs() * torch.exp(-image.diff(dim=2).abs().mean(1))
        terms.append(least.mean() + 1e-3 / 2**scale * (across.mean() + down.mean()))
        image = F.avg_pool2d(image, 2)
    return torch.stack(terms), torch.stack(masks)
