"""ForensicTransfer's activation loss on a ResNet without a decoder: the variant others compare with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from fakeforensics.metrics.spec import Scores, ScoreSpec
from fakeforensics.models.card import Architecture, Sees
from fakeforensics.models.detector import Labels, Values
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.models.shallow import ShallowDetector
from fakeforensics.params import Count, Group

S_ACT = ScoreSpec(
    name="act",
    label="S_ACT",
    title="activation of the fake half minus that of the real half",
    column="score_act",
    scale="real",
)


class ForensicTransferResnetSettings(Group):
    """Settings of the variant.

    Args:
        latent: Length of the latent code; its first half is for reals, its second for fakes.
    """

    latent: Annotated[Count, Field(ge=2, multiple_of=2)] = 16


def activation_loss(real: Labels, fake: Labels, label: Labels) -> Labels:
    """L_ACT = |a_1 − 1(y = 1)| + |a_0 − 1(y = 0)| of each image.

    Args:
        real: a_0, the mean absolute activation of the half for reals.
        fake: a_1, that of the half for fakes.
        label: y, 0 real or 1 fake.
    """
    return (fake - label).abs() + (real - (1 - label)).abs()


class ForensicTransferResnet(ShallowDetector):
    """The activation loss alone, on a ResNet to its third stage and one linear layer.

    The authors of Deep Distribution Transfer compare with this network and call it ForensicTransfer. The
    network of that paper is the detector `forensic_transfer`. This one has no residual, no decoder and
    therefore no reconstruction loss. The half for reals comes first.

    Differences from the public code: it averages the two terms of the loss; here they are added, which makes
    no difference to Adam. The learning rate is constant, because the code's schedule is commented out. The
    code stops early by the test images; this detector uses validation images.

    Source:
        ForensicEncoder1 and train_forensic_transfer.py of shivangi-aneja/DDT at d03c1af; Cozzolino et al.,
        ForensicTransfer, arXiv 1812.02510, for the loss.
    """

    name: ClassVar[str] = "forensic_transfer_resnet"
    label: ClassVar[str] = "FT-ResNet"
    title: ClassVar[str] = "ForensicTransfer's activation loss on a ResNet, without its decoder"
    sees: ClassVar[Sees] = "reals+fakes"
    scores: ClassVar[Scores] = (S_ACT,)
    Settings: ClassVar[type[Group]] = ForensicTransferResnetSettings
    recipe: ClassVar[Mapping[str, Any]] = {
        "train.crop_size": 256,
        "train.learning_rate": 1e-3,
        "train.lr_decay": 1.0,
        "train.batch_size": 128,
        "train.patience": 10,
        "augment.flip_prob": 0.5,
        "augment.vertical_flip_prob": 0.5,
    }
    settings: ForensicTransferResnetSettings

    def __init__(self, architecture: Architecture, settings: Group) -> None:
        super().__init__(architecture, settings)
        self.latent = nn.Linear(self.width, self.settings.latent)

    @property
    def preprocess(self) -> Preprocess:
        """Channels in [−1, 1], as the public code normalizes them."""
        half = (0.5, 0.5, 0.5)
        return Preprocess(crop_size=self.architecture.crop_size, mean=half, std=half)

    def forward(self, images: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch 2"]:
        """The mean absolute activations of the halves for reals and for fakes."""
        code = self.code(images)
        with torch.autocast(images.device.type, enabled=False):
            halves: Tensor = self.latent(code).abs().unflatten(1, (2, -1)).mean(dim=2)
        return halves

    def losses(
        self,
        images: Float[Tensor, "batch 3 h w"],  # noqa: ARG002
        output: Float[Tensor, "batch 2"],
        labels: Labels,
    ) -> Labels:
        """L_ACT of each image."""
        return activation_loss(output[:, 0], output[:, 1], labels)

    def read(
        self,
        images: Float[Tensor, "batch 3 h w"],  # noqa: ARG002
        output: Float[Tensor, "batch 2"],
    ) -> Values:
        """a_1 − a_0; above 0 the half for fakes is more active."""
        return {S_ACT.column: output[:, 1] - output[:, 0]}
