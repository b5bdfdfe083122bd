"""Thresholds on test sets of fakes alone: how many of the fakes validation's thresholds find."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd

from fakeforensics.metrics.operating import CRITERIA, threshold_fields
from fakeforensics.metrics.spec import Scores
from fakeforensics.metrics.table import by_test_set, has_both_classes
from fakeforensics.thresholds.oracle import validation_thresholds

UNDEFINED = (
    "the set holds no real image: it has no precision, no false positive rate, no accuracy of both classes "
    "and no best threshold, and no rule but validation's can be judged on it"
)


def fakes_alone(table: pd.DataFrame, validation: pd.DataFrame, scores: Scores) -> dict[str, Any]:
    """Recall and false negatives of the thresholds that validation chose.

    Args:
        table: The test scores, in the protocol's order of test sets; those with both classes are passed over.
        validation: The validation scores.
        scores: What the scores are.

    Returns:
        Empty if no set holds fakes alone. Otherwise `rows`: for each score, criterion and set the threshold
        on the score's own scale (and as a probability, if the score has one), the number of fakes, recall and
        FNR; and `undefined`: why there is nothing else.

    Raises:
        UserError: If validation has no reals or lacks a score, or a score is not finite.
    """
    sets = [(name, rows) for name, rows in by_test_set(table) if not has_both_classes(rows)]
    if not sets:
        return {}
    chosen = validation_thresholds(validation, scores)
    rows = []
    for score, criterion in itertools.product(scores, CRITERIA):
        threshold = chosen[score.name, criterion]
        for name, fakes in sets:
            recall = float(np.mean(fakes[score.column].to_numpy() >= threshold))
            rows.append(
                {"score": score.name, "test_set": name, "criterion": criterion, "chosen_on": "validation"}
                | threshold_fields(score, threshold)
                | {"fakes": len(fakes), "recall": recall, "fnr": 1 - recall}
            )
    return {"rows": rows, "undefined": UNDEFINED}
