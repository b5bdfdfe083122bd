"""One threshold for all test sets: the recall of each forgery method, lowest first, and the pooled AUC.

AUC is the area under the ROC curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from fakeforensics.metrics.bootstrap import group_names
from fakeforensics.metrics.operating import conformal_threshold
from fakeforensics.metrics.proportion import exact_interval
from fakeforensics.metrics.ranking import roc_auc
from fakeforensics.metrics.spec import Scores, ScoreSpec
from fakeforensics.metrics.table import by_test_set, has_both_classes

Row = dict[str, Any]


def recall_by_method(
    table: pd.DataFrame, validation: pd.DataFrame, scores: Scores, rates: Sequence[float]
) -> list[Row]:
    """The recall of each forgery method at conformal thresholds, which validation's reals determine.

    Args:
        table: The score table of the test images. An image that is in several test sets counts once. Fakes
            without a method are listed by the name of their test set.
        validation: The score table of the validation images.
        scores: The scores that both tables hold.
        rates: The wanted false-positive rates. A rate below 1 / (k + 1) for k validation reals has no rows.

    Returns:
        For each score and rate a row per method, lowest recall first: the threshold, its false-positive rate
        on all test reals (None if there are none), the numbers of fakes and of their groups, and the recall
        with its 95% interval, as fractions.
    """
    images = _once(table)
    fakes = images[images["label"] == 1]
    method = fakes["test_set"]
    if "method" in fakes:
        method = fakes["method"].where(fakes["method"] != "", method)
    fakes = fakes.assign(method=method, unit=group_names(fakes))
    rows: list[Row] = []
    for score in scores:
        reals = images.loc[images["label"] == 0, score.column].to_numpy(dtype=np.float64)
        known = validation.loc[validation["label"] == 0, score.column].to_numpy(dtype=np.float64)
        for rate in rates:
            threshold = conformal_threshold(known, rate)
            if threshold is None:
                continue
            chosen = {
                "score": score.name,
                "false_positive_rate": rate,
                "threshold": threshold,
                "fpr": float(np.mean(reals >= threshold)) if reals.size else None,
            }
            by_method = fakes.groupby("method", sort=True)
            found = [_recall(name, same, score, threshold) for name, same in by_method]
            rows += [chosen | row for row in sorted(found, key=lambda row: float(row["recall"]))]
    return rows


def pooled_auc(table: pd.DataFrame, scores: Scores) -> list[Row]:
    """The AUC over the images of all test sets together, and the mean of the AUCs of the sets.

    If the scores of the sets lie in different ranges, no single threshold suits all of them, and the pooled
    AUC is lower than the mean.

    Args:
        table: The score table of the test images. An image that is in several test sets counts once.
        scores: The scores that it holds.

    Returns:
        One row per score; none if a class is absent.
    """
    if not has_both_classes(table):
        return []
    images = _once(table)
    sets = [rows for _, rows in by_test_set(table) if has_both_classes(rows)]
    return [
        {
            "score": score.name,
            "reals": int((images["label"] == 0).sum()),
            "fakes": int((images["label"] == 1).sum()),
            "auc": _auc(images, score),
            "mean_of_sets": float(np.mean([_auc(rows, score) for rows in sets])) if sets else None,
        }
        for score in scores
    ]


def _recall(name: object, fakes: pd.DataFrame, score: ScoreSpec, threshold: float) -> Row:
    recall, groups = float(np.mean(fakes[score.column] >= threshold)), fakes["unit"].nunique()
    low, high = exact_interval(recall, groups)
    return {
        "method": str(name),
        "fakes": len(fakes),
        "groups": groups,
        "recall": recall,
        "recall_low": low,
        "recall_high": high,
    }


def _once(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop_duplicates([name for name in ("source", "key") if name in table])


def _auc(rows: pd.DataFrame, score: ScoreSpec) -> float:
    return roc_auc(rows[score.column].to_numpy(), rows["label"].to_numpy())
