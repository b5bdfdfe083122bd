"""Paired comparisons: of the AP of models that were trained once or with several seeds, and of detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from fakeforensics.errors import UserError
from fakeforensics.metrics.bootstrap import interval, replicate, resample_groups, two_sided_p
from fakeforensics.metrics.fakes_alone import judge
from fakeforensics.metrics.fakes_alone_intervals import compare_accuracies
from fakeforensics.metrics.intervals import set_rankings
from fakeforensics.metrics.metrics import average_precision
from fakeforensics.metrics.summary import DIGITS, means
from fakeforensics.metrics.table import ScoreTable, TestSets, by_instances, by_test_set, in_order


@dataclass(frozen=True)
class Model:
    """Score tables of one detector, one for each seed with which it was trained.

    Attributes:
        name: For the reader, such as `detector/score`.
        runs: The tables: the same images in all.
        column: Which column ranks the images.
    """

    name: str
    runs: Sequence[pd.DataFrame]
    column: str


class Scored(NamedTuple):
    """The score tables of a detector.

    Attributes:
        test: Of the test images.
        validation: Of the validation images.
    """

    test: ScoreTable
    validation: ScoreTable


def compare_with_baseline(
    detectors: Mapping[str, Scored], baseline: str, test_sets: TestSets, seed: int, replicates: int
) -> dict[str, Any]:
    """Compare every score of every detector with the baseline's first score, by a paired bootstrap.

    Args:
        detectors: The score tables by detector, in the order of the comparison.
        baseline: A detector.
        test_sets: The protocol's.
        seed: Of the draws.
        replicates: Number of draws.

    Returns:
        `baseline`; `ap_difference`, rows as of `compare`; and `accuracy_difference`, rows as of
        `compare_accuracies`, for sets of fakes alone. A table without rows is left out. If the baseline is
        not among the detectors there is a `note` instead of tables.

    Raises:
        UserError: If the tables are not about the same images, or are not those of the protocol's test sets.
    """
    if baseline not in detectors:
        note = f"nothing is compared: the baseline {baseline!r} is not among the detectors of this protocol"
        return {"baseline": baseline, "note": note}
    models, verdicts = {}, {}
    for detector, (test, validation) in detectors.items():
        tables = {number: in_order(rows, test_sets.names) for number, rows in by_instances(test.rows).items()}
        judged = judge(tables, by_instances(validation.rows), test.scores)
        for score in test.scores:
            pair, name = (detector, score.name), f"{detector}/{score.name}"
            models[pair] = Model(name, [list(tables.values())[-1]], score.column)
            verdicts[pair] = name, [one for one in judged if one.score == score]
    reference = (baseline, detectors[baseline].test.scores[0].name)
    precision: list[dict[str, Any]] = []
    accuracy: list[dict[str, Any]] = []
    for pair in models:
        if pair != reference:
            precision += compare(models[pair], models[reference], test_sets.unseen, seed, replicates)
            accuracy += compare_accuracies(verdicts[pair], verdicts[reference], seed, replicates)
    found = {"ap_difference": precision, "accuracy_difference": accuracy}
    return {"baseline": baseline} | {name: rows for name, rows in found.items() if rows}


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
    names, point, drawn = _draw([first, second], seed, replicates)
    if not names:
        return []
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


def interval_over_runs(
    model: Model, unseen: tuple[str, ...], seed: int, replicates: int
) -> dict[str, list[float]]:
    """Intervals of a model's AP, averaged over its runs, that cover both the images' and the seeds' scatter.

    Groups and runs are drawn with replacement. A handful of runs says little about the scatter of seeds: with
    two, the interval is too narrow.

    Args:
        model: With several runs.
        unseen: The test sets that `mean_unseen` is about.
        seed: Of the draws.
        replicates: Number of draws.

    Returns:
        By test set with both classes, `mean` and `mean_unseen`: lower and upper bound.

    Raises:
        UserError: If the runs are not about the same images.
    """
    names, _, drawn = _draw([model], seed, replicates)
    if not names:
        return {}
    mean = _mean_over_runs(drawn, np.random.default_rng([seed, 1]))
    values = {name: mean[:, place] for place, name in enumerate(names)}
    return {
        name: [round(bound, DIGITS) for bound in interval(value)]
        for name, value in (values | means(values, unseen)).items()
    }


def _draw(
    models: Sequence[Model], seed: int, replicates: int
) -> tuple[list[str], Float[np.ndarray, "runs sets"], Float[np.ndarray, "replicates runs sets"]]:
    """The sets with both classes, and AP of every run on them: as they are, and on joint draws of groups."""
    columns = [model.column for model in models for _ in model.runs]
    runs = [_aligned(models[0].runs[0], run) for model in models for run in model.runs]
    resampling = resample_groups(runs[0], seed)
    rankings = [set_rankings(run, column, resampling) for run, column in zip(runs, columns, strict=True)]
    names = list(rankings[0])
    statistics = [by_set[name].average_precision for by_set in rankings for name in names]
    if not statistics:
        return [], np.empty((len(runs), 0)), np.empty((replicates, len(runs), 0))
    drawn = replicate(resampling, statistics, replicates).reshape(replicates, len(runs), len(names))
    point = np.array([_precisions(run, column, names) for run, column in zip(runs, columns, strict=True)])
    return names, point, drawn


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
