"""Table 4.10 for our models: each test set's best threshold, and what the one from validation gives there."""

from __future__ import annotations

from typing import Any

import pandas as pd
from scipy.special import expit

from fakeforensics.errors import UserError
from fakeforensics.scores.operating import CRITERIA, Criterion, best_threshold, outcome
from fakeforensics.scores.ranking import rank
from fakeforensics.scores.table import VALIDATION, by_test_set, has_both_classes, score_columns

Row = dict[str, Any]


def oracle_table(table: pd.DataFrame, validation: pd.DataFrame | None) -> list[Row]:
    """The best threshold of each test set by each criterion, next to validation's.

    The rows with `chosen_on` = `oracle` looked at the test labels: they are bounds, not results that a user
    can have. Those with `validation` saw the validation scores alone.

    Args:
        table: The test scores, in the protocol's order of test sets. Sets with one class have no rows.
        validation: The validation scores; without them there are oracles alone.

    Returns:
        A row for each score, test set, criterion and choice: the threshold in the score's own scale (for
        S_SL a logit, with the probability beside it), precision, recall, accuracy, balanced accuracy, FPR and
        FNR.

    Raises:
        UserError: If validation lacks a class or a score, or a score is not finite.
    """
    chosen = {} if validation is None else validation_thresholds(table, validation)
    rows: list[Row] = []
    for score, column in score_columns(table).items():
        for name, images in by_test_set(table):
            if not has_both_classes(images):
                continue
            scores, labels = images[column].to_numpy(), images["label"].to_numpy()
            ranking = rank(scores, labels, f"{name}, {score}")
            for criterion in CRITERIA:
                thresholds = {"oracle": best_threshold(ranking, criterion, name)}
                if chosen:
                    thresholds["validation"] = chosen[score, criterion]
                for choice, threshold in thresholds.items():
                    found = outcome(scores, labels, threshold).as_dict()
                    rows.append(
                        {"score": score, "test_set": name, "criterion": criterion, "chosen_on": choice}
                        | {"threshold": found.pop("threshold")}
                        | ({"probability": float(expit(threshold))} if column == "logit" else {})
                        | found
                    )
    return rows


def validation_thresholds(
    table: pd.DataFrame, validation: pd.DataFrame
) -> dict[tuple[str, Criterion], float]:
    """The threshold of each score and criterion that validation chooses.

    Raises:
        UserError: If validation lacks a class, or a score of the test table, or holds one that is not finite.
    """
    chosen: dict[tuple[str, Criterion], float] = {}
    for score, column in score_columns(table).items():
        if column not in validation:
            raise UserError(f"the validation scores lack {column}", fix="run the evaluate stage again")
        ranking = rank(validation[column].to_numpy(), validation["label"].to_numpy(), VALIDATION)
        for criterion in CRITERIA:
            chosen[score, criterion] = best_threshold(ranking, criterion, VALIDATION)
    return chosen
