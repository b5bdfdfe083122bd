"""Support vector data description with negative examples: a ball with the reals in it and the fakes out."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from fakeforensics.detectors.svdd import S_BALL, Share, Svdd, SvddSettings
from fakeforensics.metrics.spec import Scores
from fakeforensics.models.card import Sees
from fakeforensics.models.kernels import Kernel
from fakeforensics.params import Group


class SvddFakesSettings(SvddSettings):
    """Settings of the description with negative examples.

    Args:
        kernel: As in `svdd`, but `rbf` by default: a ball in the space of the features can seldom exclude
            fakes that lie around the mean of the reals.
        nu_fakes: An upper bound on the share of training fakes inside the ball; C₂ = 1 / (ν₂ m).
    """

    kernel: Kernel = "rbf"
    nu_fakes: Share = 0.1


class SvddFakes(Svdd):
    """‖Φ(x) − a‖² − R² of a ball that was fitted to reals and fakes.

    min R² + C₁ Σξ_i + C₂ Σξ_l with ‖Φ(x_i) − a‖² ≤ R² + ξ_i for reals and ‖Φ(x_l) − a‖² ≥ R² − ξ_l for
    fakes. The dual is that of `svdd` with α'_i = y_i α_i, y = 1 for reals and −1 for fakes, Σα' = 1 and
    α ≤ C₁ or C₂.

    Source:
        Tax and Duin, Support Vector Data Description, Machine Learning 54, 2004, section 2.2.
    """

    name: ClassVar[str] = "svdd_fakes"
    label: ClassVar[str] = "SVDD with fakes"
    title: ClassVar[str] = "ball that holds the reals' features and keeps fakes out"
    sees: ClassVar[Sees] = "reals+fakes"
    scores: ClassVar[Scores] = (S_BALL,)
    Settings: ClassVar[type[Group]] = SvddFakesSettings
    settings: SvddFakesSettings

    def bounds(self, labels: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """C₁ of each real and C₂ of each fake."""
        reals = int((labels == 0).sum())
        fakes = max(1, len(labels) - reals)
        return np.where(labels == 0, 1 / (self.settings.nu * reals), 1 / (self.settings.nu_fakes * fakes))
