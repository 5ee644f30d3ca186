"""The depth objective of SPEC 3 in PyTorch, written from its formulas: channels first, loops over everything."""

import torch
from torch.nn import functional as F

NEAREST, FARTHEST = 0.1, 100


def photometric(a, b):
    """Error of every pixel, averaged over the channels."""
    a_, b_ = F.pad(a, (1, 1, 1, 1), "reflect"), F.pad(b, (1, 1, 1, 1), "reflect")
    mean = lambda x: F.avg_pool2d(x, 3, 1)  # noqa: E731
    variance = mean(a_**2) - mean(a_) ** 2 + mean(b_**2) - mean(b_) ** 2
    covariance = mean(a_ * b_) - mean(a_) * mean(b_)
    top = (2 * mean(a_) * mean(b_) + 0.01**2) * (2 * covariance + 0.03**2)
    similarity = top / ((mean(a_) ** 2 + mean(b_) ** 2 + 0.01**2) * (variance + 0.03**2))
    return 0.85 * ((1 - similarity) / 2).clamp(0, 1).mean(1) + 0.15 * (a - b).abs().mean(1)


def warp(source, depth, motion, matrix):
    """The source seen from the target; border colours beyond it."""
    height, width = source.shape[-2:]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    grid = torch.stack([columns, rows, torch.ones_like(rows)], -1).double()
    points = depth[..., None] * (grid @ torch.linalg.inv(matrix).T)
    moved = torch.einsum("bij,bhwj->bhwi", motion[:, :3, :3], points) + motion[:, None, None, :3, 3]
    pixels = moved @ matrix.T
    pixels = pixels[..., :2] / (pixels[..., 2:] + 1e-7)
    where = 2 * pixels / torch.tensor([width - 1, height - 1]) - 1
    return F.grid_sample(source, where, padding_mode="border", align_corners=True)


def per_scale(disparities, motions, target, sources, matrix, noise=None):
    """Term of every scale, whose mean is the loss, and where a reprojection won.

    Images are b (s) 3 h w in float64, motions b s 4 4, `matrix` the 3x3 intrinsics of all of them; `noise` b s h w is
    added to the errors of the sources as they are.
    """
    terms, masks, image = [], [], target
    unmoved = [photometric(source, target) for source in sources.unbind(1)]
    if noise is not None:
        unmoved = [error + own for error, own in zip(unmoved, noise.unbind(1), strict=True)]
    for scale, disparity in enumerate(disparities):
        full = F.interpolate(disparity[:, None], target.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
        depth = 1 / (1 / FARTHEST + (1 / NEAREST - 1 / FARTHEST) * full)
        pairs = zip(sources.unbind(1), motions.unbind(1), strict=True)
        moved = [photometric(warp(source, depth, motion, matrix), target) for source, motion in pairs]
        least, winner = torch.stack([*unmoved, *moved], 1).min(1)
        masks.append(winner >= len(unmoved))
        relative = disparity / (disparity.mean((1, 2), keepdim=True) + 1e-7)
        across = relative.diff(dim=2).abs() * torch.exp(-image.diff(dim=3).abs().mean(1))
        down = relative.diff(dim=1).abs() * torch.exp(-image.diff(dim=2).abs().mean(1))
        terms.append(least.mean() + 1e-3 / 2**scale * (across.mean() + down.mean()))
        image = F.avg_pool2d(image, 2)
    return torch.stack(terms), torch.stack(masks)
