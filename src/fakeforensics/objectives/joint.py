"""Both objectives at once, equation 3.5 of the thesis."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from fakeforensics.models.detector import DetectorOutput
from fakeforensics.objectives.bce import bce_loss
from fakeforensics.objectives.objective import Objective, Scores
from fakeforensics.objectives.sad import sad_loss


class Joint(Objective):
    """λ L_sad + L_bce: needs the centre and the classifier, scores S_SL and S_CD.

    Args:
        lambda_: λ, the weight of L_sad, at least 0. With 0 the gradients, and so the weights, are L_bce's.
    """

    name = "joint"
    uses_centre = True
    uses_classifier = True

    def __init__(self, lambda_: float) -> None:
        self.lambda_ = lambda_

    def losses(self, output: DetectorOutput, label: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """L = λ L_sad + L_bce of each sample (equation 3.5)."""
        return self.lambda_ * sad_loss(output.distance, label) + bce_loss(output.logit, label)

    def scores(self, output: DetectorOutput) -> Scores:
        """S_SL, its logit, and S_CD."""
        return {
            "score_sl": output.logit.sigmoid(),
            "logit": output.logit,
            "score_cd": output.distance,
        }
