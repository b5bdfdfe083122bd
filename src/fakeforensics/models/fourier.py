"""The two-dimensional Fourier transform as matrix products, and means over its circles."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def amplitudes(images: Float[Tensor, "batch c n n"]) -> Float[Tensor, "batch c n n"]:
    """|F| of square images, in float64; the constant term comes first, as without fftshift.

    F = W X W with W = exp(−2πi jk / n). `torch.fft` would compute it faster, but its export to ONNX takes the
    number of images from the example. Float64: F's smallest terms are a millionth of its largest.
    """
    wide = images.double()
    steps = torch.arange(wide.shape[-1], device=images.device)
    # The product modulo n first: sines of large angles lose digits.
    angles = (steps[:, None] * steps % len(steps)).double() * (-2 * math.pi / len(steps))
    cosine, sine = angles.cos(), angles.sin()
    real, imaginary = wide @ cosine, wide @ sine
    above = cosine @ real - sine @ imaginary
    below = cosine @ imaginary + sine @ real
    return (above.square() + below.square()).sqrt()


def frequency_rings(size: int) -> Int[Tensor, "n n"]:
    """Each frequency's distance from the constant term, rounded down, for `amplitudes` of that size."""
    frequencies = torch.fft.fftfreq(size, 1 / size, dtype=torch.float64)
    return torch.hypot(frequencies[:, None], frequencies).floor().long()


def ring_means(
    values: Float[Tensor, "batch n n"], rings: Int[Tensor, "n n"], count: int
) -> Float[Tensor, "batch count"]:
    """The mean of `values` over each of the rings 0 … count − 1; places beyond them are ignored.

    Args:
        values: On the grid of `rings`.
        rings: The number of the ring of each place.
        count: How many rings.
    """
    flat = rings.flatten()
    bins = torch.clamp(flat, max=count)
    sizes = torch.bincount(bins, minlength=count + 1).to(values.dtype)
    sums = values.new_zeros(values.shape[0], count + 1).index_add(1, bins, values.flatten(1))
    return (sums / sizes.clamp_min(1))[:, :count]
