"""OC-CNN: a classifier that tells reals' features from Gaussian noise around zero; only reals are seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from fakeforensics.metrics.spec import Scores, ScoreSpec
from fakeforensics.models.card import Architecture, Sees
from fakeforensics.models.detector import Labels, Values
from fakeforensics.models.late import LateDetector
from fakeforensics.params import Flag, Group, Number

S_OCC = ScoreSpec(
    name="occ",
    label="S_OCC",
    title="logit of noise against real",
    column="occ_logit",
    scale="logit",
)


class OcCnnSettings(Group):
    """Settings of OC-CNN. The first choice of each is the paper's.

    Args:
        sigma: σ of the noise. 0.01 in the paper and the code's parameter files, 1.0 by default on the code's
            command line.
        classifier: `fc`, a fully connected layer before the softmax layer; `linear`, the softmax layer alone,
            as in the code.
        relu: Whether features and noise go through a ReLU, as in the code.
    """

    sigma: Annotated[Number, Field(gt=0)] = 0.01
    classifier: Literal["fc", "linear"] = "fc"
    relu: Flag = False


class OcCnn(LateDetector):
    """−1/(2K) Σ [y log p + (1 − y) log(1 − p)] over K features and as many vectors of noise N(0, σ² I).

    Features are normalized: each vector has mean 0 and variance 1. Each image is paired with one vector of
    noise, and its loss is the mean of the two. The score is the logit of 1 − p(target).

    Normalized features have the length √D, and the noise has 0.01 √D. Any classifier with a bias separates
    them at once, so the number of steps decides what is learned. It is 200 here; the code has 1000 in its
    parameter files, 200 in its example and 220 as the default of its command line.

    Differences from paper and code: the paper trains the fully connected layers of AlexNet or VGG16 on frozen
    convolutions (`train.backbone: vgg16`). Of a ResNet, the fourth stage is trained. The code's target is
    class 0; the paper's text says 1. The code takes the features before their last ReLU and scores by the
    output for noise without the softmax; this module does neither. OC-SVM+, a one-class SVM on the learned
    features, is not part of this module.

    Source:
        Oza and Patel, One-Class Convolutional Neural Network, IEEE Signal Processing Letters 26, 2019;
        otkupjnoz/oc-cnn at 11ce202.
    """

    name: ClassVar[str] = "oc_cnn"
    label: ClassVar[str] = "OC-CNN"
    title: ClassVar[str] = "one-class: real features against noise around zero"
    sees: ClassVar[Sees] = "reals"
    scores: ClassVar[Scores] = (S_OCC,)
    Settings: ClassVar[type[Group]] = OcCnnSettings
    recipe: ClassVar[Mapping[str, Any]] = {
        "train.learning_rate": 1e-4,
        "train.lr_decay": 1.0,
        "train.batch_size": 64,
        "train.max_steps": 200,
        "train.patience": 200,
        "train.max_epochs": 200,
    }
    settings: OcCnnSettings
    quiet_noise: Tensor

    def __init__(self, architecture: Architecture, settings: Group) -> None:
        super().__init__(architecture, settings)
        hidden = [nn.Linear(self.width, self.width), nn.ReLU()] if self.settings.classifier == "fc" else []
        # One vector for all of validation, whose loss must not depend on chance: a normal's quantiles.
        steps = torch.arange(1, self.width + 1, dtype=torch.float64) / (self.width + 1)
        self.register_buffer("quiet_noise", torch.special.ndtri(steps).float(), persistent=False)
        self.classifier = nn.Sequential(*hidden, nn.Linear(self.width, 2))

    def forward(self, images: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch two"]:
        """Logits of noise against real: of each image, and of its noise if one was drawn.

        Noise is drawn in training mode, and the same in every validation.
        """
        code = self.code(images)
        with torch.autocast(images.device.type, enabled=False):
            features = functional.layer_norm(code, code.shape[1:])
            return torch.stack([self.logit(features), self.logit(self._noise(features))], dim=1)

    def logit(self, features: Float[Tensor, "batch width"]) -> Labels:
        """The logit of noise, log p(noise) − log p(target), of normalized features or noise."""
        if self.settings.relu:
            features = features.relu()
        target, noise = self.classifier(features).unbind(dim=1)
        difference: Tensor = noise - target
        return difference

    def _noise(self, features: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        if self.training:
            return self.settings.sigma * torch.randn_like(features)
        noise: Tensor = self.quiet_noise.expand_as(features)
        return self.settings.sigma * noise

    def losses(
        self,
        images: Float[Tensor, "batch 3 h w"],  # noqa: ARG002
        output: Float[Tensor, "batch two"],
        labels: Labels,  # noqa: ARG002
    ) -> Labels:
        """½ [−log p(target | image) − log p(noise | noise)] of each image."""
        image, noise = output.unbind(dim=1)
        return 0.5 * (functional.softplus(image) + functional.softplus(-noise))

    def read(
        self,
        images: Float[Tensor, "batch 3 h w"],  # noqa: ARG002
        output: Float[Tensor, "batch two"],
    ) -> Values:
        """The logit of 1 − p(target)."""
        return {S_OCC.column: output[:, 0]}
