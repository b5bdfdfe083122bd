"""Test sets of fakes alone, as in chapter 3: the share of them that is recognised at a given threshold.

Such a set cannot be ranked, and no threshold can be chosen on it. A score that has a probability is cut at
0.5, as in the thesis. Other scores are cut where accuracy is highest on the same model's validation images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from fakeforensics.errors import UserError
from fakeforensics.metrics.operating import deployed_threshold
from fakeforensics.metrics.ranking import rank
from fakeforensics.metrics.spec import Scores, ScoreSpec
from fakeforensics.metrics.summary import DIGITS
from fakeforensics.metrics.table import VALIDATION, by_test_set, has_both_classes

# The names of their accuracies in metrics/<protocol>/<detector>.json.
AT_HALF, AT_VALIDATION = "accuracy", "accuracy_at_validation_threshold"


class Judgement(NamedTuple):
    """One model's verdicts by one score on the sets of fakes alone.

    Attributes:
        instances: The number of instances that the model has seen, or `all`.
        score: The score.
        metric: `AT_HALF` or `AT_VALIDATION`: how the threshold came about.
        threshold: On the score's own scale.
        table: The fakes' scores, and `called`: whether each is called fake.
    """

    instances: str
    score: ScoreSpec
    metric: str
    threshold: float
    table: pd.DataFrame


def judge(
    tables: Mapping[str, pd.DataFrame], validations: Mapping[str, pd.DataFrame], scores: Scores
) -> list[Judgement]:
    """Judge every set of fakes alone by every score.

    Args:
        tables: By number of seen instances, the test scores in the protocol's order of sets.
        validations: Likewise, the validation scores.
        scores: What the scores are.

    Returns:
        A judgement for each model and score; none where every set holds both classes.

    Raises:
        UserError: If a set holds reals alone, validation has no reals, or a score is not finite.
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
        for score in scores:
            values = fakes[score.column].to_numpy()
            rank(values, fakes["label"].to_numpy(), f"fakes alone, {score.name}")  # refuses NaN and infinity
            metric, threshold = AT_HALF, score.even_odds
            if threshold is None:
                metric, threshold = AT_VALIDATION, _of_validation(validations[instances], score.column)
            found.append(
                Judgement(instances, score, metric, threshold, fakes.assign(called=values >= threshold))
            )
    return found


def accuracies(judgements: Sequence[Judgement]) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """The accuracies by how the threshold came about, score, test set and number of seen instances."""
    found: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for judged in judgements:
        by_set = found.setdefault(judged.metric, {}).setdefault(judged.score.name, {})
        for name, fakes in by_test_set(judged.table):
            accuracy = round(float(fakes["called"].mean()), DIGITS)
            by_set.setdefault(name, {})[judged.instances] = accuracy
    return found


def _of_validation(validation: pd.DataFrame, column: str) -> float:
    ranking = rank(validation[column].to_numpy(), validation["label"].to_numpy(), VALIDATION)
    return deployed_threshold(ranking, "accuracy", VALIDATION)
