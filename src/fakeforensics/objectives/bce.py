"""Binary cross-entropy, equation 3.4 of the thesis."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from fakeforensics.models.detector import DetectorOutput
from fakeforensics.objectives.objective import Objective, Scores


def bce_loss(logit: Float[Tensor, " batch"], label: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """−[ y log l(f(x)) + (1 − y) log(1 − l(f(x))) ] for each sample, from the logit of l.

    Args:
        logit: l(f(x)) before its sigmoid.
        label: y, 0 real or 1 fake.

    Returns:
        One loss a sample, at least 0; the equation's 1/N Σ is the batch mean.

    Source:
        Equation 3.4, with the minus sign that is missing there.
    """
    return functional.binary_cross_entropy_with_logits(logit, label, reduction="none")


class Bce(Objective):
    """The classifier alone: needs no centre, scores S_SL (equation 3.6)."""

    name = "bce"
    uses_centre = False
    uses_classifier = True

    def losses(self, output: DetectorOutput, label: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """L_bce of each sample."""
        return bce_loss(output.logit, label)

    def scores(self, output: DetectorOutput) -> Scores:
        """S_SL and its logit."""
        return {"score_sl": output.logit.sigmoid(), "logit": output.logit}
