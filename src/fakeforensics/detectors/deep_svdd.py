"""Deep support vector data description, one-class: only real images are seen."""

from __future__ import annotations

from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from fakeforensics.metrics.spec import Scores
from fakeforensics.models.card import Sees
from fakeforensics.models.latent import S_CD, CenterSettings, LatentDetector, LatentOutput
from fakeforensics.params import Group


class DeepSvddSettings(CenterSettings):
    """Settings of Deep SVDD.

    Args:
        center: `init` keeps the center as first computed, as the paper does: a center that follows the codes
            makes the trivial solution, all codes on the center, easier to reach.
    """

    center: Literal["init", "epoch"] = "init"


class DeepSvdd(LatentDetector):
    """The mean squared distance of reals to the center, scored by that distance (equation 3.3).

    Equation 3.1 without fakes is this loss. The network differs from the paper's, which has no bias terms and
    no affine normalization: here codes can collapse into the center, which training warns of.

    Source:
        Ruff et al., Deep One-Class Classification, ICML 2018, the one-class objective.
    """

    name: ClassVar[str] = "deep_svdd"
    label: ClassVar[str] = "Deep SVDD"
    title: ClassVar[str] = "one-class: reals near a center"
    sees: ClassVar[Sees] = "reals"
    scores: ClassVar[Scores] = (S_CD,)
    Settings: ClassVar[type[Group]] = DeepSvddSettings
    uses_classifier: ClassVar[bool] = False

    def losses(
        self,
        images: Float[Tensor, "batch 3 h w"],  # noqa: ARG002
        output: LatentOutput,
        labels: Float[Tensor, " batch"],  # noqa: ARG002
    ) -> Float[Tensor, " batch"]:
        """d² = ‖f(x) − c‖² of each sample; all of them are real."""
        return output.distance
