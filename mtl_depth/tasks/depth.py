"""Self-supervised depth as a task: neighbouring frames are warped into the target and compared with it.

The method of Monodepth2 (Godard et al., "Digging Into Self-Supervised Monocular Depth Estimation", ICCV 2019).
"""

import functools
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mtl_depth import config
from mtl_depth.errors import UserError
from mtl_depth.geometry.camera import depth_from_disparity, scale_focal
from mtl_depth.geometry.warp import inverse_warp
from mtl_depth.losses.photometric import depth_terms
from mtl_depth.media import visualize
from mtl_depth.metrics import depth as metrics
from mtl_depth.metrics.points import Points, bilinear_at, measured_points, scale_ratios
from mtl_depth.models.heads import DisparityHead
from mtl_depth.tasks import depth_health
from mtl_depth.tasks import guidance as guidances
from mtl_depth.tasks.base import (
    Array,
    Arrays,
    Batch,
    Images,
    Metrics,
    Outputs,
    Predictions,
    Sections,
    Sums,
    Task,
    Terms,
)

MOTIONS = ("predicted", "recorded")
# nearest, farthest and initial depth: up to scale when only predicted motion ties the frames; in metres where something
# else does. There a street fills a hundredth of the usual range of the sigmoid and an unset bias would start at 2 m.
UP_TO_SCALE, METRIC = (0.1, 100.0, None), (1.0, 200.0, 10.0)
PUBLISHED_START = 0.2  # depth at disparity 1/2 of the published range, where the published translations start from


def make(section: config.DepthTask, *, width: float, dtype: Any) -> Task:
    """Builds the depth task.

    Raises:
        UserError: a setting has an invalid value, or the range of depth is empty.
    """
    if section.motion not in MOTIONS:
        raise UserError(f"config.tasks.depth.motion is {section.motion!r}; choose one of {', '.join(MOTIONS)}.")
    if section.translation_weight < 0 or (section.translation_weight and section.motion == "recorded"):
        raise UserError("config.tasks.depth.translation_weight has to be 0 or more, and is for predicted motion only.")
    if section.crop not in ("", "garg"):
        raise UserError(f"config.tasks.depth.crop is {section.crop!r}; choose 'garg' or leave it empty.")
    recorded = section.motion == "recorded"
    nearest, farthest, initial = depth_range(section)
    if not 0 < nearest < farthest or (initial is not None and not nearest < initial < farthest):
        raise UserError(
            f"config.tasks.depth: nearest {nearest}, initial_depth {initial} and farthest {farthest} "
            "must be positive and in this order."
        )
    guidance = guidances.make(section)
    translation_unit = 1.0 if initial is None else initial / PUBLISHED_START
    initial_disparity = None if initial is None else (1 / initial - 1 / farthest) / (1 / nearest - 1 / farthest)
    limits = {"nearest": nearest, "farthest": farthest}
    further = frozenset({"source_from_target"}) if recorded or section.translation_weight else frozenset()
    further |= {"image_right"} if section.stereo else set()
    further |= {"depth"} if section.scan_weight else set()

    def motion(outputs: Outputs, batch: Batch) -> Array:
        return batch["source_from_target"] if recorded else outputs["source_from_target"]

    def zoomed(outputs: Outputs, batch: Batch) -> Batch:
        """The batch with the learned intrinsics, if they are learned."""
        return {**batch, "intrinsics": scale_focal(batch["intrinsics"], outputs.get("focal_scale", 1.0))}

    def loss(keys: Array, outputs: Outputs, batch: Batch) -> Terms:
        batch, (target, sources) = zoomed(outputs, batch), split_clip(batch["image"])
        source_from_target, disparities = motion(outputs, batch), outputs["disparity"]
        scale = camera_scale(batch["intrinsics"], target.shape[2], section.canonical_focal)
        depth = scaled(depth_from_disparity(disparities[0], **limits), scale)
        valid = guidance.valid(batch, depth, source_from_target)
        if section.stereo:
            sources = jnp.concatenate([sources, batch["image_right"][:, None]], axis=1)
            source_from_target = jnp.concatenate([source_from_target, batch["right_from_target"]], axis=1)
        photometric, smoothness, _ = depth_terms(
            disparities, target, sources, source_from_target, batch["intrinsics"], key=keys,
            depth_scale=scale, valid=valid, classes=guidance.classes(batch), **limits,
        )  # fmt: skip
        samples = jnp.float32(target.shape[0])
        terms = {
            "depth/photometric": (section.weight * photometric.mean(0).sum(), samples),
            "depth/smoothness": (section.weight * smoothness.mean(0).sum(), samples),
        }
        if section.translation_weight:
            errors = translation_error(outputs["source_from_target"], batch["source_from_target"])
            weight = section.weight * section.translation_weight
            terms["depth/translation"] = (weight * errors.mean(axis=1).sum(), samples)
        if section.scan_weight:
            total, count = scan_error(depth, batch["depth"])
            terms["depth/scan"] = (section.weight * section.scan_weight * total, count)
        return terms

    @jax.jit
    def explain(outputs: Outputs, batch: Batch) -> tuple[Array, Array]:
        target, sources = split_clip(batch["image"])
        source_from_target, disparities = motion(outputs, batch), outputs["disparity"]
        intrinsics = zoomed(outputs, batch)["intrinsics"]
        scale = camera_scale(intrinsics, target.shape[2], section.canonical_focal)
        _, _, selected = depth_terms(
            disparities, target, sources, source_from_target, intrinsics, depth_scale=scale, key=None, **limits
        )
        depth = scaled(depth_from_disparity(disparities[0], **limits), scale)
        warped, _ = inverse_warp(sources[:, 0], depth, source_from_target[:, 0], intrinsics)
        return warped, selected[0]

    def pictures(outputs: Outputs, batch: Batch) -> Images:
        shown = {"depth": np.stack([visualize.depth_picture(depth) for depth in outputs["depth"]])}
        if "depth" in batch:
            shown["depth_truth"] = np.stack([visualize.depth_picture(depth) for depth in batch["depth"]])
        if batch["image"].shape[1] > 1:
            keys = ("image", "intrinsics", "source_from_target")
            warped, selected = explain(
                {key: outputs[key] for key in ("disparity", "source_from_target", "focal_scale") if key in outputs},
                {key: batch[key] for key in keys if key in batch},
            )
            shown["warped"] = visualize.to_uint8(np.asarray(warped))
            shown["mask"] = np.repeat(np.asarray(selected)[..., None], 3, axis=-1).astype(np.uint8) * 255
        return shown

    return Task(
        name="depth",
        reads=guidance.reads | further,
        head=DisparityHead(width=width, dtype=dtype, initial_disparity=initial_disparity),
        predicts_motion=not recorded,
        loss=loss,
        decode=lambda outputs: {"depth": depth_from_disparity(outputs["disparity"][0], **limits)},
        metrics=_metrics(limits, section.crop or None),
        pictures=pictures,
        health=depth_health.make(**limits, predicts_motion=not recorded),
        translation_unit=translation_unit,
        for_camera=functools.partial(for_camera, canonical_focal=section.canonical_focal),
    )


def depth_range(section: config.DepthTask) -> tuple[float, float, float | None]:
    """Nearest, farthest and initial depth of the head: those of the section, or else the defaults."""
    usual = METRIC if is_metric(section) else UP_TO_SCALE
    chosen = (section.nearest, section.farthest, section.initial_depth)
    return tuple(given if given is not None else other for given, other in zip(chosen, usual))


def is_metric(section: config.DepthTask) -> bool:
    """Whether depth is in metres: by recorded motion, the stereo baseline, or the length of the translations."""
    return section.motion == "recorded" or section.stereo or section.translation_weight > 0


def camera_scale(intrinsics: Array, width: int, canonical_focal: float | None) -> Array | None:
    """The factor on the depth that the network predicts for the canonical camera, [b]; None without such a camera.

    For the same picture, depth is proportional to fx / width (Yin et al., Metric3D, ICCV 2023, section 3.1).
    """
    return None if canonical_focal is None else intrinsics[:, 0, 0] / width / canonical_focal


def scaled(depth: Array, scale: Array | None) -> Array:
    """Depth [b h w] times `scale` [b]; None: unchanged."""
    return depth if scale is None else depth * scale[:, None, None]


def for_camera(predictions: Predictions, focal: Array, *, canonical_focal: float | None) -> Predictions:
    """`depth` scaled for cameras with `focal` = fx / width [b], and `depth_scale` [b], the factor."""
    if canonical_focal is None or "depth" not in predictions:
        return {}
    scale = focal / canonical_focal
    return {"depth": scaled(predictions["depth"], scale), "depth_scale": scale}


def scan_error(depth: Array, truth: Array) -> tuple[Array, Array]:
    """The sum of |log depth - log truth| over the pixels [b h w] with a laser return (truth > 0), and their number."""
    known = truth > 0
    errors = jnp.abs(jnp.log(depth) - jnp.log(jnp.where(known, truth, 1)))
    return jnp.where(known, errors, 0).sum(), known.sum().astype(jnp.float32)


def translation_error(predicted: Array, recorded: Array) -> Array:
    """| |t| - |t*| |, metres, of predicted and recorded transforms [b s 4 4] -> [b s].

    Only the length is compared, which fixes the scale (Guizilini et al., PackNet, CVPR 2020, section 3.2); the
    photometric loss determines the direction more precisely than GPS. The gradient is finite without motion.
    """
    squared = (predicted[..., :3, 3] ** 2).sum(axis=-1)
    length = jnp.where(squared > 0, jnp.sqrt(jnp.where(squared > 0, squared, 1)), 0)
    return jnp.abs(length - jnp.linalg.norm(recorded[..., :3, 3], axis=-1))


def split_clip(clip: Array) -> tuple[Array, Array]:
    """Clip [b t h w 3] -> target [b h w 3] and sources [b s h w 3] in temporal order."""
    middle = clip.shape[1] // 2
    return clip[:, middle], jnp.concatenate([clip[:, :middle], clip[:, middle + 1 :]], axis=1)


def _metrics(limits: dict[str, float], crop: str | None) -> Metrics:
    """Scores with and without median scaling, and those of trivial predictors: a constant and the mean depth image."""

    def study(batches: Iterable[Batch]) -> dict[str, Any]:
        return metrics.trivial_depths(depth for batch in batches for depth in batch["depth"])

    @functools.partial(jax.jit, static_argnames="size")
    def score(disparity: Array, scale: Array | None, points: Points, trivial: Arrays, *, size: tuple[int, int]) -> Sums:
        ours = depth_from_disparity(bilinear_at(disparity, points.place, size=size), **limits)
        ours = ours if scale is None else ours * scale[:, None]
        ratios = scale_ratios(points.depth, ours)
        candidates = {"median_scaled": ours * ratios[:, None], "unscaled": ours}
        for (
            name,
            values,
        ) in trivial.items():  # median-scaled, which favours them: even a constant gets the frame's scale
            values = jnp.broadcast_to(values, ours.shape)
            candidates[name] = values * scale_ratios(points.depth, values)[:, None]
        sums = {}
        for name, values in candidates.items():
            errors, known = metrics.point_errors(points.depth, values)
            sums[name] = {"total": errors.sum(axis=0), "count": known.sum()}
        return sums | {"scale": {"ratios": list(ratios)}}

    def measure(predictions: Predictions, batch: Batch, studied: dict[str, Any]) -> Sums:
        disparity, truth = predictions["disparity"][0], batch["depth"]
        points = measured_points(truth, frames=len(disparity), crop=crop)
        trivial = {}
        if studied["constant"] is not None:
            trivial["constant"] = np.float32(studied["constant"])
            if studied["mean_image"].shape == truth.shape[1:]:
                trivial["mean_image"] = studied["mean_image"].ravel()[points.place].astype(np.float32)
        sums = score(disparity, predictions.get("depth_scale"), points, trivial, size=truth.shape[1:])
        known = np.flatnonzero(points.depth.any(axis=1))
        return sums | {"scale": {"ratios": [sums["scale"]["ratios"][index] for index in known]}}

    def summarise(sums: Sums) -> Sections:
        means = {name: metrics.mean_errors(entry) for name, entry in sums.items() if name != "scale"}
        means["scale"] = metrics.summarise_ratios([float(ratio) for ratio in sums["scale"]["ratios"]])
        found = {name: errors for name, errors in means.items() if errors}
        return {"depth": found} if found else {}

    return Metrics(
        reads=frozenset({"depth"}), studies=frozenset({"depth"}), study=study, measure=measure, summarise=summarise
    )
