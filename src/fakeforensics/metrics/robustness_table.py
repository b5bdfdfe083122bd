"""What corruptions cost: AP and accuracy of each test set, and what they lose against clean images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fakeforensics.metrics.comparison import Model, compare
from fakeforensics.metrics.operating import deployed_threshold
from fakeforensics.metrics.ranking import rank
from fakeforensics.metrics.spec import Scores
from fakeforensics.metrics.summary import means
from fakeforensics.metrics.table import VALIDATION, by_test_set

CLEAN = "clean"
DIGITS = 4


def robustness_table(
    tables: dict[str, pd.DataFrame],
    validation: pd.DataFrame,
    scores: Scores,
    unseen: tuple[str, ...],
    seed: int,
    replicates: int,
) -> pd.DataFrame:
    """AP and accuracy of each test set under each corruption.

    Args:
        tables: Corruption → rows of a score table with the sets in the protocol's order; `clean` among them.
        validation: Clean validation scores, whose threshold of highest accuracy is kept under every
            corruption, as a user's would be.
        scores: What the scores are.
        unseen: The test sets that `mean_unseen` is about.
        seed: Of the bootstrap.
        replicates: Number of draws.

    Returns:
        A row for each score, corruption and test set, `mean` and `mean_unseen` among the sets: accuracy and
        what it loses; AP and what it loses, with a 95% interval of the loss on draws of groups that clean and
        corrupted images share. NaN instead of AP for sets of fakes alone, whose accuracy is the share called
        fake. Fractions.

    Raises:
        UserError: If validation has no reals, or the tables are not about the same images.
    """
    rows = []
    clean = tables[CLEAN]
    labels = validation["label"].to_numpy()
    for score in scores:
        column = score.column
        ranking = rank(validation[column].to_numpy(), labels, VALIDATION)
        threshold = deployed_threshold(ranking, "accuracy", VALIDATION)
        before = _accuracies(clean, column, threshold, unseen)
        for corruption, table in tables.items():
            original, corrupted = Model(CLEAN, [clean], column), Model(corruption, [table], column)
            precision = {
                row["test_set"]: {"ap": row["ap_second"], "ap_lost": row["difference"]}
                | {f"ap_lost_{bound}": row[bound] for bound in ("low", "high")}
                for row in compare(original, corrupted, unseen, seed, replicates)
            }
            nothing = dict.fromkeys(("ap", "ap_lost", "ap_lost_low", "ap_lost_high"), np.nan)
            for name, accuracy in _accuracies(table, column, threshold, unseen).items():
                rows.append(
                    {"score": score.name, "corruption": corruption, "test_set": name}
                    | precision.get(name, nothing)
                    | {"accuracy": accuracy, "accuracy_lost": before[name] - accuracy}
                )
    return pd.DataFrame(rows)


def _accuracies(
    table: pd.DataFrame, column: str, threshold: float, unseen: tuple[str, ...]
) -> dict[str, float]:
    right = (table[column] >= threshold) == (table["label"] == 1)
    values = {name: float(right[rows.index].mean()) for name, rows in by_test_set(table)}
    return {name: float(value) for name, value in (values | means(values, unseen)).items()}


def robustness_metrics(rows: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """What a reader compares between commits: `metrics/<protocol>/<detector>.robustness.json`.

    Args:
        rows: From `robustness_table`.

    Returns:
        `ap`, `accuracy`, `ap_lost`: a row for each score and corruption, with values `by_set`; of what is
        lost, for the means alone, the value and both ends of its interval. Fractions of four digits. Sets of
        fakes alone have no AP.
    """
    lost = rows[rows["test_set"].isin(["mean", "mean_unseen"]) & (rows["corruption"] != CLEAN)]
    tables = {
        "ap": _by_set(rows, "ap"),
        "accuracy": _by_set(rows, "accuracy"),
        "ap_lost": _by_set(lost, "ap_lost", "ap_lost_low", "ap_lost_high"),
    }
    return {name: table for name, table in tables.items() if table}


def _by_set(rows: pd.DataFrame, *columns: str) -> list[dict[str, Any]]:
    known = rows[rows[columns[0]].notna()]
    table = []
    for (score, corruption), some in known.groupby(["score", "corruption"], sort=False):
        values = some[list(columns)].round(DIGITS).to_numpy().tolist()
        by_set = {
            str(name): value[0] if len(value) == 1 else value
            for name, value in zip(some["test_set"], values, strict=True)
        }
        table.append({"score": str(score), "corruption": str(corruption), "by_set": by_set})
    return table
