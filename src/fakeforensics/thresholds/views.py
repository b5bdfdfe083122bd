"""The scores that thresholds are chosen on: S_SL, S_CD, and both fused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fakeforensics.errors import UserError
from fakeforensics.scores.table import log_distance, score_columns

FUSED = "fused"


@dataclass(frozen=True)
class View:
    """One score on the scale on which rules work: S_CD by its logarithm, since distances are skewed.

    Attributes:
        name: `sl`, `cd`, `score` or `fused`.
        test: Of each test row.
        validation: Of each validation row.
        native: From this scale back to the score's own.
    """

    name: str
    test: Float[np.ndarray, " rows"]
    validation: Float[np.ndarray, " validation"]
    native: Callable[[float], float]


def make_views(table: pd.DataFrame, validation: pd.DataFrame) -> list[View]:
    """One view for each score, and one for both fused where there are two.

    Fusing is a logistic regression on both, fitted on validation.

    Raises:
        UserError: If validation lacks a score, or a score is not finite.
    """
    views = []
    for name, column in score_columns(table).items():
        if column not in validation:
            raise UserError(f"the validation scores lack {column}", fix="run the evaluate stage again")
        parts = []
        for rows, where in ((table, "test"), (validation, "validation")):
            values = rows[column].to_numpy(dtype=np.float64)
            if not np.isfinite(values).all():
                raise UserError(f"{where} scores: {column} holds values that are not finite numbers")
            parts.append(log_distance(values) if name == "cd" else values)
        views.append(View(name, parts[0], parts[1], _exp if name == "cd" else float))
    if len(views) == 2:
        views.append(_fuse(views, validation["label"].to_numpy()))
    return views


def _fuse(views: list[View], labels: np.ndarray) -> View:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(np.stack([view.validation for view in views], axis=1), labels)
    test, validation = (
        model.decision_function(np.stack([getattr(view, part) for view in views], axis=1))
        for part in ("test", "validation")
    )
    return View(FUSED, test, validation, native=float)


def _exp(value: float) -> float:
    return float(np.exp(value))
