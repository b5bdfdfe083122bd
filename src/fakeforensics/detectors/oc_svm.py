"""One-class support vector machine on a backbone's features; only real images are seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from fakeforensics.metrics.spec import Scores, ScoreSpec
from fakeforensics.models.card import Sees
from fakeforensics.models.detector import HeadDetector
from fakeforensics.params import Count, Group, Number

S_OC = ScoreSpec(
    name="oc", label="S_OC", title="distance beyond the boundary", column="score_oc", scale="real"
)


class OcSvmSettings(Group):
    """Settings of the one-class SVM.

    Args:
        nu: ν, an upper bound on the share of training reals outside the boundary.
        gamma: γ of the kernel exp(−γ ‖x − x'‖²); `scale` takes 1 / (number of features · their variance).
        most_reals: The most training reals that are used; a seeded sample is drawn from more, since time and
            memory grow with the square of their number.
    """

    nu: Annotated[Number, Field(gt=0, le=1)] = 0.1
    gamma: Annotated[Number, Field(gt=0)] | Literal["scale"] = "scale"
    most_reals: Annotated[Count, Field(ge=2)] = 10_000


class OcSvm(HeadDetector):
    """ρ − ⟨w, Φ(x)⟩ of features standardized by the training reals; above 0 outside the boundary.

    Source:
        Schölkopf et al., Estimating the Support of a High-Dimensional Distribution, Neural Computation 13,
        2001: min ½‖w‖² + 1/(νn) Σξ − ρ with ⟨w, Φ(x)⟩ ≥ ρ − ξ.
    """

    name: ClassVar[str] = "oc_svm"
    label: ClassVar[str] = "OC-SVM"
    title: ClassVar[str] = "one-class SVM on the features of the backbone as it starts"
    sees: ClassVar[Sees] = "reals"
    scores: ClassVar[Scores] = (S_OC,)
    Settings: ClassVar[type[Group]] = OcSvmSettings
    settings: OcSvmSettings

    def fit(
        self,
        features: Float[np.ndarray, "n dim"],
        labels: Int[np.ndarray, " n"],  # noqa: ARG002
        seed: int,
    ) -> dict[str, np.ndarray]:
        """Fit the boundary; see `HeadDetector.fit`."""
        from sklearn.svm import OneClassSVM

        if len(features) > self.settings.most_reals:
            rows = np.random.default_rng(seed).choice(len(features), self.settings.most_reals, replace=False)
            features = features[np.sort(rows)]
        mean, deviation = features.mean(axis=0), features.std(axis=0)
        deviation[deviation == 0] = 1.0
        x = (features - mean) / deviation
        svm = OneClassSVM(kernel="rbf", nu=self.settings.nu, gamma=self.settings.gamma).fit(x)
        gamma = 1 / (x.shape[1] * x.var()) if self.settings.gamma == "scale" else self.settings.gamma
        return {
            "mean": mean,
            "deviation": deviation,
            "support": svm.support_vectors_,
            "weights": svm.dual_coef_[0],
            "rho": -svm.intercept_,
            "gamma": np.array([gamma]),
        }

    def read(
        self, features: Float[Tensor, "batch dim"], fitted: Mapping[str, Tensor]
    ) -> dict[str, Float[Tensor, " batch"]]:
        """ρ − Σ α_i exp(−γ ‖x − x_i‖²) over the support vectors x_i."""
        x = (features - fitted["mean"]) / fitted["deviation"]
        support = fitted["support"]
        # ‖x − x_i‖² = ‖x‖² + ‖x_i‖² − 2 ⟨x, x_i⟩ needs no tensor of batch x support x dim.
        squares = x.square().sum(dim=1, keepdim=True) + support.square().sum(dim=1) - 2 * x @ support.T
        kernel = torch.exp(-fitted["gamma"] * squares.clamp_min(0))
        return {S_OC.column: fitted["rho"] - kernel @ fitted["weights"]}
