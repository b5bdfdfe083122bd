"""One threshold for all test sets: the recall of each forgery method, worst first, and the pooled AUC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from fakeforensics.metrics.bootstrap import group_names
from fakeforensics.metrics.operating import conformal_threshold
from fakeforensics.metrics.ranking import roc_auc
from fakeforensics.metrics.spec import Scores, ScoreSpec
from fakeforensics.metrics.table import by_test_set, has_both_classes
from fakeforensics.thresholds.errors import exact_interval

Row = dict[str, Any]


def recall_by_method(
    table: pd.DataFrame, validation: pd.DataFrame, scores: Scores, rates: Sequence[float]
) -> list[Row]:
    """The recall of each forgery method at thresholds that validation's reals set.

    Args:
        table: The test scores. An image that is in several sets counts once. Fakes without a method go by the
            name of their test set.
        validation: The validation scores.
        scores: What the scores are.
        rates: False-positive rates asked for; a rate below 1 / (k + 1) for k validation reals has no rows.

    Returns:
        For each score and rate the methods, worst first: the threshold, the false-positive rate that it has
        on all test reals (None without any), the number of fakes and of their groups, and the recall with its
        95% interval.
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
    """AUC over the fakes and reals of all test sets together, next to the mean of the sets' own.

    Where the sets' scores lie apart, one threshold cannot serve them all: the pooled AUC is then the lower.

    Returns:
        One row per score. Empty if a class is absent. An image that is in several sets counts once.
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
