"""The networks of Godard et al. (ICCV 2019) in PyTorch, with the parameter names of Monodepth2's weight files.

Benchmarks compare our speed with them, and tests use them as an independent reference.
"""

import numpy
import torch
from torch.nn import functional as F

from mtl_depth.benchmarks.peer_efficientnet import EfficientNetLite

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


def scaled(channels, width):
    return max(4, round(channels * width))


class Residual(torch.nn.Module):
    """A basic block, or a bottleneck with its stride on the 3x3 convolution."""

    def __init__(self, inputs, inner, outputs, stride, bottleneck):
        super().__init__()
        plan = [(inner, 3, stride), (outputs, 3, 1)]
        if bottleneck:
            plan = [(inner, 1, 1), (inner, 3, stride), (outputs, 1, 1)]
        self.convolutions = len(plan)
        channels = inputs
        for n, (features, size, step) in enumerate(plan, start=1):
            convolution = torch.nn.Conv2d(channels, features, size, step, padding=size // 2, bias=False)
            setattr(self, f"conv{n}", convolution)
            setattr(self, f"bn{n}", torch.nn.BatchNorm2d(features))
            channels = features
        self.downsample = None
        if stride != 1 or inputs != outputs:
            shortcut = torch.nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = torch.nn.Sequential(shortcut, torch.nn.BatchNorm2d(outputs))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        for n in range(1, self.convolutions + 1):
            x = getattr(self, f"bn{n}")(getattr(self, f"conv{n}")(x))
            x = torch.relu(x + shortcut if n == self.convolutions else x)
        return x


class ResNet(torch.nn.Module):
    """Five features of an image (or several, stacked along the channels); `fc` is only there for strict loads."""

    def __init__(self, depth=18, width=1.0, images=1):
        super().__init__()
        expansion = 4 if depth == 50 else 1
        stem = scaled(64, width)
        self.conv1 = torch.nn.Conv2d(3 * images, stem, 7, 2, padding=3, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(stem)
        self.channels = [stem, *(scaled(c * expansion, width) for c in (64, 128, 256, 512))]
        for stage in (1, 2, 3, 4):
            inner, outputs = scaled(32 * 2**stage, width), self.channels[stage]
            blocks = [
                Residual(
                    self.channels[stage - 1] if n == 0 else outputs,
                    inner,
                    outputs,
                    2 if stage > 1 and n == 0 else 1,
                    depth == 50,
                )
                for n in range(BLOCKS[depth][stage - 1])
            ]
            setattr(self, f"layer{stage}", torch.nn.Sequential(*blocks))
        self.fc = torch.nn.Linear(self.channels[-1], 1000)

    def forward(self, image):
        x = torch.relu(self.bn1(self.conv1((image - 0.45) / 0.225)))
        features = [x]
        x = F.max_pool2d(x, 3, 2, padding=1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            features.append(x)
        return features


def make_encoder(name, width=1.0, images=1):
    """The encoder of that name in our table."""
    if name.startswith("resnet"):
        return ResNet(int(name.removeprefix("resnet")), width, images)
    return EfficientNetLite(name, width, images)


class Named(torch.nn.Module):
    """A module under a name, as the published state dicts nest them."""

    def __init__(self, name, module):
        super().__init__()
        setattr(self, name, module)


class DepthDecoder(torch.nn.Module):
    """Ten convolutions of the U-Net, then the four of the disparities."""

    def __init__(self, encoder_channels, width=1.0):
        super().__init__()
        widths = [scaled(c, width) for c in (16, 32, 64, 128, 256)]
        convolutions = []
        below = encoder_channels[-1]
        for level in (4, 3, 2, 1, 0):
            skip = encoder_channels[level - 1] if level else 0
            convolutions += [self.reflected(below, widths[level]), self.reflected(widths[level] + skip, widths[level])]
            below = widths[level]
        disparities = [Named("conv", self.reflected(widths[scale], 1)) for scale in range(4)]
        self.decoder = torch.nn.ModuleList([*(Named("conv", Named("conv", c)) for c in convolutions), *disparities])

    @staticmethod
    def reflected(inputs, outputs):
        return torch.nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")

    def forward(self, features):
        x = features[-1]
        disparities = {}
        for n, level in enumerate((4, 3, 2, 1, 0)):
            x = F.elu(self.decoder[2 * n].conv.conv(x))
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            if level:
                x = torch.cat([x, features[level - 1]], dim=1)
            x = F.elu(self.decoder[2 * n + 1].conv.conv(x))
            if level < 4:
                disparities[level] = torch.sigmoid(self.decoder[10 + level].conv(x))[:, 0]
        return [disparities[scale] for scale in range(4)]


class PoseDecoder(torch.nn.Module):
    """Deepest features of a pair to rotation vector and translation."""

    def __init__(self, inputs, width=1.0):
        super().__init__()
        inner = scaled(256, width)
        self.net = torch.nn.ModuleList(
            [
                torch.nn.Conv2d(inputs, inner, 1),
                torch.nn.Conv2d(inner, inner, 3, padding=1),
                torch.nn.Conv2d(inner, inner, 3, padding=1),
                torch.nn.Conv2d(inner, 12, 1),
            ]
        )

    def forward(self, x):
        for convolution in self.net[:3]:
            x = torch.relu(convolution(x))
        return 0.01 * self.net[3](x).mean((2, 3))[:, :6]


class Monodepth2(torch.nn.Module):
    """Encoder, depth decoder, pose encoder and pose decoder; images are b 3 h w."""

    def __init__(self, encoder="resnet18", width=1.0, seed=0, decoder_width=None):
        super().__init__()
        torch.manual_seed(seed)
        self.encoder, self.pose_encoder = make_encoder(encoder, width), make_encoder(encoder, width, images=2)
        self.depth = DepthDecoder(self.encoder.channels, width if decoder_width is None else decoder_width)
        self.pose = PoseDecoder(self.encoder.channels[-1], width)
        for module in self.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.weight, 0.5, 1.0)
                torch.nn.init.normal_(module.bias, std=0.2)
                torch.nn.init.normal_(module.running_mean, std=0.2)
                torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            if isinstance(module, torch.nn.Conv2d) and module.bias is not None:
                module.weight.data *= 2.5  # so that what the encoder saw reaches the outputs

    def perceive(self, image):
        return self.depth(self.encoder(image))

    def vector(self, first, second):
        return self.pose(self.pose_encoder(torch.cat([first, second], dim=1))[-1])

    def motions(self, clip):
        """Vectors of a clip's pairs in temporal order, one batch a pair; clip is a list of frames."""
        target = len(clip) // 2
        sources = [s for s in range(len(clip)) if s != target]
        return [self.vector(clip[min(s, target)], clip[max(s, target)]) for s in sources]

    def outputs(self, clip):
        """Disparities of the middle frame of a clip b t h w 3 (NumPy or JAX), and the motions source_from_target."""
        frames = list(torch.from_numpy(numpy.array(clip)).permute(1, 0, 4, 2, 3))
        return self.perceive(frames[len(frames) // 2]), source_from_target(self.motions(frames))

    def gradients(self):
        """Gradients by file and name, where there are any."""
        return {
            file: {name: entry.grad for name, entry in entries.items() if entry.grad is not None}
            for file, entries in self.files(keep_vars=True).items()
        }

    def files(self, **options):
        """State dicts as published, by file."""
        parts = {"encoder": Named("encoder", self.encoder), "pose_encoder": Named("encoder", self.pose_encoder)}
        return {
            name: module.state_dict(**options)
            for name, module in {**parts, "depth": self.depth, "pose": self.pose}.items()
        }

    def save(self, folder, height=64, width=96):
        """Writes a checkpoint folder."""
        folder.mkdir(exist_ok=True)
        for name, entries in self.files().items():
            if name == "encoder":
                entries = {**entries, "height": height, "width": width, "use_stereo": False}
            torch.save(entries, folder / f"{name}.pth")


def rigid(vector):
    """4x4 matrices of rotation vectors and translations, by Rodrigues' formula."""
    x, y, z = vector[:, 0], vector[:, 1], vector[:, 2]
    o = torch.zeros_like(x)
    generator = torch.stack([torch.stack(row, -1) for row in ((o, -z, y), (z, o, -x), (-y, x, o))], -2)
    turns = torch.linalg.vector_norm(vector[:, :3], dim=1)[:, None, None] / torch.pi
    rotation = torch.eye(3, dtype=vector.dtype, device=vector.device) + torch.sinc(turns) * generator
    rotation = rotation + torch.sinc(turns / 2) ** 2 / 2 * generator @ generator
    bottom = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=vector.dtype, device=vector.device)
    return torch.cat([torch.cat([rotation, vector[:, 3:, None]], -1), bottom.expand(len(vector), 1, 4)], -2)


def source_from_target(vectors):
    """Of a clip's pairs: the earlier half inverted. b s 4 4."""
    half = len(vectors) // 2
    matrices = [rigid(v) for v in vectors]
    return torch.stack([*(torch.linalg.inv_ex(m).inverse for m in matrices[:half]), *matrices[half:]], 1)
