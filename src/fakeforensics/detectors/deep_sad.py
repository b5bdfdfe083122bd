"""Deep semi-supervised anomaly detection: reals near a fixed center, fakes away from it, others near it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from fakeforensics.metrics.spec import Scores
from fakeforensics.models.card import Sees
from fakeforensics.models.latent import S_CD, CenterSettings, LatentDetector, LatentOutput
from fakeforensics.params import Group, Number, Probability

EPS = 1e-6
UNLABELED = -1


class DeepSadSettings(CenterSettings):
    """Settings of Deep SAD.

    Args:
        center: `init`, as in the paper, keeps the first center; `epoch` computes it again after each epoch.
        eta: η, the weight of labeled images beside unlabeled ones.
        unlabeled_reals: Share of the training reals whose label is hidden, drawn by the run's seed. The paper
            hides all of them.
        unlabeled_fakes: The same for fakes: the pollution of the unlabeled images.
    """

    center: Literal["init", "epoch"] = "init"
    eta: Annotated[Number, Field(gt=0)] = 1.0
    unlabeled_reals: Probability = 0.0
    unlabeled_fakes: Probability = 0.0


def deep_sad_loss(
    distance: Float[Tensor, " batch"], label: Float[Tensor, " batch"], eta: float
) -> Float[Tensor, " batch"]:
    """d² of an unlabeled image; η (d² + eps) of a labeled real, η / (d² + eps) of a labeled fake.

    Args:
        distance: d² = ‖f(x) − c‖², at least 0, float32 or wider.
        label: 0 real, 1 fake, −1 unlabeled.
        eta: η.
    """
    wide = distance + EPS
    return torch.where(label < 0, distance, eta * torch.where(label == 1, 1 / wide, wide))


class DeepSad(LatentDetector):
    """1/(n+m) Σ d² + η/(n+m) Σ (d² + eps)^y over n unlabeled and m labeled images, y = 1 real and −1 fake.

    If all labels are known and η = 1, the loss equals that of `sad`. The two differ in the center. Here, as
    in the public code, it is the mean code of *all* training images, fakes included. Coordinates near zero
    are pushed away from zero, and the center is fixed. Equation 3.2 of the thesis takes the mean of the reals
    only.

    Differences from paper and code: the paper starts from an autoencoder's weights. The public code tries to
    do that, but looks the weights up under other names and copies none, so its published runs start from
    random weights. Here `train.weights` decides. The recipe is that of the code's README, except that the
    patience comes from params.yaml.

    Source:
        Ruff et al., Deep Semi-Supervised Anomaly Detection, ICLR 2020; lukasruff/Deep-SAD-PyTorch at 2e7aca3.
    """

    name: ClassVar[str] = "deep_sad"
    label: ClassVar[str] = "Deep SAD"
    title: ClassVar[str] = "semi-supervised anomaly detection with a fixed center of all images"
    sees: ClassVar[Sees] = "reals+fakes"
    scores: ClassVar[Scores] = (S_CD,)
    Settings: ClassVar[type[Group]] = DeepSadSettings
    recipe: ClassVar[Mapping[str, Any]] = {
        "train.learning_rate": 1e-4,
        "train.weight_decay": 0.5e-6,
        "train.batch_size": 128,
        "train.max_epochs": 150,
        "train.schedule": "steps",
        "train.milestones": (50,),
        "train.lr_factor": 0.1,
    }
    hooks_see: ClassVar[Literal["reals", "all"]] = "all"
    uses_classifier: ClassVar[bool] = False
    settings: DeepSadSettings

    def relabel(self, labels: Int[np.ndarray, " images"], seed: int) -> Int[np.ndarray, " images"]:
        """Hide the settings' shares of both labels."""
        hidden = labels.copy()
        shares = {0: self.settings.unlabeled_reals, 1: self.settings.unlabeled_fakes}
        for label, share in shares.items():
            rows = np.flatnonzero(labels == label)
            drawn = np.random.default_rng((seed, label)).permutation(rows)[: round(share * len(rows))]
            hidden[drawn] = UNLABELED
        return hidden

    def losses(
        self,
        images: Float[Tensor, "batch 3 h w"],  # noqa: ARG002
        output: LatentOutput,
        labels: Float[Tensor, " batch"],
    ) -> Float[Tensor, " batch"]:
        """The loss of each sample."""
        return deep_sad_loss(output.distance, labels, self.settings.eta)
