"""Deep Distribution Transfer: a Gaussian of each image near its class's, and images mixed in space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from fakeforensics.metrics.spec import Scores, ScoreSpec
from fakeforensics.models.card import Architecture, Sees
from fakeforensics.models.detector import Labels, Values
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.models.shallow import ShallowDetector
from fakeforensics.params import Count, Group, Probability

S_DDT = ScoreSpec(
    name="ddt",
    label="S_DDT",
    title="Wasserstein distance to real minus that to fake",
    column="score_ddt",
    scale="real",
)
_EPS = 1e-12  # √ has no finite slope at 0


class DdtSettings(Group):
    """Settings of Deep Distribution Transfer.

    Args:
        latent: Length of μ and σ; its first half is 1 in the real prototype, its second in the fake one.
        mixup: Share of training images whose right half is taken from another image of the same class. The
            public code's calls use 0, which switches it off.
    """

    latent: Annotated[Count, Field(ge=2, multiple_of=2)] = 16
    mixup: Probability = 0.5


class DdtOutput(NamedTuple):
    """The Gaussian of each image: means, at least 0, and standard deviations, both in float32."""

    mean: Float[Tensor, "batch latent"]
    deviation: Float[Tensor, "batch latent"]


def wasserstein(output: DdtOutput, prototype: Float[Tensor, " latent"]) -> Float[Tensor, " batch"]:
    """The 2-Wasserstein distance √(‖μ − m‖² + ‖σ − 1‖²) of N(μ, σ²) and N(m, 1)."""
    squares = (output.mean - prototype).square().sum(dim=1) + (output.deviation - 1).square().sum(dim=1)
    return (squares + _EPS).sqrt()


class Ddt(ShallowDetector):
    """The 2-Wasserstein distance to the prototype of the image's class; the nearest prototype decides.

    The network is a ResNet up to its third stage with pooling, then two linear layers. One gives μ, of which
    the absolute value is taken; the other gives log σ². The prototypes are N((1, 0), 1) for reals and
    N((0, 1), 1) for fakes.

    Paper and public code: the paper describes a mixture model. The code has one Gaussian per class, as this
    module does. The code samples a latent vector that it never uses. Its calls switch spatial mixup off, but
    the paper's results use it.

    Differences from the public code: the other half of a mixed image comes from the same batch, not from all
    training images of the class. A plateau of the loss is absolute here and relative (1e-4) there. Few-shot
    transfer (fine-tuning at 1e-5) is a separate run from other weights, and this module does not do it.

    Source:
        Aneja and Nießner, Generalized Zero and Few-Shot Transfer for Facial Forgery Detection, 2020;
        shivangi-aneja/DDT at cb37a9d.
    """

    name: ClassVar[str] = "ddt"
    label: ClassVar[str] = "DDT"
    title: ClassVar[str] = "latent Gaussians near the prototype of their class"
    sees: ClassVar[Sees] = "reals+fakes"
    scores: ClassVar[Scores] = (S_DDT,)
    Settings: ClassVar[type[Group]] = DdtSettings
    recipe: ClassVar[Mapping[str, Any]] = {
        "train.crop_size": 256,
        "train.learning_rate": 1e-3,
        "train.batch_size": 128,
        "train.schedule": "plateau",
        "train.lr_factor": 0.7,
        "train.plateau_patience": 5,
        "train.plateau_threshold": 1e-4,
        "train.patience": 10,
        "augment.flip_prob": 0.5,
        "augment.vertical_flip_prob": 0.5,
    }
    settings: DdtSettings
    prototypes: Tensor

    def __init__(self, architecture: Architecture, settings: Group) -> None:
        super().__init__(architecture, settings)
        self.mean = nn.Linear(self.width, self.settings.latent)
        self.log_variance = nn.Linear(self.width, self.settings.latent)
        half = torch.arange(self.settings.latent) < self.settings.latent // 2
        self.register_buffer("prototypes", torch.stack([half, ~half]).float(), persistent=False)

    @property
    def preprocess(self) -> Preprocess:
        """Channels in [−1, 1], as the public code normalizes them."""
        half = (0.5, 0.5, 0.5)
        return Preprocess(crop_size=self.architecture.crop_size, mean=half, std=half)

    def mix(self, images: Float[Tensor, "batch 3 h w"], labels: Labels) -> Float[Tensor, "batch 3 h w"]:
        """Take the right half of some images from another image of the same class."""
        partner = torch.arange(len(images), device=images.device)
        for label in labels.unique():  # type: ignore[no-untyped-call]
            rows = torch.nonzero(labels == label).squeeze(1)
            rows = rows[torch.randperm(len(rows), device=images.device)]
            partner[rows] = rows.roll(1)
        chosen = torch.rand(len(images), 1, 1, 1, device=images.device) < self.settings.mixup
        right = torch.arange(images.shape[3], device=images.device) >= images.shape[3] // 2
        return torch.where(chosen & right, images[partner], images)

    def forward(self, images: Float[Tensor, "batch 3 h w"]) -> DdtOutput:
        """The Gaussian of each normalized image."""
        code = self.code(images)
        with torch.autocast(images.device.type, enabled=False):
            return DdtOutput(self.mean(code).abs(), (0.5 * self.log_variance(code)).exp())

    def losses(
        self,
        images: Float[Tensor, "batch 3 h w"],  # noqa: ARG002
        output: DdtOutput,
        labels: Labels,
    ) -> Labels:
        """The distance of each image to the prototype of its class."""
        real, fake = self._distances(output)
        return torch.where(labels == 1, fake, real)

    def read(self, images: Float[Tensor, "batch 3 h w"], output: DdtOutput) -> Values:  # noqa: ARG002
        """The distance to the real prototype minus that to the fake one; above 0 the latter is nearer."""
        real, fake = self._distances(output)
        return {S_DDT.column: real - fake}

    def distance(self, output: DdtOutput) -> Labels:
        """The distance to the real prototype."""
        return self._distances(output)[0]

    def _distances(self, output: DdtOutput) -> tuple[Labels, Labels]:
        return wasserstein(output, self.prototypes[0]), wasserstein(output, self.prototypes[1])
