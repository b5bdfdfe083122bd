"""Both losses at once, equation 3.5 of the thesis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from fakeforensics.detectors.bce import bce_loss
from fakeforensics.detectors.sad import sad_loss
from fakeforensics.metrics.spec import Scores
from fakeforensics.models.card import Sees
from fakeforensics.models.latent import S_CD, S_SL, CenterSettings, LatentDetector, LatentOutput
from fakeforensics.params import Group, Lambda


class JointSettings(CenterSettings):
    """Settings of the joint detector.

    Args:
        lambda_: λ, the weight of L_sad, at least 0; `lambda` in files. With 0 the gradients, and so the
            weights, are those of L_bce.
    """

    lambda_: Annotated[Lambda, Field(alias="lambda")]


class Joint(LatentDetector):
    """λ L_sad + L_bce, scored by S_SL (equation 3.6) and by S_CD (equation 3.3)."""

    name: ClassVar[str] = "joint"
    label: ClassVar[str] = "BCE+SAD"
    title: ClassVar[str] = "binary cross-entropy and semi-supervised anomaly detection together"
    sees: ClassVar[Sees] = "reals+fakes"
    scores: ClassVar[Scores] = (S_SL, S_CD)
    Settings: ClassVar[type[Group]] = JointSettings
    inherits: ClassVar[Mapping[str, str]] = {"center": "train.center", "lambda": "lambda"}
    settings: JointSettings

    def losses(
        self,
        images: Float[Tensor, "batch 3 h w"],  # noqa: ARG002
        output: LatentOutput,
        labels: Float[Tensor, " batch"],
    ) -> Float[Tensor, " batch"]:
        """L = λ L_sad + L_bce of each sample (equation 3.5)."""
        return self.settings.lambda_ * sad_loss(output.distance, labels) + bce_loss(output.logit, labels)
