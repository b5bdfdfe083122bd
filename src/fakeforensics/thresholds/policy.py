"""The decision policy: the score that decides, its threshold, and how it becomes a probability or a ratio.

`fakeforensics.thresholds` fits a policy, `decision.json` stores it, and `fakeforensics.inference` applies it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, overload

import numpy as np
from pydantic import Field, model_serializer, model_validator

from fakeforensics.errors import UserError
from fakeforensics.metrics.spec import CalibratorKind
from fakeforensics.params import Count, Group, LikelihoodRatioKind, Name, Number, Probability
from fakeforensics.parsing import parse
from fakeforensics.reading import REPEAT, read_json

DECISION = "decision.json"
Verdict = Literal["real", "fake", "inconclusive"]
ErrorRate = Annotated[Number, Field(gt=0, lt=1)]


class Calibrator(Group):
    """A non-decreasing function from a score to the probability of fake.

    Args:
        kind: `none` (a plain sigmoid), `temperature`, `platt` or `isotonic`.
        slope: For all kinds but `isotonic`: the probability of fake is p = 1 / (1 + exp(-(slope * score +
            intercept))). A temperature T is the slope 1 / T.
        intercept: See `slope`.
        x: For `isotonic`: scores, ascending. p is linear between them and constant outside of them.
        y: For `isotonic`: the values of p at these scores.
    """

    kind: CalibratorKind
    slope: Annotated[Number, Field(ge=0)] = 1.0
    intercept: Number = 0.0
    x: tuple[Number, ...] = ()
    y: tuple[Probability, ...] = ()

    @model_validator(mode="after")
    def _fields_suit_the_kind(self) -> Calibrator:
        given = self.model_fields_set & {"slope", "intercept", "x", "y"}
        allowed = {"x", "y"} if self.kind == "isotonic" else {"slope", "intercept"}
        if given - allowed:
            raise ValueError(f"{self.kind} calibration has no {' or '.join(sorted(given - allowed))}")
        if self.kind == "isotonic":
            if not self.x or len(self.x) != len(self.y):
                raise ValueError(f"{len(self.x)} scores x and {len(self.y)} probabilities y")
            if list(self.x) != sorted(self.x) or list(self.y) != sorted(self.y):
                raise ValueError("x and y must ascend")
        elif self.kind != "none" and "slope" not in given:
            raise ValueError(f"{self.kind} calibration needs a slope")
        return self

    @model_serializer
    def _serialize(self) -> dict[str, Any]:
        if self.kind == "isotonic":
            return {"kind": self.kind, "x": list(self.x), "y": list(self.y)}
        return {"kind": self.kind, "slope": self.slope, "intercept": self.intercept}

    @overload
    def __call__(self, scores: float) -> float: ...
    @overload
    def __call__(self, scores: np.ndarray) -> np.ndarray: ...
    def __call__(self, scores: float | np.ndarray) -> float | np.ndarray:
        """The probability of fake for a score or an array of scores.

        Raises:
            UserError: If a score is not finite.
        """
        values = _finite(scores)
        if self.kind == "isotonic":
            probabilities = np.asarray(np.interp(values, self.x, self.y))
        else:
            from scipy.special import expit

            probabilities = np.asarray(expit(self.slope * values + self.intercept))
        return probabilities if isinstance(scores, np.ndarray) else float(probabilities)


class LikelihoodRatio(Group):
    """A non-decreasing function from a score to log10 of its likelihood ratio (LR).

    The LR says how many times more probable the score is among the validation fakes than among the validation
    reals. It does not depend on the share of fakes.

    Args:
        kind: `logistic` or `isotonic` regression.
        slope: For `logistic`: log10 LR = slope * score + intercept.
        intercept: See `slope`.
        x: For `isotonic`: scores, ascending. log10 LR is linear between them and constant outside of them.
        y: For `isotonic`: log10 LR at these scores.
        lower: The lowest log10 LR that the validation images support; a lower value is raised to it.
        upper: The highest log10 LR that they support; a higher value is reduced to it.
        reals: Number of groups of validation reals that it was fitted to; a group is a video, or a photograph
            with its edits.
        fakes: Number of groups of validation fakes that it was fitted to.
    """

    kind: LikelihoodRatioKind
    slope: Annotated[Number, Field(ge=0)] = 0.0
    intercept: Number = 0.0
    x: tuple[Number, ...] = ()
    y: tuple[Number, ...] = ()
    lower: Annotated[Number, Field(le=0)]
    upper: Annotated[Number, Field(ge=0)]
    reals: Annotated[Count, Field(ge=1)]
    fakes: Annotated[Count, Field(ge=1)]

    @model_validator(mode="after")
    def _fields_suit_the_kind(self) -> LikelihoodRatio:
        points = bool(self.x or self.y)
        if (self.kind == "isotonic") != points:
            raise ValueError(f"{self.kind} regression {'needs' if not points else 'has no'} points x and y")
        if len(self.x) != len(self.y):
            raise ValueError(f"{len(self.x)} scores x and {len(self.y)} values y")
        if list(self.x) != sorted(self.x) or list(self.y) != sorted(self.y):
            raise ValueError("x and y must ascend")
        return self

    @model_serializer
    def _serialize(self) -> dict[str, Any]:
        unused = ("slope", "intercept") if self.kind == "isotonic" else ("x", "y")
        return {name: value for name, value in self if name not in unused}

    @overload
    def __call__(self, scores: float) -> float: ...
    @overload
    def __call__(self, scores: np.ndarray) -> np.ndarray: ...
    def __call__(self, scores: float | np.ndarray) -> float | np.ndarray:
        """log10 LR of a score or of an array of scores, clipped to the bounds.

        Raises:
            UserError: If a score is not finite.
        """
        values = self.unbounded(_finite(scores)).clip(self.lower, self.upper)
        return values if isinstance(scores, np.ndarray) else float(values)

    def unbounded(self, scores: np.ndarray) -> np.ndarray:
        """log10 LR of an array of scores, not clipped to the bounds."""
        if self.kind == "isotonic":
            return np.asarray(np.interp(scores, self.x, self.y))
        return np.asarray(self.slope * scores + self.intercept)


class ConformalCut(Group):
    """The two thresholds of verdicts with a stated error rate.

    Args:
        error_rate: The largest expected share of reals called fake, and of fakes called real, among images
            like those that the thresholds were fitted to.
        fake_from: Scores at or above it are not compatible with reals; None if there are too few reals to
            know.
        real_to: Scores at or below it are not compatible with fakes; None if there are too few fakes to know.
    """

    error_rate: ErrorRate
    fake_from: Number | None = None
    real_to: Number | None = None

    def verdict(self, score: float) -> Verdict:
        """`fake` or `real` if the score is compatible with that class alone, otherwise `inconclusive`."""
        fits_real = self.fake_from is None or score < self.fake_from
        fits_fake = self.real_to is None or score > self.real_to
        if fits_real == fits_fake:
            return "inconclusive"
        return "real" if fits_real else "fake"


class MeasuredOn(Group):
    """The images on which the expected rates were measured.

    Args:
        reals: Number of reals.
        fakes: Number of fakes.
        images: What images these were, such as `validation`.
    """

    reals: Annotated[Count, Field(ge=0)]
    fakes: Annotated[Count, Field(ge=0)]
    images: str


class Adapted(Group):
    """The data that a threshold for one batch of files was chosen from.

    Args:
        known_reals: Number of known real images of the files' domain.
        scores: Number of scores of the files, without labels.
        fake_share: Estimated share of fakes among the files; None if it cannot be estimated.
        fake_share_interval: The 95% interval of that share; None likewise.
        fallback: Why the threshold is the conformal one, from the known reals alone; empty if it is not.
    """

    known_reals: Annotated[Count, Field(ge=1)]
    scores: Annotated[Count, Field(ge=0)]
    fake_share: Probability | None
    fake_share_interval: tuple[Probability, Probability] | None
    fallback: str


class Decision(Group):
    """How a score becomes a verdict.

    Args:
        score: Name of the deciding score, one of the model's.
        threshold: The threshold on that score's own scale. The verdict is `fake` at or above it, unless
            `inconclusive` is set.
        chosen: How the threshold was chosen, in words.
        calibrator: Maps the score to a probability; None if none was fitted.
        likelihood_ratio: Maps the score to a likelihood ratio; None if none was fitted.
        no_likelihood_ratio: Why there is no likelihood ratio; None if there is one.
        conformal: The cuts from validation, one for each error rate.
        inconclusive: The error rate of the cut in `conformal` that gives the verdicts `fake`, `real` and
            `inconclusive`. None decides by the threshold alone.
        known_reals: Number of the user's known real images that `fake_from` of the cuts was fitted to; None
            if it was fitted to validation.
        adapted: The data that the threshold was chosen from; None if it was chosen on validation.
        expected_fpr: Share of reals called fake on data like the validation set; None if unknown.
        expected_fpr_upper: One-sided 95% upper bound of `expected_fpr`.
        expected_fnr: Share of fakes called real on data like the validation set; None if unknown.
        expected_calibration_error: Mean gap between probability and frequency on validation; None if unknown.
        measured_on: The images on which the expected rates were measured.
    """

    score: Name
    threshold: Number
    chosen: str
    calibrator: Calibrator | None = None
    likelihood_ratio: LikelihoodRatio | None = None
    no_likelihood_ratio: str | None = None
    conformal: tuple[ConformalCut, ...] = ()
    inconclusive: ErrorRate | None = None
    known_reals: Count | None = None
    adapted: Adapted | None = None
    expected_fpr: Probability | None = None
    expected_fpr_upper: Probability | None = None
    expected_fnr: Probability | None = None
    expected_calibration_error: Probability | None = None
    measured_on: MeasuredOn | None = None

    @model_validator(mode="after")
    def _inconclusive_is_listed(self) -> Decision:
        if self.inconclusive is not None and self.cut is None:
            rates = ", ".join(f"{one.error_rate:g}" for one in self.conformal) or "none"
            raise ValueError(
                f"inconclusive verdicts at an error rate of {self.inconclusive:g}, but cuts for {rates}"
            )
        return self

    @property
    def cut(self) -> ConformalCut | None:
        """The cut that gives the verdicts; None if the threshold decides."""
        return next((one for one in self.conformal if one.error_rate == self.inconclusive), None)

    def is_fake(self, scores: float | np.ndarray) -> np.ndarray:
        """Whether a score, or each of several, lies at or above the threshold.

        Raises:
            UserError: If a score is not finite.
        """
        return np.asarray(_finite(scores) >= self.threshold)

    def verdict(self, score: float) -> Verdict:
        """The verdict of the cut if there is one, else `fake` for a score at or above the threshold.

        Raises:
            UserError: If the score is not finite.
        """
        called_fake = self.is_fake(score)  # rejects NaN and infinity
        if self.cut is not None:
            return self.cut.verdict(score)
        return "fake" if called_fake else "real"


def _finite(scores: float | np.ndarray) -> np.ndarray:
    values = np.asarray(scores, dtype=np.float64)
    if bad := int(np.count_nonzero(~np.isfinite(values))):
        raise UserError(
            f"{bad} of {values.size} scores are not finite numbers: they have no verdict and no probability",
            fix="a detector that returns NaN or infinity is broken: train it again",
        )
    return values


def read_decision(path: Path) -> Decision:
    """Read a decision policy.

    Raises:
        UserError: If the file is missing, not JSON, or not a decision policy.
    """
    return parse(Decision, read_json(path), str(path), REPEAT)
