"""Test sets of fakes alone, as in chapter 3: the share of them that is recognised at a given threshold.

Nothing can be ranked there, and no threshold be chosen. S_SL is cut at probability 0.5, as in the thesis.
S_CD has no probability: it is cut where accuracy is highest on the same model's validation images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from fakeforensics.errors import UserError
from fakeforensics.evaluation.summary import DIGITS
from fakeforensics.scores.operating import best_threshold
from fakeforensics.scores.ranking import rank
from fakeforensics.scores.table import VALIDATION, by_test_set, has_both_classes, score_columns

# The names of their accuracies in metrics/<protocol>/<objective>.json.
AT_HALF, AT_VALIDATION = "accuracy", "accuracy_at_validation_threshold"


class Judgement(NamedTuple):
    """One model's verdicts by one score on the sets of fakes alone.

    Attributes:
        instances: The number of instances that the model has seen, or `all`.
        score: `sl` or `cd`.
        metric: `AT_HALF` or `AT_VALIDATION`: how the threshold came about.
        threshold: In the score's own scale, for S_SL a logit.
        table: The fakes' scores, and `called`: whether each is called fake.
    """

    instances: str
    score: str
    metric: str
    threshold: float
    table: pd.DataFrame


def judge(tables: Mapping[str, pd.DataFrame], validations: Mapping[str, pd.DataFrame]) -> list[Judgement]:
    """Judge every set of fakes alone by every score.

    Args:
        tables: By number of seen instances, the test scores in the protocol's order of sets.
        validations: Likewise, the validation scores.

    Returns:
        A judgement for each model and score; none where every set holds both classes.

    Raises:
        UserError: If a set holds reals alone, validation lacks a class, or a score is not finite.
    """
    found = []
    for instances, table in tables.items():
        fakes = table.groupby("test_set", sort=False).filter(lambda rows: not has_both_classes(rows))
        if fakes.empty:
            continue
        if (fakes["label"] == 0).any():
            name = fakes.loc[fakes["label"] == 0, "test_set"].iloc[0]
            raise UserError(
                f"{name}: the test set holds reals alone", expected="fakes, with or without reals"
            )
        fakes = fakes.reset_index(drop=True)
        for score, column in score_columns(fakes).items():
            metric = AT_HALF if column == "logit" else AT_VALIDATION
            threshold = 0.0 if column == "logit" else _of_validation(validations[instances], column)
            values = fakes[column].to_numpy()
            rank(values, fakes["label"].to_numpy(), f"fakes alone, {score}")  # refuses what is not finite
            found.append(
                Judgement(instances, score, metric, threshold, fakes.assign(called=values >= threshold))
            )
    return found


def accuracies(judgements: Sequence[Judgement]) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """The accuracies by how the threshold came about, score, test set and number of seen instances."""
    found: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for judged in judgements:
        by_set = found.setdefault(judged.metric, {}).setdefault(judged.score, {})
        for name, fakes in by_test_set(judged.table):
            accuracy = round(float(fakes["called"].mean()), DIGITS)
            by_set.setdefault(name, {})[judged.instances] = accuracy
    return found


def _of_validation(validation: pd.DataFrame, column: str) -> float:
    ranking = rank(validation[column].to_numpy(), validation["label"].to_numpy(), VALIDATION)
    return best_threshold(ranking, "accuracy", VALIDATION)
