"""Table 4.10 for our models: each test set's best threshold, and what the one from validation gives there."""

from __future__ import annotations

from typing import Any

import pandas as pd

from fakeforensics.errors import UserError
from fakeforensics.metrics.operating import (
    CRITERIA,
    Criterion,
    best_threshold,
    deployed_threshold,
    outcome,
    threshold_fields,
)
from fakeforensics.metrics.ranking import rank
from fakeforensics.metrics.spec import Scores
from fakeforensics.metrics.table import VALIDATION, by_test_set, has_both_classes

Row = dict[str, Any]


def oracle_table(table: pd.DataFrame, validation: pd.DataFrame | None, scores: Scores) -> list[Row]:
    """The best threshold of each test set by each criterion, next to validation's.

    The rows with `chosen_on` = `oracle` looked at the test labels: they are bounds, not results that a user
    can have. Those with `validation` saw the validation scores alone.

    Args:
        table: The test scores, in the protocol's order of test sets. Sets with one class have no rows.
        validation: The validation scores; without them there are only oracles.
        scores: What the scores are.

    Returns:
        A row for each score, test set, criterion and choice: the threshold on the score's own scale (and as a
        probability, if the score has one), precision, recall, accuracy, balanced accuracy, FPR and FNR.

    Raises:
        UserError: If validation has no reals or lacks a score, or a score is not finite.
    """
    chosen = {} if validation is None else validation_thresholds(validation, scores)
    rows: list[Row] = []
    for score in scores:
        for name, images in by_test_set(table):
            if not has_both_classes(images):
                continue
            values, labels = images[score.column].to_numpy(), images["label"].to_numpy()
            ranking = rank(values, labels, f"{name}, {score.name}")
            for criterion in CRITERIA:
                thresholds = {"oracle": best_threshold(ranking, criterion, name)}
                if chosen:
                    thresholds["validation"] = chosen[score.name, criterion]
                for choice, threshold in thresholds.items():
                    found = outcome(values, labels, threshold).as_dict()
                    rows.append(
                        {"score": score.name, "test_set": name, "criterion": criterion, "chosen_on": choice}
                        | threshold_fields(score, found.pop("threshold"))
                        | found
                    )
    return rows


def validation_thresholds(validation: pd.DataFrame, scores: Scores) -> dict[tuple[str, Criterion], float]:
    """The threshold that validation chooses, by name of the score and criterion.

    Raises:
        UserError: If validation has no reals or lacks a score, or a score is not finite.
    """
    chosen: dict[tuple[str, Criterion], float] = {}
    for score in scores:
        if score.column not in validation:
            raise UserError(f"the validation scores lack {score.column}", fix="run the evaluate stage again")
        ranking = rank(validation[score.column].to_numpy(), validation["label"].to_numpy(), VALIDATION)
        for criterion in CRITERIA:
            chosen[score.name, criterion] = deployed_threshold(ranking, criterion, VALIDATION)
    return chosen
