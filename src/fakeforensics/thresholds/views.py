"""The values that thresholds are chosen on: each score on its working scale, and all scores fused."""

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
from fakeforensics.metrics.spec import FUSED, Scores


@dataclass(frozen=True)
class View:
    """One score on the scale on which the rules work.

    Attributes:
        name: Of the score, or `fused`.
        test: The value of each test row.
        validation: The value of each validation row.
        native: Maps a value back to the score's own scale.
    """

    name: str
    test: Float[np.ndarray, " rows"]
    validation: Float[np.ndarray, " validation"]
    native: Callable[[float], float]


def make_views(table: pd.DataFrame, validation: pd.DataFrame, scores: Scores) -> list[View]:
    """One view for each score, and one for all of them fused if there are several.

    The scores are fused by a logistic regression on their working scales, fitted on validation.

    Args:
        table: The test scores.
        validation: The validation scores.
        scores: What the scores are.

    Raises:
        UserError: If validation lacks a score, or a score is not finite.
    """
    views = []
    for score in scores:
        if score.column not in validation:
            raise UserError(f"the validation scores lack {score.column}", fix="run the evaluate stage again")
        parts = []
        for rows, where in ((table, "test"), (validation, "validation")):
            values = rows[score.column].to_numpy(dtype=np.float64)
            if not np.isfinite(values).all():
                raise UserError(f"{where} scores: {score.column} holds values that are not finite numbers")
            parts.append(score.to_working(values))
        views.append(View(score.name, parts[0], parts[1], score.from_working))
    if len(views) > 1 and (validation["label"] == 1).any():
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
