"""Small convolutional generators whose up-sampling is learned, and the training that takes seconds.

Each encodes an image to a fraction of its size and generates it again; they differ in how they up-sample,
which is what leaves the periodic traces that detectors of generated images live on.

Sources: A. Odena et al., "Deconvolution and checkerboard artifacts", Distill 2016; X. Zhang et al.,
"Detecting and simulating artifacts in GAN fake images", WIFS 2019: an autoencoder leaves a GAN's trace.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from examples.demo.pixels import FloatImage, as_float

UpSampling = Literal["transposed", "nearest", "blurred", "shuffle"]
"""transposed: stride-2 transposed convolutions (StarGAN); nearest: nearest neighbour, then a convolution
(PGGAN); blurred: transposed convolutions, then a [1, 2, 1] filter (StyleGAN); shuffle: as its name (SAN)."""


class _Blur(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("kernel", torch.outer(row, row).expand(channels, 1, 3, 3).clone())
        self.channels = channels

    def forward(self, image: Tensor) -> Tensor:
        padded = functional.pad(image, (1, 1, 1, 1), mode="replicate")
        return functional.conv2d(padded, self.get_buffer("kernel"), groups=self.channels)


def _doubling(kind: UpSampling, inward: int, outward: int) -> nn.Sequential:
    """Layers that double width and height; the learned convolution is the first that has weights."""
    match kind:
        case "transposed":
            return nn.Sequential(nn.ConvTranspose2d(inward, outward, 4, stride=2, padding=1))
        case "nearest":
            return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(inward, outward, 3, padding=1))
        case "blurred":
            doubled = nn.ConvTranspose2d(inward, outward, 3, stride=2, padding=1, output_padding=1)
            return nn.Sequential(doubled, _Blur(outward))
        case "shuffle":
            return nn.Sequential(nn.Conv2d(inward, 4 * outward, 3, padding=1), nn.PixelShuffle(2))


_LINEAR: dict[UpSampling, list[list[float]]] = {
    "transposed": [[0.25, 0.75, 0.75, 0.25]],
    "blurred": [[0.5, 1.0, 0.5]],
    "nearest": [[0.25, 0.5, 0.25]],
    "shuffle": [[0.25, 0.75, 0.0], [0.0, 0.75, 0.25]],
}
"""One-dimensional kernels (pixel shuffle: of the even and the odd output) of linear interpolation."""


def _color_doubling(kind: UpSampling) -> nn.Module:
    """A doubling of three color channels that starts as plain interpolation, to be trained away from it."""
    layers = _doubling(kind, 3, 3)
    learned = next(layer for layer in layers if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d))
    rows = [torch.tensor(row) for row in _LINEAR[kind]]
    kernels = [torch.outer(down, across) for down in rows for across in rows]
    with torch.no_grad():
        learned.weight.zero_()
        torch.nn.init.zeros_(learned.get_parameter("bias"))
        for output in range(3 * len(kernels)):
            # Transposed convolutions store (in, out), the others (out, in): alike for three channels.
            learned.weight[output, output // len(kernels)] = kernels[output % len(kernels)]
    return layers


class UpSampler(nn.Module):
    """Encoder to a fraction of the size, decoder with a learned up-sampling of one kind.

    The code is the shrunken image and `code` learned channels; the decoder adds learned detail to learned
    up-sampling of the colors (as the skips of StyleGAN2 and of super-resolution networks do).

    Args:
        kind: How the decoder doubles the size.
        code: Learned channels of the code; fewer lose more detail. 0 makes it a super-resolution network,
            which sees the shrunken image alone.
        doublings: How often the size is halved and doubled again.
    """

    def __init__(self, kind: UpSampling, code: int = 8, doublings: int = 2) -> None:
        super().__init__()
        self.code, self.factor = code, 2**doublings
        widths = [3, *(16 + 8 * level for level in range(doublings))]
        encoder: list[nn.Module] = []
        for inward, outward in pairwise(widths):
            encoder += [nn.Conv2d(inward, outward, 4, stride=2, padding=1), nn.LeakyReLU(0.1)]
        self.encoder = nn.Sequential(*encoder, nn.Conv2d(widths[-1], code, 1)) if code else None
        widths = [12 + 10 * level for level in range(doublings, -1, -1)]
        decoder: list[nn.Module] = [nn.Conv2d(code + 3, widths[0], 3, padding=1), nn.LeakyReLU(0.1)]
        for inward, outward in pairwise(widths):
            decoder += [_doubling(kind, inward, outward), nn.LeakyReLU(0.1)]
        self.decoder = nn.Sequential(*decoder, nn.Conv2d(widths[-1], 3, 3, padding=1))
        self.colors = nn.Sequential(*(_color_doubling(kind) for _ in range(doublings)))

    def forward(self, image: Tensor) -> Tensor:
        """Generate `image` again: Float["batch 3 height width"] in and out, about [0, 1].

        Height and width must be divisible by 2 to the number of doublings.
        """
        code = shrunken = functional.avg_pool2d(image, self.factor) - 0.5
        if self.encoder is not None:
            code = torch.cat([shrunken, self.encoder(image - 0.5)], dim=1)
        generated: Tensor = self.colors(shrunken) + self.decoder(code) + 0.5
        return generated


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums in another order would give other weights, and other images, with another number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _tensor(images: list[FloatImage]) -> Tensor:
    return torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy())


def train_upsampler(
    kind: UpSampling,
    pairs: list[tuple[FloatImage, FloatImage]],
    *,
    seed: int,
    steps: int,
    patch: int = 48,
    batch: int = 8,
    code: int = 8,
    doublings: int = 2,
) -> UpSampler:
    """Train a generator on random patches.

    Args:
        kind: Its up-sampling.
        pairs: What it sees and what it is to make of it; the same image twice makes an autoencoder.
        seed: Of weights and patches.
        steps: Optimizer steps of `batch` patches of `patch` x `patch` pixels.
        patch: Side of a patch, divisible by 4.
        batch: Patches a step.
        code: Learned channels of the code.
        doublings: How often the size is doubled.

    Returns:
        The generator in eval mode; the same arguments give the same weights on one machine.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = UpSampler(kind, code, doublings)
    rng = np.random.default_rng(seed)
    shown, wanted = (_tensor([pair[side] for pair in pairs]) for side in (0, 1))
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps)
    with _one_thread():
        for _ in range(steps):
            places = [_place(rng, shown.shape, patch) for _ in range(batch)]
            inputs, targets = (torch.stack([images[place] for place in places]) for images in (shown, wanted))
            generated = network(inputs)
            loss = functional.l1_loss(generated, targets) + functional.l1_loss(
                _edges(generated), _edges(targets)
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return network.eval()


def _place(rng: np.random.Generator, shape: torch.Size, patch: int) -> tuple[int, slice, slice, slice]:
    index = int(rng.integers(shape[0]))
    top, left = (int(rng.integers(side - patch + 1)) for side in shape[2:])
    return index, slice(None), slice(top, top + patch), slice(left, left + patch)


def _edges(image: Tensor) -> Tensor:
    """Horizontal and vertical differences: fine detail counts as much as color."""
    return torch.cat([image.diff(dim=2)[..., :-1], image.diff(dim=3)[..., :-1, :]], dim=1)


def generate(network: UpSampler, image: FloatImage) -> FloatImage:
    """Run a trained generator over one image whose sides are divisible by 4."""
    with _one_thread(), torch.inference_mode():
        made = network(_tensor([image]))[0].numpy().transpose(1, 2, 0)
    return as_float(np.clip(made, 0, 1))
