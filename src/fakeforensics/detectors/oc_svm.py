"""One-class support vector machine on a backbone's features; only real images are seen."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from fakeforensics.metrics.spec import Scores, ScoreSpec
from fakeforensics.models.card import DetectorCard, Sees
from fakeforensics.models.detector import HeadDetector, Values
from fakeforensics.models.kernels import (
    USED,
    expansion,
    note_images_used,
    resolve_gamma,
    sample_rows,
    standardize,
)
from fakeforensics.params import Count, Group, Number

log = logging.getLogger(__name__)

GRID = tuple(2.0**power for power in range(-10, 3))
_MOST_IN_GRID = 2_000  # reals on which γ is chosen
S_OC = ScoreSpec(
    name="oc", label="S_OC", title="distance beyond the boundary", column="score_oc", scale="real"
)


class OcSvmSettings(Group):
    """Settings of the one-class SVM.

    Args:
        nu: ν, an upper bound on the share of training reals outside the boundary.
        gamma: γ of the kernel exp(−γ ‖x − x'‖²); `scale` takes 1 / (number of features · their variance).
            `grid` chooses from 2^-10…2^2 on reals alone: see `choose_gamma`.
        most_reals: The most training reals on which the machine is fitted exactly: time and memory grow with
            the square of their number.
        beyond: What happens with more reals: `nystroem` uses all of them and approximates the kernel,
            `sample` fits a seeded sample of `most_reals` exactly. The model's card says which was done.
        components: Reals that `nystroem` spans its approximation with.
    """

    nu: Annotated[Number, Field(gt=0, le=1)] = 0.1
    gamma: Annotated[Number, Field(gt=0)] | Literal["scale", "grid"] = "scale"
    most_reals: Annotated[Count, Field(ge=2)] = 10_000
    beyond: Literal["nystroem", "sample"] = "nystroem"
    components: Annotated[Count, Field(ge=1, le=10_000)] = 1_000


class OcSvm(HeadDetector):
    """ρ − ⟨w, Φ(x)⟩ of features standardized by the training reals; above 0 outside the boundary.

    Published comparisons choose γ by the AUC on a tenth of the test set, from 2^-7…2^2 (Deep SAD's code) or
    2^-10…2^-1 (Deep SVDD), with ν = 0.1 or 0.01. Here nothing is chosen on test images or on fakes, because a
    one-class system does not see them. γ is a setting, or is chosen from both grids on reals alone.

    Source:
        Schölkopf et al., Estimating the Support of a High-Dimensional Distribution, Neural Computation 13,
        2001: min ½‖w‖² + 1/(νn) Σξ − ρ with ⟨w, Φ(x)⟩ ≥ ρ − ξ. Beyond `most_reals`: Williams and Seeger,
        Using the Nyström Method to Speed Up Kernel Machines, NIPS 2000, and the same objective by stochastic
        gradient descent.
    """

    name: ClassVar[str] = "oc_svm"
    label: ClassVar[str] = "OC-SVM"
    title: ClassVar[str] = "one-class SVM on the features of the backbone as it starts"
    sees: ClassVar[Sees] = "reals"
    scores: ClassVar[Scores] = (S_OC,)
    Settings: ClassVar[type[Group]] = OcSvmSettings
    settings: OcSvmSettings

    @property
    def card(self) -> DetectorCard:
        """The card, whose title says what was done with too many reals."""
        how = "fitted on a sample of {used} of {all} reals"
        if self.settings.beyond == "nystroem":
            how = "its kernel approximated from {used} of {all} reals (Nyström), fitted on all by SGD"
        return note_images_used(super().card, self.fitted, how)

    def fit(
        self,
        features: Float[np.ndarray, "n dim"],
        labels: Int[np.ndarray, " n"],  # noqa: ARG002
        seed: int,
    ) -> dict[str, np.ndarray]:
        """Fit the boundary; see `HeadDetector.fit`."""
        count, settings = len(features), self.settings
        approximated = count > settings.most_reals and settings.beyond == "nystroem"
        if not approximated:
            features = features[sample_rows(count, settings.most_reals, seed)]
        x, fitted = standardize(features, features)
        gamma = (
            choose_gamma(x, settings.nu, seed)
            if settings.gamma == "grid"
            else resolve_gamma(settings.gamma, x)
        )
        machine = _nystroem(x, settings, gamma, seed) if approximated else _exact(x, settings.nu, gamma)
        used = len(machine["support"]) if approximated else len(x)
        return {**fitted, **machine, "gamma": np.array([gamma]), USED: np.array([used, count])}

    def read(self, features: Float[Tensor, "batch dim"], fitted: Mapping[str, Tensor]) -> Values:
        """ρ − Σ α_i exp(−γ ‖x − x_i‖²) over the support vectors x_i."""
        return {S_OC.column: fitted["rho"] - expansion(features, fitted)}


def choose_gamma(x: Float[np.ndarray, "n dim"], nu: float, seed: int) -> float:
    """The largest γ of the grid up to which the boundary holds for reals that it was not fitted on.

    A larger γ draws the boundary more tightly around the reals that it was fitted on. For each γ, the
    smallest first, a machine is fitted on four fifths of a sample of at most 2,000 reals. The boundary holds
    if at most the share ν + 2 √(ν (1 − ν) / m) of the remaining fifth, m reals, lies outside: ν plus two
    standard deviations.

    Args:
        x: Standardized features of reals, at least two.
        nu: ν.
        seed: Draws the sample and the fifth.

    Source:
        Tax and Müller, A Consistency-Based Model Selection for One-Class Classification, ICPR 2004.
    """
    from sklearn.svm import OneClassSVM

    order = np.random.default_rng(seed).permutation(len(x))[:_MOST_IN_GRID]
    held = max(1, len(order) // 5)
    others, reals = x[order[:held]], x[order[held:]]
    allowed = nu + 2 * np.sqrt(nu * (1 - nu) / held)
    chosen = GRID[0]
    for gamma in GRID:
        outside = OneClassSVM(nu=nu, gamma=gamma).fit(reals).decision_function(others) < 0
        if outside.mean() > allowed:
            break
        chosen = gamma
    else:
        log.info("every value of gamma in the grid fits other reals as well; the largest is used")
    return chosen


def _exact(x: Float[np.ndarray, "n dim"], nu: float, gamma: float) -> dict[str, np.ndarray]:
    from sklearn.svm import OneClassSVM

    machine = OneClassSVM(kernel="rbf", nu=nu, gamma=gamma).fit(x)
    return {
        "support": machine.support_vectors_,
        "weights": machine.dual_coef_[0],
        "rho": -machine.intercept_,
    }


def _nystroem(
    x: Float[np.ndarray, "n dim"], settings: OcSvmSettings, gamma: float, seed: int
) -> dict[str, np.ndarray]:
    """An SGD one-class SVM on Φ(x) ≈ A (K(x_i, x))_i, written as an expansion over the landmarks x_i."""
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import SGDOneClassSVM

    kernel = Nystroem(gamma=gamma, n_components=min(settings.components, len(x)), random_state=seed).fit(x)
    machine = SGDOneClassSVM(nu=settings.nu, random_state=seed).fit(kernel.transform(x))
    return {
        "support": kernel.components_,
        "weights": kernel.normalization_.T @ machine.coef_,  # ⟨w, A k⟩ = ⟨Aᵀ w, k⟩
        "rho": np.atleast_1d(machine.offset_),
    }
