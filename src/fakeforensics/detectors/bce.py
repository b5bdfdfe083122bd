"""Binary cross-entropy, equation 3.4 of the thesis."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from fakeforensics.metrics.spec import Scores
from fakeforensics.models.card import Sees
from fakeforensics.models.latent import S_SL, LatentDetector, LatentOutput


def bce_loss(logit: Float[Tensor, " batch"], label: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """−[ y log l(f(x)) + (1 − y) log(1 − l(f(x))) ] of each sample, from the logit of l.

    Args:
        logit: l(f(x)) before its sigmoid.
        label: y, 0 real or 1 fake.

    Returns:
        One loss per sample, at least 0. The equation's 1/N Σ is the batch mean.

    Source:
        Equation 3.4, with the minus sign that is missing there.
    """
    return functional.binary_cross_entropy_with_logits(logit, label, reduction="none")


class Bce(LatentDetector):
    """The classifier l alone, scored by S_SL (equation 3.6). Its loss does not depend on the center."""

    name: ClassVar[str] = "bce"
    label: ClassVar[str] = "BCE"
    title: ClassVar[str] = "binary cross-entropy"
    sees: ClassVar[Sees] = "reals+fakes"
    scores: ClassVar[Scores] = (S_SL,)
    uses_center: ClassVar[bool] = False

    def losses(
        self,
        images: Float[Tensor, "batch 3 h w"],  # noqa: ARG002
        output: LatentOutput,
        labels: Float[Tensor, " batch"],
    ) -> Float[Tensor, " batch"]:
        """L_bce of each sample."""
        return bce_loss(output.logit, labels)
