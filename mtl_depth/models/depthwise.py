"""Depthwise convolution as a pure function with its own gradient. Kernels are height, width, 1, channels.

XLA's grouped convolution, which serves elsewhere, takes 20 to 50 times as long on a CPU as sums of shifted maps.
"""

import functools
import itertools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mtl_depth.models.convolution import margins

_PARTS = 8  # of the batch that are added up in one pass


def convolve_depthwise(
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "n n 1 c"],
    *,
    stride: int = 1,
    one_sided: bool = False,
    grouped: bool = False,
) -> Float[Array, "b p q c"]:
    """Correlates every channel of `x`, padded with zeros as `convolution.margins` says, with its own odd kernel.

    `grouped` takes XLA's convolution on a CPU too: for translation into ONNX, which knows no choice of platforms.
    """
    padding = tuple(margins(side, kernel.shape[0], stride=stride, one_sided=one_sided) for side in x.shape[1:3])
    if grouped:
        return correlate_grouped(x, kernel, stride, padding)
    forms = {"cpu": correlate_shifted, "default": correlate_grouped}
    return jax.lax.platform_dependent(
        x, kernel, **{name: lambda *maps, form=form: form(*maps, stride, padding) for name, form in forms.items()}
    )


def correlate_grouped(
    x: Float[Array, "b h w c"], kernel: Float[Array, "n n 1 c"], stride: int, padding: tuple[tuple[int, int], ...]
) -> Float[Array, "b p q c"]:
    """The correlation by XLA's grouped convolution."""
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=x.shape[3]
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def correlate_shifted(
    x: Float[Array, "b h w c"], kernel: Float[Array, "n n 1 c"], stride: int, padding: tuple[tuple[int, int], ...]
) -> Float[Array, "b p q c"]:
    """The correlation as a sum of shifted maps over the kernel's taps.

    Pictures are a loop, here and in the gradients: XLA computes a loop's inputs and results once. Otherwise it fuses
    the sum into everything that reads it, a BatchNorm's mean and its variance for example, and computes it anew there.
    """
    size = kernel.shape[0]
    shape = tuple((side + before + after - size) // stride + 1 for side, (before, after) in zip(x.shape[1:3], padding))

    def convolved(picture):
        shifted = _shifted(_wide(_pad(picture[None], padding)), size, stride, shape)
        return functools.reduce(jnp.add, (kernel[tap] * maps for tap, maps in shifted))[0].astype(x.dtype)

    return jax.lax.map(convolved, x)


def _forward(x, kernel, stride, padding):
    return correlate_shifted(x, kernel, stride, padding), (x, kernel)


def _backward(stride, padding, saved, gradient):
    x, kernel = saved
    of_input = jax.lax.map(lambda own: _input_gradient(x[:1], kernel, own[None], stride, padding)[0], gradient)
    return of_input, _kernel_gradient(x, kernel, gradient, stride, padding)


correlate_shifted.defvjp(_forward, _backward)


def _kernel_gradient(x, kernel, gradient, stride, padding):
    """The gradient of the kernel: for each tap, the sum over all pixels of shifted map times gradient.

    Parts of the batch are added up first and pixels by a product with ones: XLA's reductions would write the product
    of the two maps to memory for every tap. Rows of taps are a loop, so that whatever made the gradient is
    not computed anew for every tap.
    """
    size, batch, channels = kernel.shape[0], x.shape[0], x.shape[3]
    parts = max(count for count in range(1, _PARTS + 1) if batch % count == 0)
    padded, gradients = _wide(_pad(x, padding)), jnp.split(_wide(gradient), parts)
    rows, columns = (stride * (count - 1) + 1 for count in gradient.shape[1:3])

    def taps_of(row):
        lines = jax.lax.dynamic_slice_in_dim(padded, row, rows, axis=1)[:, ::stride]
        sums = []
        for column in range(size):
            shifted = lines[:, :, column : column + columns : stride]
            products = (a * b for a, b in zip(jnp.split(shifted, parts), gradients, strict=True))
            total = functools.reduce(jnp.add, products).reshape(-1, channels)
            sums.append(jnp.ones(len(total), total.dtype) @ total)
        return jnp.stack(sums)

    return jax.lax.map(taps_of, jnp.arange(size)).reshape(kernel.shape).astype(kernel.dtype)


def _input_gradient(x, kernel, gradient, stride, padding):
    """A depthwise convolution of the gradient for each phase of the pixels of `x`.

    Row m gets from result row p through tap i where m + before = p * stride + i. So the rows of phase r, m = q * stride
    + r, get from p = q + (r + before - i) / stride through the taps for which this is whole. Columns alike.
    """
    size = kernel.shape[0]
    taps = [
        [
            [(i, (r + before - i) // stride) for i in range(size) if (r + before - i) % stride == 0]
            for r in range(stride)
        ]
        for before, _ in padding
    ]
    offsets = [offset for axis in taps for phase in axis for _, offset in phase]
    counts = [-(-side // stride) for side in x.shape[1:3]]
    low = max(0, -min(offsets))
    high = [max(0, count + max(offsets) - side) for count, side in zip(counts, gradient.shape[1:3], strict=True)]
    padded = _wide(_pad(gradient, tuple((low, after) for after in high)))

    def phase(vertical, horizontal):
        terms = (
            kernel[i, j, 0] * padded[:, low + p : low + p + counts[0], low + q : low + q + counts[1]]
            for (i, p), (j, q) in itertools.product(vertical, horizontal)
        )
        return functools.reduce(jnp.add, terms).astype(x.dtype)

    if stride == 1:
        return phase(taps[0][0], taps[1][0])
    lines = [jnp.stack([phase(vertical, horizontal) for horizontal in taps[1]], axis=3) for vertical in taps[0]]
    whole = jnp.stack(lines, axis=2)  # b rows phase columns phase c
    whole = whole.reshape(x.shape[0], counts[0] * stride, counts[1] * stride, x.shape[3])
    return whole[:, : x.shape[1], : x.shape[2]]


def _shifted(
    padded: Float[Array, "b h w c"], size: int, stride: int, shape: tuple[int, int]
) -> Iterator[tuple[tuple[int, int, int], Float[Array, "b p q c"]]]:
    """For each tap (i, j, 0) of the kernel, the pixels that it is multiplied by."""
    rows, columns = (stride * (count - 1) + 1 for count in shape)
    for i, j in itertools.product(range(size), range(size)):
        yield (i, j, 0), padded[:, i : i + rows : stride, j : j + columns : stride]


def _wide(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`x` in float32, or wider where it is wider: sums are not rounded to half types."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _pad(x: Float[Array, "b h w c"], padding: tuple[tuple[int, int], ...]) -> Float[Array, "b _ _ c"]:
    """`x` padded with zeros, as an array in memory: padding inside the sums takes twice as long."""
    for axis, (before, after) in enumerate(padding, start=1):
        zeros = [jnp.zeros((*x.shape[:axis], count, *x.shape[axis + 1 :]), x.dtype) for count in (before, after)]
        x = jnp.concatenate([zeros[0], x, zeros[1]], axis=axis)
    return jax.lax.optimization_barrier(x)
