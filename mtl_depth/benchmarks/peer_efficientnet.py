"""EfficientNet-Lite in PyTorch, written from its published description, with EfficientNet-PyTorch's parameter names.

Benchmarks compare our speed with it, and tests use it as an independent reference.
"""

import math

import torch
from torch.nn import functional as F

# blocks, kernel, stride, expansion, channels
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
MULTIPLIERS = {"efficientnet_lite0": (1.0, 1.0), "efficientnet_lite1": (1.0, 1.1), "efficientnet_lite2": (1.1, 1.2)}
EPSILON = 1e-3


class Same(torch.nn.Conv2d):
    """A convolution with TensorFlow's padding: for a stride of 2 and even sides one more pixel after than before."""

    def forward(self, x):
        size, stride = self.kernel_size[0], self.stride[0]
        needed = [max((math.ceil(n / stride) - 1) * stride + size - n, 0) for n in x.shape[2:]]
        if all(n % 2 == 0 for n in needed):
            padding = [n // 2 for n in needed]
        else:
            (top, left), (bottom, right) = [n // 2 for n in needed], [n - n // 2 for n in needed]
            x, padding = F.pad(x, (left, right, top, bottom)), 0
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, 1, self.groups)


def same(inputs, outputs, size, stride=1, groups=1):
    return Same(inputs, outputs, size, stride, groups=groups, bias=False)


def norm(channels):
    return torch.nn.BatchNorm2d(channels, eps=EPSILON)


class Block(torch.nn.Module):
    """An inverted residual."""

    def __init__(self, inputs, size, stride, expansion, outputs):
        super().__init__()
        inner = inputs * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = same(inputs, inner, 1), norm(inner)
        self._depthwise_conv, self._bn1 = same(inner, inner, size, stride, groups=inner), norm(inner)
        self._project_conv, self._bn2 = same(inner, outputs, 1), norm(outputs)
        self.expanded, self.shortcut = expansion > 1, stride == 1 and inputs == outputs

    def forward(self, x):
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expanded else x
        y = self._bn2(self._project_conv(F.relu6(self._bn1(self._depthwise_conv(y)))))
        return x + y if self.shortcut else y

    def pairs(self):
        """Names of convolutions and of the normalisations behind them."""
        expansion = [("_expand_conv", "_bn0")] if self.expanded else []
        return [*expansion, ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]


class EfficientNetLite(torch.nn.Module):
    """Five features of an image (or several, stacked along the channels) at strides 2 to 32."""

    def __init__(self, name="efficientnet_lite0", width=1.0, images=1):
        super().__init__()
        wide, deep = MULTIPLIERS[name]
        stem = max(4, round(32 * width))
        self._conv_stem, self._bn0 = same(3 * images, stem, 3, 2), norm(stem)
        blocks, self.ends, self.channels = [], [], []
        channels = stem
        for number, (count, size, stride, expansion, outputs) in enumerate(STAGES):
            outputs = max(4, round(multiple_of_eight(outputs * wide) * width))
            repeats = count if number in (0, len(STAGES) - 1) else math.ceil(count * deep)
            if stride == 2:
                self.ends.append(len(blocks))
                self.channels.append(channels)
            for n in range(repeats):
                blocks.append(Block(channels, size, stride if n == 0 else 1, expansion, outputs))
                channels = outputs
        self.ends.append(len(blocks))
        self.channels.append(channels)
        self._blocks = torch.nn.ModuleList(blocks)
        self._conv_head, self._bn1, self._fc = same(channels, 1280, 1), norm(1280), torch.nn.Linear(1280, 1000)

    def forward(self, image):
        x = F.relu6(self._bn0(self._conv_stem((255 * image - 127) / 128)))
        features = []
        for number, block in enumerate(self._blocks, start=1):
            x = block(x)
            if number in self.ends:
                features.append(x)
        return features

    def classify(self, features):
        """Logits of ImageNet's 1,000 classes."""
        x = F.relu6(self._bn1(self._conv_head(features[-1])))
        return self._fc(x.mean((2, 3)))

    def pairs(self):
        return [("_conv_stem", "_bn0")]


def multiple_of_eight(channels):
    """The nearest multiple of 8, but not below 90 %."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest
