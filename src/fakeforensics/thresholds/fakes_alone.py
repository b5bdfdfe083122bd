"""What can be said of thresholds on test sets of fakes alone: how many fakes validation's threshold finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from fakeforensics.scores.table import by_test_set, has_both_classes, score_columns
from fakeforensics.thresholds.oracle import validation_thresholds

UNDEFINED = (
    "the set holds no real image: it has no precision, no false positive rate, no accuracy of both classes "
    "and no best threshold, and no rule but validation's can be judged on it"
)


def fakes_alone(table: pd.DataFrame, validation: pd.DataFrame) -> dict[str, Any]:
    """Recall and false negatives of the thresholds that validation chose.

    Args:
        table: The test scores, in the protocol's order of test sets; those with both classes are passed over.
        validation: The validation scores.

    Returns:
        Empty where no set holds fakes alone. Else `rows`: for each score, set and criterion the threshold in
        the score's own scale (for S_SL a logit, with the probability beside it), the number of fakes, recall
        and FNR; and `undefined`: why there is nothing else.

    Raises:
        UserError: If validation lacks a class or a score, or a score is not finite.
    """
    sets = [(name, rows) for name, rows in by_test_set(table) if not has_both_classes(rows)]
    rows = []
    for (score, criterion), threshold in validation_thresholds(table, validation).items() if sets else ():
        column = score_columns(table)[score]
        for name, fakes in sets:
            recall = float(np.mean(fakes[column].to_numpy() >= threshold))
            rows.append(
                {"score": score, "test_set": name, "criterion": criterion, "chosen_on": "validation"}
                | {"threshold": threshold}
                | ({"probability": float(expit(threshold))} if column == "logit" else {})
                | {"fakes": len(fakes), "recall": recall, "fnr": 1 - recall}
            )
    return {"rows": rows, "undefined": UNDEFINED} if rows else {}
