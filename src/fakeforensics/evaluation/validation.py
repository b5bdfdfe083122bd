"""What validation says of a run: the figures by which lambda is chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fakeforensics.evaluation.summary import DIGITS
from fakeforensics.scores.metrics import average_precision
from fakeforensics.scores.table import has_both_classes, score_columns


def validation_summary(table: pd.DataFrame) -> dict[str, Any]:
    """Average precision and binary cross-entropy on validation, which compare across lambdas.

    Args:
        table: The validation scores.

    Returns:
        `ap` by score, and `bce`, the mean of equation 3.4 with its minus sign, where there are logits; of six
        digits. Empty where validation lacks a class.
    """
    if not has_both_classes(table):
        return {}
    labels = table["label"].to_numpy()
    found: dict[str, Any] = {
        "ap": {
            score: round(float(average_precision(table[column].to_numpy(), labels, "validation")), DIGITS)
            for score, column in score_columns(table).items()
        }
    }
    if "logit" in table:
        logit = table["logit"].to_numpy(dtype=float)
        found["bce"] = round(float(np.mean(np.logaddexp(0.0, np.where(labels == 1, -logit, logit)))), DIGITS)
    return found
