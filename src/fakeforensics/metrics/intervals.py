"""Group-bootstrap intervals of AP and AUC, and of their means over sets."""

from __future__ import annotations

import pandas as pd

from fakeforensics.metrics.bootstrap import (
    Resampling,
    WeightedRanking,
    interval,
    replicate,
    resample_groups,
    weighted_ranking,
)
from fakeforensics.metrics.ranking import rank
from fakeforensics.metrics.spec import Scores
from fakeforensics.metrics.summary import DIGITS, means
from fakeforensics.metrics.table import by_test_set, has_both_classes


def intervals(
    table: pd.DataFrame,
    scores: Scores,
    unseen: tuple[str, ...],
    seed: int,
    replicates: int,
    level: float = 0.95,
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Intervals of each AP and AUC, and of their means on joint draws.

    Args:
        table: The rows of a score table, its test sets in the protocol's order; sets with one class have no
            intervals.
        scores: What the scores are.
        unseen: The test sets that `mean_unseen` is about.
        seed: Of the draws.
        replicates: Number of draws.
        level: The intervals' coverage.

    Returns:
        By metric (`ap`, `auc`), by score, by test set: lower and upper bound.
    """
    resampling = resample_groups(table, seed)
    rankings = [set_rankings(table, score.column, resampling) for score in scores]
    names = list(rankings[0])
    if not names:
        return {}
    ordered = [by_set[name] for by_set in rankings for name in names]
    statistics = [one.average_precision for one in ordered] + [one.roc_auc for one in ordered]
    drawn = replicate(resampling, statistics, replicates).reshape(replicates, 2, len(scores), len(names))
    result: dict[str, dict[str, dict[str, list[float]]]] = {}
    for place, metric in enumerate(("ap", "auc")):
        result[metric] = {}
        for number, score in enumerate(scores):
            values = {name: drawn[:, place, number, column] for column, name in enumerate(names)}
            result[metric][score.name] = {
                name: [round(bound, DIGITS) for bound in interval(value, level)]
                for name, value in (values | means(values, unseen)).items()
            }
    return result


def set_rankings(table: pd.DataFrame, column: str, resampling: Resampling) -> dict[str, WeightedRanking]:
    """Each test set with both classes, prepared for draws of groups.

    Args:
        table: The rows of a score table, numbered from 0.
        column: The score to rank by.
        resampling: From the same rows.
    """
    found = {}
    for name, rows in by_test_set(table):
        if has_both_classes(rows):
            ranking = rank(rows[column].to_numpy(), rows["label"].to_numpy(), name)
            found[name] = weighted_ranking(ranking, resampling.unit[rows.index.to_numpy()])
    return found
