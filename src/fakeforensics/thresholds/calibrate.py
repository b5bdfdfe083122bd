"""From a score to a probability: temperature, Platt and isotonic calibration, fitted on validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit, logit, xlogy
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from fakeforensics.errors import UserError
from fakeforensics.metrics.ranking import need_both_classes, rank
from fakeforensics.metrics.spec import CalibratorKind

SURE = 1e-6  # probabilities are kept this far from 0 and 1, where the log loss would be infinite


@dataclass(frozen=True)
class Calibrator:
    """A rising function from a score to the probability of fake.

    Attributes:
        kind: `none` (a sigmoid as it is), `temperature`, `platt` or `isotonic`.
        slope: For all but isotonic: p = σ(slope · score + intercept).
        intercept: Likewise.
        x: For isotonic: scores, ascending; linear between them, constant outside.
        y: For isotonic: the probabilities there.
    """

    kind: CalibratorKind
    slope: float = 1.0
    intercept: float = 0.0
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()

    def __call__(self, scores: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Probabilities of fake."""
        if self.kind == "isotonic":
            probabilities: np.ndarray = np.interp(scores, self.x, self.y)
        else:
            probabilities = expit(self.slope * scores + self.intercept)
        return probabilities

    def as_dict(self) -> dict[str, Any]:
        """As decision.json holds it."""
        if self.kind == "isotonic":
            return {"kind": self.kind, "x": list(self.x), "y": list(self.y)}
        return {"kind": self.kind, "slope": self.slope, "intercept": self.intercept}


def fit_calibrator(
    kind: CalibratorKind, scores: Float[np.ndarray, " n"], labels: Int[np.ndarray, " n"]
) -> Calibrator:
    """Fit a calibrator through scikit-learn.

    Args:
        kind: `temperature` is meant for logits only.
        scores: Validation scores.
        labels: 0 real, 1 fake.

    Returns:
        Never one that falls: where validation ranks fakes below reals, the score says nothing and every
        probability is validation's share of fakes.

    Raises:
        UserError: If a class is absent or a score is not finite.
    """
    need_both_classes(rank(scores, labels, "validation"), "validation")
    if kind == "none":
        return Calibrator("none")
    method = {"platt": "sigmoid"}.get(kind, kind)
    # Nothing but the calibrator is fitted, so there is nothing to hold out, and few images are enough.
    everything = np.arange(scores.size)
    model = CalibratedClassifierCV(
        FrozenEstimator(_GivenScore().fit(None, None)),
        method=method,
        cv=[(everything, everything)],
        ensemble=False,
    )
    model.fit(scores[:, None], labels)
    inner = model.calibrated_classifiers_[0].calibrators[0]
    if kind == "isotonic":
        return Calibrator(
            kind, x=tuple(map(float, inner.X_thresholds_)), y=tuple(map(float, inner.y_thresholds_))
        )
    if kind == "platt":
        slope, intercept = -float(inner.a_), -float(inner.b_)
        if slope <= 0:
            return Calibrator(kind, 0.0, float(logit(np.mean(labels))))
        return Calibrator(kind, slope, intercept)
    # scikit-learn gives the two classes the logits (-x, x): their difference is twice the score.
    return Calibrator(kind, 2 * float(inner.beta_))


def calibration_errors(
    probabilities: Float[np.ndarray, " n"], labels: Int[np.ndarray, " n"], bins: int = 15
) -> dict[str, float]:
    """How far probabilities are from frequencies.

    Args:
        probabilities: Of fake, in [0, 1]; kept 1e-6 away from both ends for the log loss alone.
        labels: 0 real, 1 fake; one class is enough.
        bins: Of equal width.

    Returns:
        `ece`: mean over the images of their bin's gap between mean probability and share of fakes, in [0, 1];
        `nll`: mean log loss in nats; `brier`: mean squared error, in [0, 1].

    Raises:
        UserError: If there is no image.

    Source:
        Naeini, Cooper and Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, AAAI
        2015.
    """
    if not probabilities.size:
        raise UserError("there is no probability to judge")
    _, mean, share, count = reliability(probabilities, labels, bins)
    safe = np.clip(probabilities, SURE, 1 - SURE)
    return {
        "ece": float(count @ np.abs(mean - share) / probabilities.size),
        "nll": float(-np.mean(xlogy(labels, safe) + xlogy(1 - labels, 1 - safe))),
        "brier": float(np.mean((probabilities - labels) ** 2)),
    }


def reliability(
    probabilities: Float[np.ndarray, " n"], labels: Int[np.ndarray, " n"], bins: int = 15
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of each bin that is not empty: its number, mean probability, share of fakes, count."""
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    used = np.flatnonzero(count)
    mean = np.bincount(place, probabilities, minlength=bins)[used] / count[used]
    share = np.bincount(place, labels, minlength=bins)[used] / count[used]
    return used, mean, share, count[used]


class _GivenScore(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier whose decision function is the score that it is given."""

    def fit(self, images: Any, labels: Any) -> _GivenScore:  # noqa: ARG002
        self.classes_ = np.array([0, 1])
        return self

    def decision_function(self, images: Any) -> Any:
        return np.asarray(images)[:, 0]

    def predict(self, images: Any) -> Any:
        return (self.decision_function(images) > 0).astype(np.int64)
