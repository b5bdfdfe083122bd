"""Semi-supervised anomaly detection, equation 3.1 of the thesis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from fakeforensics.metrics.spec import Scores
from fakeforensics.models.card import Sees
from fakeforensics.models.latent import S_CD, CenterSettings, LatentDetector, LatentOutput
from fakeforensics.params import Group

EPS = 1e-6


def sad_loss(distance: Float[Tensor, " batch"], label: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """(‖f(x) − c‖²)^(1 − 2y) of each sample: d² of a real image, 1 / (d² + eps) of a fake.

    Args:
        distance: d² = ‖f(x) − c‖², at least 0, float32 or wider: 1 / eps overflows float16.
        label: y, 0 real or 1 fake.

    Returns:
        One loss per sample, at least 0. The equation's 1/N Σ is the batch mean. A fake on the center costs
        1 / eps = 1e6.

    Source:
        Equation 3.1, after Ruff et al., Deep Semi-Supervised Anomaly Detection, ICLR 2020, whose eps keeps a
        fake's loss finite.
    """
    return (distance + EPS * label) ** (1 - 2 * label)


class Sad(LatentDetector):
    """Distances to the center alone, scored by S_CD (equation 3.3). The classifier stays untrained."""

    name: ClassVar[str] = "sad"
    label: ClassVar[str] = "SAD"
    title: ClassVar[str] = "semi-supervised anomaly detection: reals near a center, fakes away from it"
    sees: ClassVar[Sees] = "reals+fakes"
    scores: ClassVar[Scores] = (S_CD,)
    Settings: ClassVar[type[Group]] = CenterSettings
    inherits: ClassVar[Mapping[str, str]] = {"center": "train.center"}
    uses_classifier: ClassVar[bool] = False

    def losses(
        self,
        images: Float[Tensor, "batch 3 h w"],  # noqa: ARG002
        output: LatentOutput,
        labels: Float[Tensor, " batch"],
    ) -> Float[Tensor, " batch"]:
        """L_sad of each sample."""
        return sad_loss(output.distance, labels)
