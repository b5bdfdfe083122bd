"""Group-bootstrap intervals of AP and AUC, of their means over sets, and of differences between models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from fakeforensics.errors import UserError
from fakeforensics.evaluation.summary import DIGITS, means
from fakeforensics.scores.bootstrap import WeightedRanking, interval, replicate, two_sided_p, weighted_ranking
from fakeforensics.scores.metrics import average_precision
from fakeforensics.scores.ranking import rank
from fakeforensics.scores.resampling import Resampling, resample_groups
from fakeforensics.scores.table import by_test_set, has_both_classes, score_columns


def intervals(
    table: pd.DataFrame, unseen: tuple[str, ...], seed: int, replicates: int, level: float = 0.95
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Intervals of each AP and AUC, and of their means on joint draws.

    Args:
        table: A score table, its test sets in the protocol's order; sets with one class have none.
        unseen: The test sets that `mean_unseen` is about.
        seed: Of the draws.
        replicates: Number of draws.
        level: The intervals' coverage.

    Returns:
        By metric (`ap`, `auc`), by score, by test set: lower and upper bound.
    """
    resampling = resample_groups(table, seed)
    columns = score_columns(table)
    rankings = [_rankings(table, column, resampling) for column in columns.values()]
    names = list(rankings[0])
    if not names:
        return {}
    ordered = [by_set[name] for by_set in rankings for name in names]
    statistics = [one.average_precision for one in ordered] + [one.roc_auc for one in ordered]
    drawn = replicate(resampling, statistics, replicates).reshape(replicates, 2, len(columns), len(names))
    result: dict[str, dict[str, dict[str, list[float]]]] = {}
    for place, metric in enumerate(("ap", "auc")):
        result[metric] = {}
        for number, score in enumerate(columns):
            values = {name: drawn[:, place, number, column] for column, name in enumerate(names)}
            result[metric][score] = {
                name: [round(bound, DIGITS) for bound in interval(value, level)]
                for name, value in (values | means(values, unseen)).items()
            }
    return result


@dataclass(frozen=True)
class Model:
    """Score tables of one detector, one for each seed with which it was trained.

    Attributes:
        name: For the reader, such as `joint/cd`.
        runs: The tables: the same images in all.
        column: Which column ranks the images.
    """

    name: str
    runs: Sequence[pd.DataFrame]
    column: str


def compare(
    first: Model, second: Model, unseen: tuple[str, ...], seed: int, replicates: int
) -> list[dict[str, Any]]:
    """The paired difference in AP between two models on the same images.

    Both models see the same draws of groups. With several runs (seeds) of a model its AP is the mean over
    them, and the runs are drawn with replacement as well, so that the interval covers the seeds' scatter;
    with a single run it does not, and says nothing of another seed.

    Args:
        first: A model.
        second: What it is compared with.
        unseen: The test sets that `mean_unseen` is about.
        seed: Of the draws.
        replicates: Number of draws.

    Returns:
        A row for each test set with both classes, `mean` and `mean_unseen`: both APs, their difference
        (positive if `first` is better), its 95% interval, the two-sided p-value and the numbers of runs.

    Raises:
        UserError: If the tables are not about the same images.
    """
    runs = [_aligned(first.runs[0], run) for model in (first, second) for run in model.runs]
    columns = [first.column] * len(first.runs) + [second.column] * len(second.runs)
    resampling = resample_groups(runs[0], seed)
    rankings = [_rankings(run, column, resampling) for run, column in zip(runs, columns, strict=True)]
    names = list(rankings[0])
    if not names:
        return []
    statistics = [by_set[name].average_precision for by_set in rankings for name in names]
    drawn = replicate(resampling, statistics, replicates).reshape(replicates, len(runs), len(names))
    point = np.array([_precisions(run, column, names) for run, column in zip(runs, columns, strict=True)])
    split = len(first.runs)
    generator = np.random.default_rng([seed, 1])
    mine = _mean_over_runs(drawn[:, :split], generator)
    theirs = _mean_over_runs(drawn[:, split:], generator)
    values = {
        name: (point[:split, place].mean(), point[split:, place].mean(), mine[:, place] - theirs[:, place])
        for place, name in enumerate(names)
    }
    rows = []
    for name, (ours, other, differences) in (values | _pooled(values, unseen)).items():
        low, high = interval(differences)
        rows.append(
            {"first": first.name, "second": second.name, "test_set": name}
            | {"ap_first": round(float(ours), DIGITS), "ap_second": round(float(other), DIGITS)}
            | {"difference": round(float(ours - other), DIGITS)}
            | {"low": round(low, DIGITS), "high": round(high, DIGITS)}
            | {"p_value": round(two_sided_p(differences), DIGITS)}
            | {"runs_first": len(first.runs), "runs_second": len(second.runs)}
        )
    return rows


def _rankings(table: pd.DataFrame, column: str, resampling: Resampling) -> dict[str, WeightedRanking]:
    found = {}
    for name, rows in by_test_set(table):
        if has_both_classes(rows):
            ranking = rank(rows[column].to_numpy(), rows["label"].to_numpy(), name)
            found[name] = weighted_ranking(ranking, resampling.unit[rows.index.to_numpy()])
    return found


def _precisions(run: pd.DataFrame, column: str, names: Sequence[str]) -> list[float]:
    sets = dict(by_test_set(run))
    return [
        average_precision(sets[name][column].to_numpy(), sets[name]["label"].to_numpy(), name)
        for name in names
    ]


def _pooled(
    values: dict[str, tuple[Any, Any, np.ndarray]], unseen: tuple[str, ...]
) -> dict[str, tuple[Any, Any, np.ndarray]]:
    parts = [means({name: triple[part] for name, triple in values.items()}, unseen) for part in range(3)]
    return {name: (parts[0][name], parts[1][name], parts[2][name]) for name in parts[0]}


def _mean_over_runs(
    drawn: Float[np.ndarray, "replicates runs sets"], generator: np.random.Generator
) -> Float[np.ndarray, "replicates sets"]:
    replicates, runs, _ = drawn.shape
    chosen = generator.integers(0, runs, (replicates, runs))
    mean: np.ndarray = np.take_along_axis(drawn, chosen[:, :, None], axis=1).mean(axis=1)
    return mean


def _aligned(reference: pd.DataFrame, run: pd.DataFrame) -> pd.DataFrame:
    """`run` with the reference's rows in the reference's order, numbered from 0."""
    identity = ["test_set", "key"]
    wanted = pd.MultiIndex.from_frame(reference[identity])
    found = run.set_index(identity)
    if len(found) != len(wanted) or not wanted.isin(found.index).all():
        raise UserError(
            "the score tables are not about the same images",
            expected=f"the same {len(wanted)} pairs of test_set and key in each",
            found=f"{len(found)} rows, {int(wanted.isin(found.index).sum())} of them shared",
            fix="compare models that were scored on the same manifests",
        )
    ordered = found.loc[wanted].reset_index()
    if not np.array_equal(ordered["label"].to_numpy(), reference["label"].to_numpy()):
        raise UserError("the score tables give an image different labels")
    return ordered
