"""ForensicTransfer: an autoencoder whose latent code is half for reals and half for fakes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from fakeforensics.detectors.forensic_transfer_resnet import S_ACT, activation_loss
from fakeforensics.metrics.spec import Scores
from fakeforensics.models.card import Architecture, Sees
from fakeforensics.models.detector import Labels, NetworkDetector, Values
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.params import Group, Number

_WIDTHS = (8, 16, 32, 64, 128)
_DERIVATIVE = (-1.0, 3.0, -3.0, 1.0)  # third order, along a line
_CHANNELS = 6  # three colors in two directions
_EPS = 1e-8  # of both activations together, which may be 0


class ForensicTransferSettings(Group):
    """Settings of ForensicTransfer. The first choice of each is the paper's.

    Args:
        gamma: γ, the weight of the reconstruction; 0.8 in a public reimplementation.
        activation: L_ACT: `halves`, the distance of both halves' activations from 0 or 1, or `share`,
            (a_1/(a_0 + a_1) − y)², as in that reimplementation.
        select: Which half of the code is decoded: that of the true class (`label`), or the one that is less
            active (`prediction`). That reimplementation sets the predicted class's half to zero.
    """

    gamma: Annotated[Number, Field(ge=0)] = 0.1
    activation: Literal["halves", "share"] = "halves"
    select: Literal["label", "prediction"] = "label"


class ForensicTransferOutput(NamedTuple):
    """What the encoder finds.

    Attributes:
        latent: h, at least 0.
        real: a_0, the mean activation of the half for reals, in float32.
        fake: a_1, that of the half for fakes.
    """

    latent: Float[Tensor, "batch 128 down across"]
    real: Labels
    fake: Labels


class ForensicTransfer(NetworkDetector):
    """γ L_REC + L_ACT, scored by a_1 − a_0; above 0 the half for fakes is more active.

    The input is a residual, the third-order derivative of each color along rows and along columns. The
    encoder is of 3 x 3 convolutions with batch normalization and ReLU, of 8 channels at full size and then
    16, 32, 64, 128 at half the size each; the decoder mirrors it with nearest up-sampling. h_0, the first
    half of the latent channels, is for reals, h_1 for fakes, and a_c = ‖h_c‖₁ / K_c.
    L_ACT = |a_1 − 1(y = 1)| + |a_0 − 1(y = 0)|. L_REC is the mean error of decoding h with the half of the
    other class set to zero, the class being the true one.

    The authors published no code, and the paper's text was not available for a check. A public
    reimplementation, nivba/Mamo-ForensicTransfer, has the same widths, strides, halves, up-sampling and
    absolute error. Some of its differences are settings here. Others are not followed: gray input without a
    residual, dropout, no normalization in the first and last layer of the encoder, the score a_1/(a_0 + a_1),
    and the fake half first. It does not confirm residual, γ, learning rate and patience.

    The authors of Deep Distribution Transfer compare with another network, the detector
    `forensic_transfer_resnet`. Few-shot transfer is a separate run from other weights, and this module does
    not do it.

    Source:
        Cozzolino et al., ForensicTransfer: Weakly-supervised Domain Adaptation for Forgery Detection, arXiv
        1812.02510; nivba/Mamo-ForensicTransfer at 15af2d4.
    """

    name: ClassVar[str] = "forensic_transfer"
    label: ClassVar[str] = "ForensicTransfer"
    title: ClassVar[str] = "autoencoder of a residual with a half for reals and a half for fakes"
    sees: ClassVar[Sees] = "reals+fakes"
    scores: ClassVar[Scores] = (S_ACT,)
    Settings: ClassVar[type[Group]] = ForensicTransferSettings
    recipe: ClassVar[Mapping[str, Any]] = {
        "train.crop_size": 256,
        "train.learning_rate": 1e-3,
        "train.lr_decay": 1.0,
        "train.batch_size": 64,
        "train.monitor": "accuracy",
        "train.patience": 30,
    }
    settings: ForensicTransferSettings
    kernel: Tensor

    def __init__(self, architecture: Architecture, settings: Group) -> None:
        super().__init__(architecture, settings)
        widths = (_CHANNELS, *_WIDTHS)
        self.encoder = nn.Sequential(
            *(_block(wide, out, stride=1 if wide == _CHANNELS else 2) for wide, out in pairwise(widths))
        )
        self.decoder = nn.ModuleList(_block(wide, out) for wide, out in pairwise(_WIDTHS[::-1]))
        self.end = nn.Conv2d(_WIDTHS[0], _CHANNELS, 3, padding=1)
        line = torch.tensor(_DERIVATIVE)
        across, down = torch.zeros(4, 4), torch.zeros(4, 4)
        across[1], down[:, 1] = line, line
        kernel = torch.stack([across, down]).unsqueeze(1).repeat(3, 1, 1, 1)
        self.register_buffer("kernel", kernel, persistent=False)

    @property
    def preprocess(self) -> Preprocess:
        """Channels in [−1, 1]."""
        half = (0.5, 0.5, 0.5)
        return Preprocess(crop_size=self.architecture.crop_size, mean=half, std=half)

    @property
    def heat_layer(self) -> nn.Module:
        """The end of the encoder."""
        return self.encoder

    def residual(self, images: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch 6 h w"]:
        """x(i+2) − 3 x(i+1) + 3 x(i) − x(i−1) of each color along rows and columns; edges repeat."""
        padded = functional.pad(images.float(), (1, 2, 1, 2), mode="replicate")
        with torch.autocast(images.device.type, enabled=False):
            return functional.conv2d(padded, self.kernel, groups=3)

    def forward(self, images: Float[Tensor, "batch 3 h w"]) -> ForensicTransferOutput:
        """Encode normalized images."""
        latent = self.encoder(self.residual(images))
        real, fake = latent.float().mean(dim=(2, 3)).unflatten(1, (2, -1)).mean(dim=2).unbind(dim=1)
        return ForensicTransferOutput(latent, real, fake)

    def losses(
        self, images: Float[Tensor, "batch 3 h w"], output: ForensicTransferOutput, labels: Labels
    ) -> Labels:
        """γ L_REC + L_ACT of each image; decodes, which scoring need not."""
        chosen = labels if self.settings.select == "label" else (output.fake <= output.real).float()
        half = _WIDTHS[-1] // 2
        belongs = (torch.arange(2 * half, device=labels.device) >= half).float()
        kept = (chosen[:, None] == belongs).float()[:, :, None, None]
        residual = self.residual(images)
        error = self.decode(output.latent.float() * kept, images.shape[-2:]) - residual
        return self.settings.gamma * error.abs().mean(dim=(1, 2, 3)) + self._activation(output, labels)

    def _activation(self, output: ForensicTransferOutput, labels: Labels) -> Labels:
        """L_ACT of each image."""
        if self.settings.activation == "halves":
            return activation_loss(output.real, output.fake, labels)
        share = output.fake / (output.real + output.fake).clamp_min(_EPS)
        return (share - labels).square()

    def decode(
        self, latent: Float[Tensor, "batch 128 down across"], size: torch.Size
    ) -> Float[Tensor, "batch 6 h w"]:
        """From latent channels to a residual of that height and width."""
        sizes = [size]
        for _ in self.decoder:
            sizes.append(torch.Size((side + 1) // 2 for side in sizes[-1]))
        x = latent
        for block, target in zip(self.decoder, sizes[-2::-1], strict=True):
            x = block(functional.interpolate(x, size=list(target), mode="nearest"))
        decoded: Tensor = self.end(x)
        return decoded

    def read(
        self,
        images: Float[Tensor, "batch 3 h w"],  # noqa: ARG002
        output: ForensicTransferOutput,
    ) -> Values:
        """a_1 − a_0."""
        return {S_ACT.column: output.fake - output.real}


def _block(wide: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(wide, out, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()
    )
