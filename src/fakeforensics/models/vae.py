"""A variational autoencoder on a backbone: two linear layers to a Gaussian, a mirrored decoder to 64 x 64."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from fakeforensics.metrics.spec import ScoreSpec
from fakeforensics.models.card import Architecture
from fakeforensics.models.detector import Labels, NetworkDetector, Values
from fakeforensics.params import Count, Group

S_ELBO = ScoreSpec(
    name="elbo", label="S_ELBO", title="negative evidence lower bound", column="score_elbo", scale="positive"
)
S_KL = ScoreSpec(
    name="kl", label="S_KL", title="divergence from the prior of reals", column="score_kl", scale="positive"
)
SIDE = 64  # of the reconstructed image, in pixels
_FIRST = 4  # of the decoder's first map
_WIDTHS = (512, 256, 128, 64, 32)
_GROUPS = 8
_LARGEST = 10.0  # |log σ²| above this would overflow in the losses


class VaeSettings(Group):
    """Settings of a variational autoencoder.

    Args:
        latent: Length of z.
        likelihood: log p(x|z) up to a constant: `gaussian`, −½ ‖x − x̂‖² with unit variance, or `bernoulli`,
            the negative binary cross-entropy of channels in [0, 1]. Both are sums over the 64 x 64 pixels.
    """

    latent: Annotated[Count, Field(ge=1, le=1024)] = 128
    likelihood: Literal["gaussian", "bernoulli"] = "gaussian"


class VaeOutput(NamedTuple):
    """q(z|x) = N(μ, σ²), z drawn from it, and its reconstruction; all in float32.

    Attributes:
        mean: μ.
        log_variance: log σ², within ±10.
        z: A draw; in evaluation mode the mean, so that a score is not random.
        logits: x̂ before its sigmoid.
    """

    mean: Float[Tensor, "batch latent"]
    log_variance: Float[Tensor, "batch latent"]
    z: Float[Tensor, "batch latent"]
    logits: Float[Tensor, "batch 3 64 64"]


def divergence(output: VaeOutput, prior: float = 0.0) -> Float[Tensor, " batch"]:
    """KL(N(μ, σ²) ‖ N(m, 1)) of each image, with m the same number in every coordinate."""
    variance = output.log_variance.exp()
    return 0.5 * ((output.mean - prior).square() + variance - 1 - output.log_variance).sum(dim=1)


def choose(output: VaeOutput, rows: Int[Tensor, " rows"]) -> VaeOutput:
    """The output of some images of a batch."""
    return VaeOutput(*(part[rows] for part in output))


class Decoder(nn.Module):
    """From z to the logits of 64 x 64 pixels: nearest up-sampling and convolutions of ResNet-18's widths.

    Group normalization instead of batch normalization: the reconstruction of an image must not depend on the
    others in its batch, and fakes among them must not change the decoder.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.start = nn.Linear(latent, _WIDTHS[0] * _FIRST**2)
        blocks: list[nn.Module] = []
        for wide, narrow in pairwise(_WIDTHS):
            blocks += [
                nn.Upsample(scale_factor=2),
                nn.Conv2d(wide, narrow, 3, padding=1),
                nn.GroupNorm(_GROUPS, narrow),
                nn.ReLU(),
            ]
        self.blocks = nn.Sequential(*blocks)
        self.end = nn.Conv2d(_WIDTHS[-1], 3, 3, padding=1)

    def forward(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch 3 64 64"]:
        """Decode."""
        start = self.start(z).unflatten(1, (_WIDTHS[0], _FIRST, _FIRST))
        logits: Tensor = self.end(self.blocks(start))
        return logits


class VaeDetector(NetworkDetector):
    """A backbone with linear layers for μ and log σ², and a decoder; subclasses add the loss.

    Args:
        architecture: The parameters of the backbone.
        settings: The detector's settings.

    Attributes:
        decoder: From z to the logits of the image's pixels, shrunk to 64 x 64.
    """

    Settings: ClassVar[type[Group]] = VaeSettings
    settings: VaeSettings
    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, architecture: Architecture, settings: Group) -> None:
        super().__init__(architecture, settings)
        facts = self.use_backbone()
        self.mean = nn.Linear(facts.code_size, self.settings.latent)
        self.log_variance = nn.Linear(facts.code_size, self.settings.latent)
        self.decoder = Decoder(self.settings.latent)
        for name, values in (("pixel_mean", facts.mean), ("pixel_std", facts.std)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Float[Tensor, "batch 3 h w"]) -> VaeOutput:
        """Encode normalized images, draw z and reconstruct."""
        code = self.backbone(images)
        with torch.autocast(images.device.type, enabled=False):
            code = code.float()
            mean = self.mean(code)
            log_variance = self.log_variance(code).clamp(-_LARGEST, _LARGEST)
        z = mean + torch.randn_like(mean) * (log_variance / 2).exp() if self.training else mean
        return VaeOutput(mean, log_variance, z, self.decoder(z).float())

    def surprise(
        self, images: Float[Tensor, "batch 3 h w"], logits: Float[Tensor, "batch 3 64 64"]
    ) -> Float[Tensor, " batch"]:
        """−log p(x|z) of each image up to a constant, at least 0.

        Args:
            images: Normalized.
            logits: The decoder's for their z.
        """
        pixels = (images.float() * self.pixel_std + self.pixel_mean).clamp(0, 1)
        pixels = shrink(pixels)
        if self.settings.likelihood == "gaussian":
            return 0.5 * (logits.sigmoid() - pixels).square().sum(dim=(1, 2, 3))
        entropy = functional.binary_cross_entropy_with_logits(logits, pixels, reduction="none")
        return entropy.sum(dim=(1, 2, 3))

    def negative_elbo(
        self, images: Float[Tensor, "batch 3 h w"], output: VaeOutput, prior: float = 0.0
    ) -> Float[Tensor, " batch"]:
        """−ELBO = −log p(x|z) + KL(q(z|x) ‖ N(prior, 1)) of each image."""
        return self.surprise(images, output.logits) + divergence(output, prior)

    def decode_frozen(self, z: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch 3 64 64"]:
        """Decode with gradients for z alone: the decoder is not updated."""
        weights = {name: weight.detach() for name, weight in self.decoder.named_parameters()}
        decoded: Tensor = functional_call(self.decoder, weights, (z,))
        return decoded

    def read(self, images: Float[Tensor, "batch 3 h w"], output: VaeOutput) -> Values:
        """The scores that the detector declares, of z at its mean."""
        values = {S_KL.column: divergence(output)}
        if S_ELBO in self.scores:
            values[S_ELBO.column] = self.surprise(images, output.logits) + values[S_KL.column]
        return {score.column: values[score.column] for score in self.scores}

    def distance(self, output: VaeOutput) -> Labels:
        """The divergence from the prior of reals."""
        return divergence(output)


def shrink(pixels: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch 3 64 64"]:
    """Resize images to 64 x 64: area averages if they are larger, bilinear interpolation if smaller."""
    height, width = pixels.shape[-2:]
    if (height, width) == (SIDE, SIDE):
        return pixels
    if height % SIDE == 0 and width % SIDE == 0:
        return functional.avg_pool2d(pixels, (height // SIDE, width // SIDE))
    return averaging(height, pixels) @ pixels @ averaging(width, pixels).T


def averaging(size: int, like: Tensor) -> Float[Tensor, "64 size"]:
    """The matrix that averages `size` numbers over 64 intervals; a partly covered number counts in part."""
    ends = torch.arange(SIDE + 1, device=like.device, dtype=like.dtype) * (size / SIDE)
    cells = torch.arange(size, device=like.device, dtype=like.dtype)
    covered = torch.minimum(ends[1:, None], cells + 1) - torch.maximum(ends[:-1, None], cells)
    return covered.clamp_min(0) / (size / SIDE)


def log_mean_exp(values: Float[Tensor, "k batch"]) -> Float[Tensor, " batch"]:
    """The logarithm of a mean of exponentials, log (1/k Σ exp v), without overflow."""
    return torch.logsumexp(values, dim=0) - math.log(len(values))
