"""The decision policy: which score decides, from which threshold on, and what it becomes for the reader.

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
        slope: Not for `isotonic`: p = 1 / (1 + exp(-(slope * score + intercept))); a temperature T is slope
            1 / T.
        intercept: Likewise.
        x: For `isotonic`: scores, ascending. p is linear between them and constant outside of them.
        y: For `isotonic`: the probabilities at these scores.
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
    reals. It holds for no particular share of fakes.

    Args:
        kind: `logistic` or `isotonic` regression.
        slope: For `logistic`: log10 LR = slope * score + intercept.
        intercept: Likewise.
        x: For `isotonic`: scores, ascending. log10 LR is linear between them and constant outside of them.
        y: For `isotonic`: log10 LR at these scores.
        lower: Least log10 LR that the validation images support; no smaller one is given.
        upper: Greatest, likewise.
        reals: Number of groups of validation reals behind it; a group is a video, or a photograph with its
            edits.
        fakes: Number of groups of validation fakes.
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
        """log10 LR of a score or of an array of scores, between the bounds.

        Raises:
            UserError: If a score is not finite.
        """
        values = self.unbounded(_finite(scores)).clip(self.lower, self.upper)
        return values if isinstance(scores, np.ndarray) else float(values)

    def unbounded(self, scores: np.ndarray) -> np.ndarray:
        """log10 LR before the bounds."""
        if self.kind == "isotonic":
            return np.asarray(np.interp(scores, self.x, self.y))
        return np.asarray(self.slope * scores + self.intercept)


class ConformalCut(Group):
    """From where to where a verdict has a stated error rate.

    Args:
        error_rate: The most reals called fake, and the most fakes called real, in the mean over images like
            those behind the cuts.
        fake_from: Scores at or above it are compatible with reals no longer; None if that cannot be known, as
            with too few reals.
        real_to: Scores at or below it are compatible with fakes no longer; None likewise.
    """

    error_rate: ErrorRate
    fake_from: Number | None = None
    real_to: Number | None = None

    def verdict(self, score: float) -> Verdict:
        """Fake or real if the score is compatible with that class alone, otherwise inconclusive."""
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
        images: Which images these were.
    """

    reals: Annotated[Count, Field(ge=0)]
    fakes: Annotated[Count, Field(ge=0)]
    images: str


class Adapted(Group):
    """What a threshold was chosen from that holds for one batch of files alone.

    Args:
        known_reals: Number of known real images of the files' domain.
        scores: Number of scores of the files, without labels.
        fake_share: Estimated share of fakes among the files; None if it cannot be estimated.
        fake_share_interval: Its 95% interval.
        fallback: Why known reals alone gave the threshold, by the conformal rule; empty if they did not.
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
        threshold: On that score's own scale; the verdict is fake at or above it, unless `inconclusive` is
            given.
        chosen: How the threshold was chosen, for the reader.
        calibrator: From the score to a probability; None if none was fitted.
        likelihood_ratio: From the score to a likelihood ratio; None if validation supports none.
        no_likelihood_ratio: Why there is none.
        conformal: Cuts from validation, by error rate.
        inconclusive: The error rate of `conformal` by which verdicts are given: fake and real with at most
            that rate of errors, and otherwise inconclusive. None decides by the threshold alone.
        known_reals: Number of known real images of the user's own that the cuts of reals come from; None for
            validation.
        adapted: What the threshold was chosen from, if not from validation.
        expected_fpr: Share of reals called fake on data like the validation set; None if unknown.
        expected_fpr_upper: One-sided 95% upper bound of `expected_fpr`.
        expected_fnr: Share of fakes called real on data like the validation set; None if unknown.
        expected_calibration_error: Mean gap between probability and frequency on validation; None if unknown.
        measured_on: The images behind the expected rates.
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
        """The cut in force; None if the threshold decides."""
        return next((one for one in self.conformal if one.error_rate == self.inconclusive), None)

    def is_fake(self, scores: float | np.ndarray) -> np.ndarray:
        """Whether a score, or each of several, lies at or above the threshold.

        Raises:
            UserError: If a score is not finite.
        """
        return np.asarray(_finite(scores) >= self.threshold)

    def verdict(self, score: float) -> Verdict:
        """Fake at or above the threshold; by the cut in force, if inconclusive verdicts are asked for."""
        called_fake = self.is_fake(score)  # refuses NaN and infinity
        if self.cut is not None:
            return self.cut.verdict(score)
        return "fake" if called_fake else "real"


def _finite(scores: float | np.ndarray) -> np.ndarray:
    values = np.asarray(scores, dtype=np.float64)
    if bad := int(np.count_nonzero(~np.isfinite(values))):
        raise UserError(
            f"{bad} of {values.size} scores are not finite numbers, which have no verdict and no probability",
            fix="a detector that gives NaN or infinity is broken: train again",
        )
    return values


def read_decision(path: Path) -> Decision:
    """Read a decision policy.

    Raises:
        UserError: If the file is missing, not JSON, or not a decision policy.
    """
    return parse(Decision, read_json(path), str(path), REPEAT)
