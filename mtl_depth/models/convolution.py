"""Convolutions as pure functions, in forms that are fast on CPU. Kernels are height, width, inputs, outputs.

Borders are made of slices and concatenation: ONNX export with a free batch size does not take `pad`.
"""

import functools
import itertools

import einops
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def convolve(
    x: Float[Array, "b h w c"], kernel: Float[Array, "n n c d"], *, stride: int = 1, one_sided: bool = False
) -> Float[Array, "b p q d"]:
    """Correlates `kernel`, of odd size, with `x`, padded with zeros as `margins` says."""
    size = kernel.shape[0]
    if size == 1:
        return _multiply(x[:, ::stride, ::stride], kernel[0, 0])
    padding = tuple(margins(side, size, stride=stride, one_sided=one_sided) for side in x.shape[1:3])
    return _correlate(x, kernel, stride=stride, padding=padding)


@jax.custom_vjp
def _multiply(x: Float[Array, "b h w c"], matrix: Float[Array, "c d"]) -> Float[Array, "b h w d"]:
    """The product for each pixel. Its gradients are products of two matrices: XLA takes half the time for them."""
    return jnp.einsum("bhwc,cd->bhwd", x, matrix)


def _forward(x, matrix):
    return _multiply(x, matrix), (x, matrix)


def _backward(saved, gradient):
    x, matrix = saved
    pixels, gradients = (maps.reshape(-1, maps.shape[-1]) for maps in (x, gradient))
    return (gradients @ matrix.T).reshape(x.shape), pixels.T @ gradients


_multiply.defvjp(_forward, _backward)


def margins(side: int, size: int, *, stride: int, one_sided: bool) -> tuple[int, int]:
    """The numbers of zeros before and after `side` pixels, so that a kernel of odd `size` has a result per `stride`.

    PyTorch pads by half the kernel's size on both sides. TensorFlow ("same", `one_sided`) uses the smallest number of
    zeros, with the smaller half before: for an even side, stride 2 and a 3x3 kernel, none before and one after. The
    results are shifted by a pixel relative to each other, so weights need the padding that they were trained with.
    """
    if not one_sided:
        return size // 2, size // 2
    needed = max((-(-side // stride) - 1) * stride + size - side, 0)
    return needed // 2, needed - needed // 2


def convolve_reflected(x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c d"]) -> Float[Array, "b h w d"]:
    """Correlates `kernel` with `x`, padded by one pixel mirrored about the border pixels' centres.

    Height and width must be 2 or more. A single channel comes in float32 or wider, whatever the type of `x`.
    """
    if kernel.shape[-1] == 1:
        return _convolve_to_one(x, kernel)
    return _correlate_unpadded(_reflect(x), kernel)


def convolve_upsampled(x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c d"]) -> Float[Array, "b 2*h 2*w d"]:
    """`convolve_reflected` of `x` doubled in height and width by repeating pixels, with 4/9 of the products.

    Of the three doubled pixels under the kernel along an axis, two are the same pixel of `x`. With kernel (k0, k1, k2)
    the even results weigh the pixels (before, own) by (k0, k1 + k2), the odd ones (own, after) by (k0 + k1, k2); and
    the doubled map's reflection is the repeated border of `x`. So a 2x2 kernel with four sets of outputs serves.
    """
    _, height, width, _ = x.shape
    x = jnp.concatenate([x[:, :1], x, x[:, -1:]], axis=1)
    x = jnp.concatenate([x[:, :, :1], x, x[:, :, -1:]], axis=2)
    kernels = [pair for row in _even_and_odd(kernel, axis=0) for pair in _even_and_odd(row, axis=1)]
    results = jnp.split(_correlate_unpadded(x, jnp.concatenate(kernels, axis=-1)), 4, axis=-1)
    shifts = ((0, 0), (0, 1), (1, 0), (1, 1))
    phases = [y[:, i : i + height, j : j + width] for y, (i, j) in zip(results, shifts, strict=True)]
    return einops.rearrange(phases, "(i j) b h w d -> b (h i) (w j) d", i=2)


def max_pool(x: Float[Array, "b h w c"]) -> Float[Array, "b p q c"]:
    """The maximum over 3x3 pixels around every second pixel; pixels outside count as -inf.

    The gradient goes to the first of equal values, as in PyTorch and in `nn.max_pool`, whose gradient takes five times
    as long.
    """
    for axis in (2, 1):
        own, after = (jax.lax.slice_in_dim(x, start, None, stride=2, axis=axis) for start in (0, 1))
        outside = jnp.full_like(jax.lax.slice_in_dim(x, 0, 1, axis=axis), -jnp.inf)
        before = jax.lax.slice_in_dim(jnp.concatenate([outside, after], axis=axis), 0, own.shape[axis], axis=axis)
        if after.shape[axis] < own.shape[axis]:  # an odd side
            after = jnp.concatenate([after, outside], axis=axis)
        x = functools.reduce(lambda best, other: jnp.where(other > best, other, best), (before, own, after))
    return x


def _reflect(x: Float[Array, "b h w *c"]) -> Float[Array, "b h+2 w+2 *c"]:
    """Adds one pixel on every side, mirrored about the border pixels' centres."""
    x = jnp.concatenate([x[:, 1:2], x, x[:, -2:-1]], axis=1)
    return jnp.concatenate([x[:, :, 1:2], x, x[:, :, -2:-1]], axis=2)


def _convolve_to_one(x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c 1"]) -> Float[Array, "b h w 1"]:
    """`convolve_reflected` to a single channel, for which XLA's convolution of jaxlib 0.10 is slow on a CPU.

    A product gives what each tap contributes, and nine shifted maps are added up, both in float32 or wider: 3.4 times
    as fast forward at 192x640 with 16 channels. The sum is not rounded to half types: a logit of disparity in bfloat16
    would put depth on terraces of 3%.
    """
    _, height, width, _ = x.shape
    wide = jnp.promote_types(x.dtype, jnp.float32)
    maps = jnp.einsum("bhwc,ct->bhwt", x, kernel.reshape(9, -1).T, preferred_element_type=wide)
    taps = itertools.product(range(3), range(3))
    shifted = (_reflect(maps[..., 3 * i + j])[:, i : i + height, j : j + width] for i, j in taps)
    return functools.reduce(jnp.add, shifted)[..., None]


def _even_and_odd(kernel: Float[Array, "..."], *, axis: int) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """The two taps along the axis for even and for odd results."""
    k0, k1, k2 = jnp.split(kernel, 3, axis=axis)
    return jnp.concatenate([k0, k1 + k2], axis=axis), jnp.concatenate([k0 + k1, k2], axis=axis)


def _correlate_unpadded(x: Float[Array, "b h w c"], kernel: Float[Array, "n n c d"]) -> Float[Array, "b p q d"]:
    """Correlation where the kernel lies inside `x`.

    A row of zeros is added and its results dropped: without any padding, XLA's convolution of jaxlib 0.10 takes two to
    six times as long on CPU at the decoder's sizes (0.11 does not).
    """
    return _correlate(x, kernel, stride=1, padding=((0, 1), (0, 0)))[:, :-1]


def _correlate(
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "n n c d"],
    *,
    stride: int,
    padding: tuple[tuple[int, int], tuple[int, int]],
) -> Float[Array, "b p q d"]:
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
