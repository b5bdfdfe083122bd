"""The decision policy beside a model: which score, calibrated how, cut where."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from scipy.special import expit

from fakeforensics.errors import UserError
from fakeforensics.params import Name, Number, parse

DECISION = "decision.json"
Verdict = Literal["real", "fake"]


class Sigmoid(BaseModel):
    """Platt's p = 1 / (1 + exp(−(slope · score + intercept))); a temperature T is slope 1 / T."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    kind: Literal["none", "temperature", "platt"]
    slope: Annotated[Number, Field(ge=0)]
    intercept: Number = 0.0

    def __call__(self, score: float) -> float:
        """The probability of fake, 0 … 1."""
        return float(expit(self.slope * score + self.intercept))


class Steps(BaseModel):
    """Isotonic calibration: linear between the points (score, probability), constant outside of them."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    kind: Literal["isotonic"]
    x: Annotated[tuple[Number, ...], Field(min_length=1)]
    y: Annotated[tuple[Annotated[Number, Field(ge=0, le=1)], ...], Field(min_length=1)]

    def __call__(self, score: float) -> float:
        """The probability of fake, 0 … 1."""
        if score <= self.x[0]:
            return self.y[0]
        points = zip(self.x, self.y, strict=True)
        for (left, low), (right, high) in pairwise(points):
            if score < right:
                return low + (high - low) * (score - left) / (right - left)
        return self.y[-1]


class Decision(BaseModel):
    """How a score becomes a verdict.

    Args:
        score: Name of the score that decides, one of the model's.
        threshold: On that score's own scale; at or above it the verdict is fake.
        chosen: How the threshold was chosen, for the reader.
        calibrator: From the score to a probability; None if none was fitted.
        expected_fpr: Share of real images called fake that is to be expected on data like the validation
            set's; None if unknown.
        expected_fpr_upper: Its one-sided 95 % bound.
        expected_fnr: Likewise of fakes called real.
        expected_calibration_error: Mean gap between probability and frequency on validation; None if unknown.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    score: Name
    threshold: Number
    chosen: str
    calibrator: Annotated[Sigmoid | Steps, Field(discriminator="kind")] | None = None
    expected_fpr: Annotated[Number, Field(ge=0, le=1)] | None = None
    expected_fpr_upper: Annotated[Number, Field(ge=0, le=1)] | None = None
    expected_fnr: Annotated[Number, Field(ge=0, le=1)] | None = None
    expected_calibration_error: Annotated[Number, Field(ge=0, le=1)] | None = None

    def verdict(self, score: float) -> Verdict:
        """Fake at or above the threshold."""
        return "fake" if score >= self.threshold else "real"


def read_decision(path: Path) -> Decision:
    """Read a decision policy.

    Raises:
        UserError: If the file is missing, not JSON, or not a decision policy.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file", fix="run `dvc repro`") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON", found=str(error), fix="run `dvc repro`") from None
    return parse(Decision, value, str(path))


def validation_decision(thresholds: dict[str, Any], score: str) -> Decision | None:
    """The threshold that the threshold analysis chose on validation scores alone, by accuracy.

    Args:
        thresholds: `metrics/<protocol>/<detector>.thresholds.json`.
        score: Name of the score that decides.

    Returns:
        None if the analysis has none.
    """
    for row in thresholds.get("table_4_10", []):
        if (row["score"], row["criterion"], row["chosen_on"]) == (score, "accuracy", "validation"):
            return Decision(
                score=score, threshold=row["threshold"], chosen="highest accuracy on the validation images"
            )
    return None
