"""The description of a detector's score: its name, column in the score table, scale and calibrators.

SciPy is imported inside the functions that need it, because most programs that read a description compute
nothing.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from fakeforensics.params import Group, Name

Scale = Literal["logit", "positive", "probability", "real"]
CalibratorKind = Literal["none", "temperature", "platt", "isotonic"]

# Scale → the calibrators that suit it. Only a logit has a sigmoid to use unchanged or to scale by a
# temperature.
CALIBRATORS: dict[Scale, tuple[CalibratorKind, ...]] = {
    "logit": ("none", "temperature", "platt", "isotonic"),
    "positive": ("platt", "isotonic"),
    "probability": ("platt", "isotonic"),
    "real": ("platt", "isotonic"),
}
VALIDATION = "validation"  # name of the validation images in tables of test sets
FUSED = "fused"  # name of the combination of all scores of a detector
IDENTITY = ("key", "test_set", "method", "domain", "source", "label", "group", "video", "frame")
# Columns of score tables, and keys of `predict`'s CSV and JSON, that are not scores.
RESERVED = {*IDENTITY, "file", "kind", "face", "box", "left", "top", "right", "bottom"} | {
    *("faces", "people", "probability", "log10_lr", "verdict", "outside", "error")
}
_SMALLEST = 1e-12  # zero has no logarithm, and a probability of zero or one has no logit


class ScoreSpec(Group):
    """One score of a detector. A detector declares it, `model.json` stores it, and all other code reads it.

    Example:
        >>> ScoreSpec(name="cd", label="S_CD", title="squared distance", column="score_cd", scale="positive")

    Args:
        name: Key of the score in metrics and on the command line.
        label: Short name for table headings and legends. `_XY` at its end is shown as a subscript.
        title: What the score is, in a few words, for axes, help and model cards.
        column: Column of the score table that ranks the images. A higher value is more likely fake.
        scale: `logit`: any real number whose sigmoid is a probability of fake. `positive`: at least 0 and
            skewed, such as a distance. `probability`: in [0, 1]. `real`: any real number.
        calibrators: Kinds of calibrators that may turn the score into a probability; by default all that suit
            the scale.
    """

    name: Name
    label: Annotated[str, Field(min_length=1)]
    title: Annotated[str, Field(min_length=1)]
    column: Name
    scale: Scale
    calibrators: Annotated[tuple[CalibratorKind, ...], Field(min_length=1)] = ()

    @model_validator(mode="before")
    @classmethod
    def _fill_calibrators(cls, values: Any) -> Any:
        scale = values.get("scale") if isinstance(values, dict) else None
        # A faulty card may hold a list here, which cannot be looked up.
        if isinstance(scale, str) and scale in CALIBRATORS and "calibrators" not in values:
            return values | {"calibrators": CALIBRATORS[scale]}
        return values

    @model_validator(mode="after")
    def _names_are_free(self) -> ScoreSpec:
        if self.name == FUSED:
            raise ValueError(f"the name {FUSED!r} stands for all scores fused")
        for column in (self.column, self.probability_column):
            if column in RESERVED:
                raise ValueError(f"the column name {column!r} has another meaning in tables and answers")
        return self

    @model_validator(mode="after")
    def _calibrators_suit_the_scale(self) -> ScoreSpec:
        if wrong := [kind for kind in self.calibrators if kind not in CALIBRATORS[self.scale]]:
            raise ValueError(f"the score {self.name!r} is of scale {self.scale}, which has no {wrong[0]}")
        return self

    @property
    def probability_column(self) -> str | None:
        """Column of the score table that holds a logit's sigmoid; None for other scales."""
        return f"score_{self.name}" if self.scale == "logit" else None

    @property
    def even_odds(self) -> float | None:
        """The value at which the uncalibrated probability is 0.5; None if the score has no probability."""
        return {"logit": 0.0, "probability": 0.5}.get(self.scale)

    @property
    def boundary(self) -> float | None:
        """The value between real and fake before any calibration; None for scores that are only ranked."""
        return {"logit": 0.0, "real": 0.0, "probability": 0.5}.get(self.scale)

    def probability(self, values: Any) -> np.ndarray | None:
        """The uncalibrated probability of fake for each value; None if the score has none."""
        if self.scale == "logit":
            from scipy.special import expit

            return np.asarray(expit(values))
        return np.asarray(values, dtype=np.float64) if self.scale == "probability" else None

    def to_working(self, values: Any) -> np.ndarray:
        """Convert values to the scale on which thresholds are chosen, where a class is roughly symmetric.

        A `positive` score becomes its logarithm and a `probability` its logit, because both are skewed. Other
        scores stay unchanged.
        """
        numbers = np.asarray(values, dtype=np.float64)
        if self.scale == "positive":
            return np.asarray(np.log(np.maximum(numbers, _SMALLEST)))
        if self.scale == "probability":
            from scipy.special import logit

            return np.asarray(logit(np.clip(numbers, _SMALLEST, 1 - _SMALLEST)))
        return numbers

    def from_working(self, value: float) -> float:
        """Convert a value of the working scale back to the score's own scale."""
        if self.scale == "positive":
            return float(np.exp(np.clip(value, -700, 700)))  # keeps the exponential finite
        if self.scale == "probability":
            from scipy.special import expit

            return float(expit(value))
        return float(value)


Scores = tuple[ScoreSpec, ...]

# The score in a file from elsewhere, whose scale is unknown.
EXTERNAL = ScoreSpec(name="score", label="score", title="score", column="score", scale="real")


def find_score(scores: Scores, name: str) -> ScoreSpec:
    """The score with a given name.

    Raises:
        KeyError: If there is none.
    """
    for score in scores:
        if score.name == name:
            return score
    raise KeyError(name)
