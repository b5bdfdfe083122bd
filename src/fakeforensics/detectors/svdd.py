"""Support vector data description: the smallest ball around the features of real images."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from fakeforensics.metrics.spec import Scores, ScoreSpec
from fakeforensics.models.card import DetectorCard, Sees
from fakeforensics.models.detector import HeadDetector, Values
from fakeforensics.models.kernels import (
    USED,
    Kernel,
    expansion,
    kernel_matrix,
    note_images_used,
    resolve_gamma,
    sample_rows,
    standardize,
    standardized,
)
from fakeforensics.models.svdd_dual import solve_ball
from fakeforensics.params import Count, Flag, Group, Number

log = logging.getLogger(__name__)

S_BALL = ScoreSpec(
    name="ball",
    label="S_BALL",
    title="squared distance beyond the ball's surface",
    column="score_ball",
    scale="real",
)
Share = Annotated[Number, Field(gt=0, le=1)]


class SvddSettings(Group):
    """Settings of the support vector data description.

    Args:
        kernel: `linear`, a ball around the features themselves, or `rbf`, exp(−γ ‖x − x'‖²). With `rbf` and
            without fakes the ranking is that of `oc_svm`.
        nu: ν, an upper bound on the share of training reals outside the ball; C = 1 / (ν n).
        gamma: γ of `rbf`; `scale` takes 1 / (number of features · their variance).
        standardize: Divide each feature by its standard deviation among the training reals. The public code
            of OC-CNN (SVDD_v2.m), whose baseline is the linear kernel, does not.
        most_images: The most training images that are used; a seeded sample is drawn from more, since time
            and memory grow with the square of their number. The model's card says so.
    """

    kernel: Kernel = "linear"
    nu: Share = 0.1
    gamma: Annotated[Number, Field(gt=0)] | Literal["scale"] = "scale"
    standardize: Flag = True
    most_images: Annotated[Count, Field(ge=2, le=5_000)] = 5_000


class Svdd(HeadDetector):
    """‖Φ(x) − a‖² − R², above 0 outside the ball.

    min R² + C Σξ with ‖Φ(x) − a‖² ≤ R² + ξ. Its dual is max Σ α_i K_ii − ΣΣ α_i α_j K_ij with 0 ≤ α ≤ C and
    Σα = 1. The center is a = Σ α_i Φ(x_i).

    Source:
        Tax and Duin, Support Vector Data Description, Machine Learning 54, 2004, section 2.1; 2.2 adds fakes
        (the detector `svdd_fakes`). scikit-learn and the released libsvm do not solve it.
    """

    name: ClassVar[str] = "svdd"
    label: ClassVar[str] = "SVDD"
    title: ClassVar[str] = "smallest ball around the reals' features of the backbone as it starts"
    sees: ClassVar[Sees] = "reals"
    scores: ClassVar[Scores] = (S_BALL,)
    Settings: ClassVar[type[Group]] = SvddSettings
    settings: SvddSettings

    @property
    def card(self) -> DetectorCard:
        """The card, whose title says if a sample was drawn."""
        return note_images_used(super().card, self.fitted, "fitted on a sample of {used} of {all} images")

    def bounds(self, labels: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """C of each image."""
        return np.full(len(labels), 1 / (self.settings.nu * len(labels)))

    def fit(
        self, features: Float[np.ndarray, "n dim"], labels: Int[np.ndarray, " n"], seed: int
    ) -> dict[str, np.ndarray]:
        """Find the ball; see `HeadDetector.fit`."""
        count = len(features)
        rows = sample_rows(count, self.settings.most_images, seed)
        x, labels = features[rows], labels[rows]
        fitted: dict[str, np.ndarray] = {USED: np.array([len(x), count])}
        if self.settings.standardize:
            x, scaling = standardize(x, x[labels == 0])
            fitted |= scaling
        gamma = None
        if self.settings.kernel == "rbf":
            gamma = resolve_gamma(self.settings.gamma, x[labels == 0])
            fitted["gamma"] = np.array([gamma])
        points = torch.from_numpy(np.ascontiguousarray(x))
        gram = kernel_matrix(points, points, gamma).numpy()
        ball = solve_ball(gram, np.where(labels == 0, 1.0, -1.0), self.bounds(labels))
        if not ball.converged:
            log.warning("%s: the optimization ended before it converged; the ball is approximate", self.name)
        inside = np.flatnonzero(ball.weights)
        # ‖Φ(x) − a‖² = K(x, x) − 2 Σ β_i K(x_i, x) + ‖a‖²
        return {
            **fitted,
            "support": x[inside],
            "weights": ball.weights[inside],
            "offset": np.array([ball.center_square - ball.radius_square]),
        }

    def read(self, features: Float[Tensor, "batch dim"], fitted: Mapping[str, Tensor]) -> Values:
        """K(x, x) − 2 Σ β_i K(x_i, x) + ‖a‖² − R² over the support vectors x_i."""
        own = 1.0 if "gamma" in fitted else standardized(features, fitted).square().sum(dim=1)
        return {S_BALL.column: own - 2 * expansion(features, fitted) + fitted["offset"]}
