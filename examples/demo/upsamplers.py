"""Small convolutional generators with learned up-sampling, and their training, which takes seconds.

Each generator encodes an image to a fraction of its size and generates it again. They differ in their
up-sampling, which leaves the periodic traces that detectors of generated images use.

Weights and images are the same on every processor, also in training. The layers compute in float64 on numbers
with so few bits that their sums are exact, and all other operations are element-wise
(`examples.demo.arithmetic`).

Sources: A. Odena et al., "Deconvolution and checkerboard artifacts", Distill 2016; X. Zhang et al.,
"Detecting and simulating artifacts in GAN fake images", WIFS 2019, where an autoencoder leaves the trace of a
GAN; D. Kingma and J. Ba, "Adam", ICLR 2015.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.demo.arithmetic import settled
from examples.demo.pixels import FloatImage, as_float

UpSampling = Literal["transposed", "nearest", "blurred", "shuffle"]
"""transposed: stride-2 transposed convolutions (StarGAN); nearest: nearest neighbor, then a convolution
(PGGAN); blurred: transposed convolutions, then a [1, 2, 1] filter (StyleGAN); shuffle: as its name (SAN)."""

_BITS = 17
"""Of a number in a layer's sums. The longest, a weight's gradient, has 3200 products of 17 bits and, from a
slope and a filter on the gradient's way, 24: less than the 53 that float64 holds."""

_SLOPE = 0.125
"""Of the activation below zero: a power of two, which costs no bits."""


class _Snap(torch.autograd.Function):
    """Rounds values and their gradients to `_BITS` bits, counted from the first bit of the largest number."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        least, most = (float(end) for end in torch.aminmax(values))
        step = 2.0 ** (math.frexp(max(-least, most))[1] - _BITS)
        return (values / step).round_().mul_(step)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Snap.forward(ctx, gradients[0])


def _snap(values: Tensor) -> Tensor:
    snapped: Tensor = _Snap.apply(values)
    return snapped


class _Layer(nn.Module):
    """A convolution with a bias for each output channel.

    Args:
        rng: The source of initial weights and biases, which have the same distribution as in PyTorch's
            layers.
        inward: Input channels.
        outward: Output channels.
        side: Side of the kernel, pixels.
        stride: Input pixels per output pixel; in a transposed convolution, output pixels per input pixel.
        transposed: Whether it is a transposed convolution.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        inward: int,
        outward: int,
        side: int,
        *,
        stride: int = 1,
        transposed: bool = False,
    ) -> None:
        super().__init__()
        shape = (inward, outward) if transposed else (outward, inward)
        # The fan of PyTorch's layers. With a stride of 1 a transposed convolution is a plain convolution.
        fan = (outward if transposed and stride > 1 else inward) * side * side
        bound = 1 / math.sqrt(fan)
        self.weight = nn.Parameter(torch.from_numpy(rng.uniform(-bound, bound, (*shape, side, side))))
        self.bias = nn.Parameter(torch.from_numpy(rng.uniform(-bound, bound, outward)))
        self.stride, self.transposed, self.padding = stride, transposed, (side - 1) // 2

    def forward(self, image: Tensor) -> Tensor:
        """Float["batch in height width"] to Float["batch out ...]"."""
        sums = self.sums(_snap(image), _snap(self.weight))
        # The bias is added separately, because the sums are only exact without it.
        return sums.add_(self.bias[:, None, None])

    def sums(self, image: Tensor, weight: Tensor) -> Tensor:
        """The convolution without rounding and bias."""
        if self.transposed:
            outer = self.stride + 2 * self.padding - weight.shape[-1]
            return functional.conv_transpose2d(
                image, weight, stride=self.stride, padding=self.padding, output_padding=outer
            )
        return functional.conv2d(image, weight, stride=self.stride, padding=self.padding)


class _Nearest(_Layer):
    """Repeats pixels to 2 x 2 and applies a 3 x 3 convolution, as one faster transposed convolution."""

    def __init__(self, rng: np.random.Generator, inward: int, outward: int) -> None:
        super().__init__(rng, inward, outward, 3)

    def sums(self, image: Tensor, weight: Tensor) -> Tensor:
        flipped = weight.flip(2, 3).transpose(0, 1)
        corners = [(left, 1 - left, top, 1 - top) for left in (0, 1) for top in (0, 1)]
        spread = [functional.pad(flipped, corner) for corner in corners]
        return functional.conv_transpose2d(
            image, spread[0] + spread[1] + spread[2] + spread[3], stride=2, padding=1
        )


class _Blur(nn.Module):
    """The filter [1, 2, 1] / 4 vertically and horizontally; the border is repeated."""

    def forward(self, image: Tensor) -> Tensor:
        # The mean of 2 x 2 pixels, applied twice.
        padded = functional.pad(image, (1, 1, 1, 1), mode="replicate")
        return functional.avg_pool2d(functional.avg_pool2d(padded, 2, stride=1), 2, stride=1)


def _doubling(rng: np.random.Generator, kind: UpSampling, inward: int, outward: int) -> nn.Sequential:
    """Layers that double width and height; the first layer has the weights."""
    match kind:
        case "transposed":
            return nn.Sequential(_Layer(rng, inward, outward, 4, stride=2, transposed=True))
        case "nearest":
            return nn.Sequential(_Nearest(rng, inward, outward))
        case "blurred":
            return nn.Sequential(_Layer(rng, inward, outward, 3, stride=2, transposed=True), _Blur())
        case "shuffle":
            return nn.Sequential(_Layer(rng, inward, 4 * outward, 3), nn.PixelShuffle(2))


_LINEAR: dict[UpSampling, list[list[float]]] = {
    "transposed": [[0.25, 0.75, 0.75, 0.25]],
    "blurred": [[0.5, 1.0, 0.5]],
    "nearest": [[0.25, 0.5, 0.25]],
    "shuffle": [[0.25, 0.75, 0.0], [0.0, 0.75, 0.25]],
}
"""One-dimensional kernels (pixel shuffle: of the even and the odd output) of linear interpolation."""


def _color_doubling(rng: np.random.Generator, kind: UpSampling) -> nn.Module:
    """Layers that double the size of three color channels. Their initial weights are linear interpolation."""
    layers = _doubling(rng, kind, 3, 3)
    learned = next(layer for layer in layers if isinstance(layer, _Layer))
    rows = [torch.tensor(row, dtype=torch.float64) for row in _LINEAR[kind]]
    kernels = [torch.outer(down, across) for down in rows for across in rows]
    with torch.no_grad():
        learned.weight.zero_()
        learned.bias.zero_()
        for output in range(3 * len(kernels)):
            # Transposed convolutions store (in, out), other layers (out, in). Both work here, because a color
            # channel only contributes to itself.
            learned.weight[output, output // len(kernels)] = kernels[output % len(kernels)]
    return layers


class UpSampler(nn.Module):
    """An encoder to a fraction of the size, and a decoder with learned up-sampling of one kind.

    The code is the shrunken image and `code` learned channels. The decoder adds learned detail to a learned
    up-sampling of the colors, like the skip connections of StyleGAN2 and of super-resolution networks.

    Args:
        rng: The source of the initial weights.
        kind: How the decoder doubles the size.
        code: Number of learned channels of the code; fewer lose more detail. 0 makes it a super-resolution
            network, which sees only the shrunken image.
        doublings: How often the size is halved and doubled again.
    """

    def __init__(self, rng: np.random.Generator, kind: UpSampling, code: int = 8, doublings: int = 2) -> None:
        super().__init__()
        self.code, self.factor = code, 2**doublings
        widths = [3, *(16 + 8 * level for level in range(doublings))]
        encoder: list[nn.Module] = []
        for inward, outward in pairwise(widths):
            encoder += [_Layer(rng, inward, outward, 4, stride=2), nn.LeakyReLU(_SLOPE, inplace=True)]
        self.encoder = nn.Sequential(*encoder, _Layer(rng, widths[-1], code, 1)) if code else None
        widths = [12 + 10 * level for level in range(doublings, -1, -1)]
        decoder: list[nn.Module] = [_Layer(rng, code + 3, widths[0], 3), nn.LeakyReLU(_SLOPE, inplace=True)]
        for inward, outward in pairwise(widths):
            decoder += [_doubling(rng, kind, inward, outward), nn.LeakyReLU(_SLOPE, inplace=True)]
        # With few outputs and many inputs, a transposed convolution is faster than a plain one.
        self.decoder = nn.Sequential(*decoder, _Layer(rng, widths[-1], 3, 3, transposed=True))
        self.colors = nn.Sequential(*(_color_doubling(rng, kind) for _ in range(doublings)))

    def forward(self, image: Tensor) -> Tensor:
        """Generate an image again: Float64["batch 3 height width"] in and out, about in [0, 1].

        Height and width must be divisible by 2^doublings.
        """
        code = shrunken = functional.avg_pool2d(_snap(image), self.factor) - 0.5
        if self.encoder is not None:
            code = torch.cat([shrunken, self.encoder(image - 0.5)], dim=1)
        generated: Tensor = self.colors(shrunken) + self.decoder(code) + 0.5
        return _snap(generated)


def _tensor(images: list[FloatImage]) -> Tensor:
    return torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).astype(np.float64))


class _Adam:
    """Adam in separate operations of NumPy: PyTorch fuses some, and its square root is not always exact.

    The learning rate rises in the first 3/10 of the steps and then falls; the momentum falls and then rises.
    Both follow cosines, as in `torch.optim.lr_scheduler.OneCycleLR`.
    """

    def __init__(self, parameters: list[nn.Parameter], steps: int, fastest: float) -> None:
        # These arrays share the memory of the parameters.
        self._weights = [parameter.detach().numpy() for parameter in parameters]
        self._means = [np.zeros_like(weights) for weights in self._weights]
        self._squares = [np.zeros_like(weights) for weights in self._weights]
        self._fastest = fastest
        self._done, self._steps, self._peak = 0, steps, 0.3 * steps - 1
        self._decay = [1.0, 1.0]

    def _pace(self) -> tuple[float, float]:
        """The learning rate, and the decay rate of the gradients' mean, at this step."""
        last = self._steps - 1
        if self._done <= self._peak:
            start, end, share = (1 / 25, 0.95), (1.0, 0.85), self._done / max(self._peak, 1)
        else:
            start, end = (1.0, 0.85), (1 / 25e4, 0.95)
            share = (self._done - self._peak) / max(last - self._peak, 1)
        turn = float(settled(math.cos(math.pi * share))) / 2 + 0.5
        rate, decay = (b + (a - b) * turn for a, b in zip(start, end, strict=True))
        return self._fastest * rate, decay

    def step(self, gradients: tuple[Tensor, ...]) -> None:
        """Take a step along the parameters' gradients."""
        rate, decay = self._pace()
        self._done += 1
        self._decay = [self._decay[0] * decay, self._decay[1] * 0.999]
        arrays = (gradient.numpy() for gradient in gradients)
        for weights, mean, square, gradient in zip(
            self._weights, self._means, self._squares, arrays, strict=True
        ):
            mean *= decay
            mean += (1 - decay) * gradient
            square *= 0.999
            square += 0.001 * (gradient * gradient)
            spread = np.sqrt(square / (1 - self._decay[1])) + 1e-8
            weights -= rate * (mean / (1 - self._decay[0])) / spread


def train_upsampler(
    kind: UpSampling,
    pairs: list[tuple[FloatImage, FloatImage]],
    *,
    seed: int,
    steps: int,
    patch: int = 40,
    batch: int = 8,
    code: int = 8,
    doublings: int = 2,
) -> UpSampler:
    """Train a generator on random patches.

    Args:
        kind: The kind of up-sampling.
        pairs: Pairs of an input and the wanted output; the same image twice trains an autoencoder.
        seed: Seed of weights and patches.
        steps: Number of optimizer steps.
        patch: Side of a patch in pixels, divisible by 2^doublings.
        batch: Patches per step.
        code: Number of learned channels of the code.
        doublings: How often the size is halved and doubled.

    Returns:
        The generator in eval mode; the same arguments give the same weights.
    """
    rng = np.random.default_rng(seed)
    network = UpSampler(rng, kind, code, doublings)
    shown, wanted = (_tensor([pair[side] for pair in pairs]) for side in (0, 1))
    parameters = list(network.parameters())
    optimizer = _Adam(parameters, steps, fastest=4e-3)
    for _ in range(steps):
        places = [_place(rng, shown.shape, patch) for _ in range(batch)]
        inputs, targets = (torch.stack([images[place] for place in places]) for images in (shown, wanted))
        generated = network(inputs)
        loss = functional.l1_loss(generated, targets) + functional.l1_loss(_edges(generated), _edges(targets))
        optimizer.step(torch.autograd.grad(loss, parameters))
    return network.eval()


def _place(rng: np.random.Generator, shape: torch.Size, patch: int) -> tuple[int, slice, slice, slice]:
    index = int(rng.integers(shape[0]))
    top, left = (int(rng.integers(side - patch + 1)) for side in shape[2:])
    return index, slice(None), slice(top, top + patch), slice(left, left + patch)


def _edges(image: Tensor) -> Tensor:
    """Horizontal and vertical differences, so that fine detail counts as much as color."""
    return torch.cat([image.diff(dim=2)[..., :-1], image.diff(dim=3)[..., :-1, :]], dim=1)


def generate(network: UpSampler, image: FloatImage) -> FloatImage:
    """Run a trained generator on one image, whose sides must be divisible by 2^doublings."""
    with torch.inference_mode():
        made = network(_tensor([image]))[0].numpy().transpose(1, 2, 0)
    return as_float(np.clip(made, 0, 1))
