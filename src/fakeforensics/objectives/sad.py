"""Semi-supervised anomaly detection, equation 3.1 of the thesis."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from fakeforensics.models.detector import DetectorOutput
from fakeforensics.objectives.objective import Objective, Scores

EPS = 1e-6


def sad_loss(distance: Float[Tensor, " batch"], label: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """(‖f(x) − c‖²)^(1 − 2y) for each sample: d² of a real image, 1 / (d² + eps) of a fake.

    Args:
        distance: d² = ‖f(x) − c‖², at least 0, float32 or wider: 1 / eps overflows float16.
        label: y, 0 real or 1 fake.

    Returns:
        One loss a sample, at least 0; the equation's 1/N Σ is the batch mean. A fake on the centre costs
        1 / eps = 1e6.

    Source:
        Equation 3.1, after Ruff et al., Deep Semi-Supervised Anomaly Detection, ICLR 2020, whose eps keeps a
        fake's loss finite. Without fakes this is Deep SVDD's loss (Ruff et al., ICML 2018).
    """
    return (distance + EPS * label) ** (1 - 2 * label)


class Sad(Objective):
    """Distances alone: needs the centre, leaves the classifier untrained, scores S_CD (equation 3.3)."""

    name = "sad"
    uses_centre = True
    uses_classifier = False

    def losses(self, output: DetectorOutput, label: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """L_sad of each sample."""
        return sad_loss(output.distance, label)

    def scores(self, output: DetectorOutput) -> Scores:
        """S_CD."""
        return {"score_cd": output.distance}
