"""The training step and inference in PyTorch: the computation of ours, in the best form PyTorch offers on the device.

Channels last, autocast, fused Adam, folded normalisation, identity errors once; `compiled` adds torch.compile.
"""

import numpy
import torch

from mtl_depth.benchmarks import peer_efficientnet, peer_networks, peer_objective
from mtl_depth.benchmarks.peer_networks import Monodepth2

LEARNING_RATE = 1e-4


def device():
    """Where PyTorch computes: the first GPU if it has one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def make_step(batch, *, encoder, width, decoder_width, dtype, augmented, compiled):
    """A function that trains one step on `batch` (arrays `image` b t h w 3 uint8, `intrinsics` b 3 3), gives the loss.

    Args:
        batch: our step's.
        encoder: name of the encoders.
        width: factor on their channels.
        decoder_width: factor on the depth decoder's; None: the same.
        dtype: "float32" or "bfloat16" (autocast in the networks; geometry and losses stay float32).
        augmented: whether pictures are flipped and their colours changed, as our step does.
        compiled: whether torch.compile makes one program of the forward pass, and of the backward pass.
    """
    place = device()
    model = Monodepth2(encoder, width, decoder_width=decoder_width).to(place, memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)  # classifiers get no gradient
    images = torch.tensor(numpy.asarray(batch["image"])).permute(0, 1, 4, 2, 3).to(place)
    matrix = torch.tensor(numpy.asarray(batch["intrinsics"])).to(place)

    def objective(clean, seen, intrinsics, noise):
        return loss(model, clean, seen, intrinsics, noise, dtype=dtype)

    if compiled:
        objective = torch.compile(objective)

    def step():
        optimizer.zero_grad(set_to_none=True)
        clean = images.float() / 255
        clean, seen, intrinsics = augment(clean, matrix) if augmented else (clean, clean, matrix)
        noise = 1e-5 * torch.randn(len(clean), clean.shape[1] - 1, *clean.shape[-2:], device=place)
        value, _ = objective(clean, seen, intrinsics, noise)
        value.backward()
        optimizer.step()
        synchronize()
        return value.item()

    return step


def loss(model, clean, seen, intrinsics, noise, *, dtype="float32"):
    """The loss of clips b t 3 h w, `seen` by the networks and compared in `clean`, and where a reprojection won."""
    target = clean.shape[1] // 2
    frames = [frame.contiguous(memory_format=torch.channels_last) for frame in seen.unbind(1)]
    with torch.autocast(clean.device.type, dtype=torch.bfloat16, enabled=dtype == "bfloat16"):
        disparities, vectors = model.perceive(frames[target]), model.motions(frames)
    motions = peer_networks.source_from_target([vector.to(clean.dtype) for vector in vectors])
    sources = torch.cat([clean[:, :target], clean[:, target + 1 :]], 1)
    disparities = [disparity.to(clean.dtype) for disparity in disparities]
    terms, won = peer_objective.per_scale(disparities, motions, clean[:, target], sources, intrinsics, noise)
    return terms.mean(), won


def make_inference(images, *, encoder, width, decoder_width, dtype, compiled):
    """A function that answers disparities and the depth of `images` b h w 3 in [0, 1]; the arguments of `make_step`."""
    place = device()
    model = Monodepth2(encoder, width, decoder_width=decoder_width).eval()
    for part in (model.encoder, model.pose_encoder):
        fold_normalisation(part)
    model = model.to(place, memory_format=torch.channels_last)
    if dtype == "bfloat16":
        model = model.to(torch.bfloat16)
    images = torch.tensor(numpy.asarray(images)).permute(0, 3, 1, 2).to(place)

    def perceive(image):
        image = image.contiguous(memory_format=torch.channels_last)
        disparities = [d.float() for d in model.perceive(image.to(next(model.parameters()).dtype))]
        nearest, farthest = peer_objective.NEAREST, peer_objective.FARTHEST
        return disparities, 1 / (1 / farthest + (1 / nearest - 1 / farthest) * disparities[0])

    chosen = torch.compile(perceive) if compiled else perceive

    def infer():
        with torch.inference_mode():
            answer = chosen(images)
        synchronize()
        return answer

    return infer


def fold_normalisation(network):
    """Merges every BatchNorm of an encoder in evaluation mode into the convolution before it."""
    fuse = torch.nn.utils.fuse_conv_bn_eval
    for module in network.modules():
        if isinstance(module, (peer_efficientnet.EfficientNetLite, peer_efficientnet.Block)):
            for convolution, norm in module.pairs():
                setattr(module, convolution, fuse(getattr(module, convolution), getattr(module, norm)))
                setattr(module, norm, torch.nn.Identity())
    if isinstance(network, peer_efficientnet.EfficientNetLite):
        return
    network.conv1, network.bn1 = fuse(network.conv1, network.bn1), torch.nn.Identity()
    for block in (module for module in network.modules() if isinstance(module, peer_networks.Residual)):
        for n in range(1, block.convolutions + 1):
            setattr(block, f"conv{n}", fuse(getattr(block, f"conv{n}"), getattr(block, f"bn{n}")))
            setattr(block, f"bn{n}", torch.nn.Identity())
        if block.downsample is not None:
            block.downsample = torch.nn.Sequential(fuse(*block.downsample))


def augment(clips, intrinsics):
    """(clean, seen by the networks, intrinsics): half of the clips mirrored, half with other colours."""
    flip = torch.rand(len(clips), device=clips.device) < 0.5
    clean = torch.where(flip[:, None, None, None, None], clips.flip(-1), clips)
    mirrored = intrinsics.clone()
    mirrored[:, 0, 2] = clips.shape[-1] - 1 - intrinsics[:, 0, 2]
    intrinsics = torch.where(flip[:, None, None], mirrored, intrinsics)
    seen, chosen = clean.clone(), torch.rand(len(clips)) < 0.5
    for place in chosen.nonzero()[:, 0].tolist():  # only these: PyTorch may
        seen[place] = jitter(clean[place], *(torch.rand(4) * 2 - 1).tolist())
    return clean, seen, intrinsics


def jitter(images, brightness, contrast, saturation, hue):
    """Images t 3 h w with changed colours, by numbers in [-1, 1]."""
    weights = torch.tensor([0.2989, 0.587, 0.114], device=images.device)[:, None, None]
    images = ((1 + 0.2 * brightness) * images).clamp(0, 1)
    grey = (weights * images).sum(1, keepdim=True).mean((2, 3), keepdim=True)
    images = torch.lerp(grey, images, 1 + 0.2 * contrast).clamp(0, 1)
    images = torch.lerp((weights * images).sum(1, keepdim=True), images, 1 + 0.2 * saturation).clamp(0, 1)
    red, green, blue = images.unbind(1)
    value, least = images.amax(1), images.amin(1)
    chroma = value - least
    divisor = torch.where(chroma == 0, 1, chroma)
    sixths = torch.where(
        value == red,
        (green - blue) / divisor,
        torch.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    k = torch.remainder(torch.tensor([5, 3, 1], device=images.device)[:, None, None] + sixths[:, None] + 0.6 * hue, 6)
    return (value[:, None] - chroma[:, None] * torch.minimum(k, 4 - k).clamp(0, 1)).clamp(0, 1)


def synchronize():
    """Waits until the device has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def memory():
    """Most bytes that PyTorch held on its GPU; None on a CPU."""
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
