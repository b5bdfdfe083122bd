"""How sure the accuracies on sets of fakes alone are, and the differences between two models'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Integer, Shaped

from fakeforensics.errors import UserError
from fakeforensics.metrics.bootstrap import Statistic, interval, replicate, resample_groups, two_sided_p
from fakeforensics.metrics.fakes_alone import AT_HALF, AT_VALIDATION, Judgement
from fakeforensics.metrics.operating import threshold_fields
from fakeforensics.metrics.summary import DIGITS
from fakeforensics.metrics.table import by_test_set

CHOSEN = {AT_HALF: "probability 0.5", AT_VALIDATION: "highest accuracy on the validation images"}


def accuracy_rows(judgements: Sequence[Judgement], seed: int, replicates: int) -> list[dict[str, Any]]:
    """What each model and score makes of each set.

    Args:
        judgements: From `judge`.
        seed: Of the group bootstrap.
        replicates: Number of draws.

    Returns:
        A row for each model, score and set: the number of fakes, the share called fake, its 95% interval, the
        threshold and how it came about.
    """
    rows = []
    for judged in judgements:
        drawn = _means(judged.table, judged.table["called"].to_numpy(), seed, replicates)
        for name, fakes in by_test_set(judged.table):
            rows.append(
                {"instances": judged.instances, "score": judged.score.name, "test_set": name}
                | {"fakes": len(fakes), "accuracy": _round(fakes["called"].mean())}
                | {"accuracy_interval": [_round(bound) for bound in interval(drawn[name])]}
                | threshold_fields(judged.score, judged.threshold)
                | {"threshold_chosen": CHOSEN[judged.metric]}
            )
    return rows


def compare_accuracies(
    first: tuple[str, Sequence[Judgement]],
    second: tuple[str, Sequence[Judgement]],
    seed: int,
    replicates: int,
) -> list[dict[str, Any]]:
    """The paired difference in accuracy between two detectors on the same fakes, each cut as it is deployed.

    Args:
        first: A name, such as `detector/score`, and the judgements of its models by that score.
        second: What it is compared with, trained for the same numbers of instances.
        seed: Of the draws of groups, which both see.
        replicates: Number of draws.

    Returns:
        A row for each number of seen instances and set: both accuracies, their difference (positive if
        `first` is better), its 95% interval and the two-sided p-value.

    Raises:
        UserError: If the two are not about the same fakes.
    """
    others = {judged.instances: judged for judged in second[1]}
    rows = []
    for mine in first[1]:
        theirs = others[mine.instances]
        identity = ["test_set", "key"]
        if not mine.table[identity].equals(theirs.table[identity]):
            raise UserError(
                f"the scores of {first[0]} and {second[0]} are not about the same fakes",
                fix="run the evaluate stage of both again",
            )
        called = theirs.table["called"].to_numpy()
        differences = mine.table["called"].to_numpy().astype(float) - called
        drawn = _means(mine.table, differences, seed, replicates)
        for name, fakes in by_test_set(mine.table):
            here, low_high = fakes.index.to_numpy(), interval(drawn[name])
            rows.append(
                {"first": first[0], "second": second[0], "instances": mine.instances, "test_set": name}
                | {"accuracy_first": _round(fakes["called"].mean())}
                | {"accuracy_second": _round(called[here].mean())}
                | {"difference": _round(differences[here].mean())}
                | dict(zip(("low", "high"), map(_round, low_high), strict=True))
                | {"p_value": _round(two_sided_p(drawn[name]))}
            )
    return rows


def _means(
    table: pd.DataFrame, values: Shaped[np.ndarray, " rows"], seed: int, replicates: int
) -> dict[str, np.ndarray]:
    """By test set, the replicates of the mean value of its rows, on the same draws of groups."""
    resampling = resample_groups(table, seed)

    def mean_of(rows: np.ndarray) -> Statistic:
        unit, mine = resampling.unit[rows], values[rows]

        def mean(counts: Integer[np.ndarray, " groups"]) -> float:
            return float(np.average(mine, weights=counts[unit]))

        return mean

    sets = {name: rows.index.to_numpy() for name, rows in by_test_set(table)}
    drawn = replicate(resampling, [mean_of(rows) for rows in sets.values()], replicates)
    return {name: drawn[:, place] for place, name in enumerate(sets)}


def _round(value: Any) -> float:
    return round(float(value), DIGITS)
