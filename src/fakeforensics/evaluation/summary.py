"""The metrics of a run: `metrics/<protocol>/<objective>.json`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from fakeforensics.scores.metrics import average_precision, equal_error_rate, roc_auc
from fakeforensics.scores.table import by_test_set, has_both_classes, score_columns

DIGITS = 6
METRICS: dict[str, Callable[..., float]] = {
    "ap": average_precision,
    "auc": roc_auc,
    "eer": equal_error_rate,
}


def summarise(table: pd.DataFrame, unseen: tuple[str, ...]) -> dict[str, Any]:
    """Metrics of every test set and score, and their means over all and over unseen sets.

    Args:
        table: A score table, its test sets in the protocol's order; those with one class have no metrics.
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
            score: _with_means(
                {name: function(rows[column].to_numpy(), rows["label"].to_numpy(), f"{name}, {score}")
                 for name, rows in ranked.items()},
                unseen,
            )
            for score, column in score_columns(table).items()
        }
        for metric, function in METRICS.items()
    }  # fmt: skip


def _with_means(values: dict[str, float], unseen: tuple[str, ...]) -> dict[str, float]:
    return {name: round(float(value), DIGITS) for name, value in (values | means(values, unseen)).items()}


def means(values: dict[str, Any], unseen: tuple[str, ...]) -> dict[str, Any]:
    """`mean` over all sets and, if any is unseen, `mean_unseen` over those; of numbers or of arrays."""
    found = {"mean": np.mean(list(values.values()), axis=0)}
    if chosen := [value for name, value in values.items() if name in unseen]:
        found["mean_unseen"] = np.mean(chosen, axis=0)
    return found
