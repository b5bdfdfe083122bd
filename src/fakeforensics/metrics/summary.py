"""The metrics of a run: `metrics/<protocol>/<detector>.json`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from fakeforensics.metrics.metrics import average_precision, equal_error_rate, roc_auc
from fakeforensics.metrics.spec import Scores
from fakeforensics.metrics.table import VALIDATION, by_test_set, has_both_classes

DIGITS = 6
METRICS: dict[str, Callable[..., float]] = {
    "ap": average_precision,
    "auc": roc_auc,
    "eer": equal_error_rate,
}


def summarise(table: pd.DataFrame, scores: Scores, unseen: tuple[str, ...]) -> dict[str, Any]:
    """Metrics of every test set and score, and their means over all and over unseen sets.

    Args:
        table: The rows of a score table, its test sets in the protocol's order; those with one class have no
            metrics.
        scores: What the scores are.
        unseen: The test sets that `mean_unseen` is about; without any, the key is left out.

    Returns:
        `ap`, `auc`, `eer`: by score, by test set; fractions of six digits. Empty where no set has both
        classes.

    Raises:
        UserError: If a score is not finite.
    """
    ranked = {name: rows for name, rows in by_test_set(table) if has_both_classes(rows)}
    if not ranked:
        return {}
    return {
        metric: {
            score.name: _with_means(
                {
                    name: function(
                        rows[score.column].to_numpy(), rows["label"].to_numpy(), f"{name}, {score.name}"
                    )
                    for name, rows in ranked.items()
                },
                unseen,
            )
            for score in scores
        }
        for metric, function in METRICS.items()
    }


def validation_summary(table: pd.DataFrame, scores: Scores) -> dict[str, Any]:
    """The validation figures by which lambda is chosen: they compare across lambdas, unlike the losses.

    Args:
        table: The validation scores.
        scores: What the scores are.

    Returns:
        `ap` by score, and `log_loss`, the mean binary cross-entropy in nats of the first score whose scale is
        `logit`, if there is one; six digits. Empty if validation lacks a class.

    Raises:
        UserError: If a score is not finite.
    """
    if not has_both_classes(table):
        return {}
    labels = table["label"].to_numpy()
    found: dict[str, Any] = {
        "ap": {
            score.name: round(
                float(average_precision(table[score.column].to_numpy(), labels, VALIDATION)), DIGITS
            )
            for score in scores
        }
    }
    if logits := [score for score in scores if score.scale == "logit"]:
        values = table[logits[0].column].to_numpy(dtype=np.float64)
        losses = np.logaddexp(0.0, np.where(labels == 1, -values, values))
        found["log_loss"] = round(float(np.mean(losses)), DIGITS)
    return found


def _with_means(values: dict[str, float], unseen: tuple[str, ...]) -> dict[str, float]:
    return {name: round(float(value), DIGITS) for name, value in (values | means(values, unseen)).items()}


def means(values: dict[str, Any], unseen: tuple[str, ...]) -> dict[str, Any]:
    """`mean` over all sets and, if any is unseen, `mean_unseen` over those; of numbers or of arrays."""
    found = {"mean": np.mean(list(values.values()), axis=0)}
    if chosen := [value for name, value in values.items() if name in unseen]:
        found["mean_unseen"] = np.mean(chosen, axis=0)
    return found
