"""Paired comparisons of models on the same images; a model may be several runs, one per seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from fakeforensics.errors import UserError
from fakeforensics.metrics.bootstrap import Statistic, interval, replicate, resample_groups, two_sided_p
from fakeforensics.metrics.registry import METRICS, Metric
from fakeforensics.metrics.spec import ScoreSpec
from fakeforensics.metrics.summary import DIGITS
from fakeforensics.metrics.table import ScoreTable, TestSets, in_order


class Run(NamedTuple):
    """The rows of one network's score tables; thresholds are chosen on validation, if there is any."""

    test: pd.DataFrame
    validation: pd.DataFrame | None = None


class Model(NamedTuple):
    """One score of a detector, with one run per training seed. All runs score the same images."""

    name: str
    runs: Sequence[Run]
    score: ScoreSpec


class _Draws(NamedTuple):
    """A model's metric on each test set: `point` on the images themselves, `drawn` on each bootstrap draw."""

    point: Float[np.ndarray, "runs sets"]
    drawn: Float[np.ndarray, "replicates runs sets"]


def compare_with_baseline(
    detectors: Mapping[str, tuple[ScoreTable, ScoreTable]],
    baseline: str,
    test_sets: TestSets,
    seed: int,
    replicates: int,
) -> dict[str, Any]:
    """Compare every score of every detector with the baseline's first score, by a paired bootstrap.

    Args:
        detectors: Test and validation scores by detector, in the order of the comparison.
        baseline: Name of the detector to compare with.
        test_sets: The test sets of the protocol.
        seed: Seed of the bootstrap.
        replicates: Number of draws.

    Returns:
        `baseline`, and the tables of `compare`: `ap_difference` and one for each other metric that is
        compared and is defined on a test set. If the baseline is not among the detectors, or there is no
        other score to compare, there is a `note` instead of tables.

    Raises:
        UserError: If the tables are not about the same images, or not about the protocol's test sets.
    """
    if baseline not in detectors:
        note = f"nothing is compared: the baseline {baseline!r} is not among the detectors of this protocol"
        return {"baseline": baseline, "note": note}
    models = {}
    for detector, (test, validation) in detectors.items():
        run = Run(in_order(test.rows, test_sets.names), validation.rows)
        for score in test.scores:
            models[detector, score.name] = Model(f"{detector}/{score.name}", [run], score)
    reference = models.pop((baseline, detectors[baseline][0].scores[0].name))
    if not models:
        return {"baseline": baseline, "note": f"nothing is compared: {reference.name} is the only score"}
    pairs = [(model, reference) for model in models.values()]
    return {"baseline": baseline} | compare(pairs, test_sets.unseen, seed, replicates)


def compared() -> list[Metric]:
    """The metrics by which detectors are compared."""
    return [metric for metric in METRICS if "comparison" in metric.where]


def compare(
    pairs: Sequence[tuple[Model, Model]], unseen: tuple[str, ...], seed: int, replicates: int
) -> dict[str, list[dict[str, Any]]]:
    """The table of `differences` for each metric that is compared, by `<metric>_difference`.

    Args:
        pairs: The models to compare, two at a time.
        unseen: The test sets that `mean_unseen` averages.
        seed: Seed of the bootstrap.
        replicates: Number of draws.

    Returns:
        The tables that have rows.

    Raises:
        UserError: If the score tables do not cover the same images.
    """
    tables = {
        f"{metric.name}_difference": differences(metric, pairs, unseen, seed, replicates)
        for metric in compared()
    }
    return {name: rows for name, rows in tables.items() if rows}


def differences(
    metric: Metric, pairs: Sequence[tuple[Model, Model]], unseen: tuple[str, ...], seed: int, replicates: int
) -> list[dict[str, Any]]:
    """The paired difference in a metric between two models on the same images, at each run's own threshold.

    All models are evaluated on the same draws of groups. The value of a model with several runs, one per
    seed, is the mean over its runs. These runs are drawn with replacement as well, so that the interval
    covers the scatter between seeds. With a single run the interval does not cover it, and says nothing about
    another seed.

    Args:
        metric: The metric.
        pairs: The models to compare, two at a time.
        unseen: The test sets that `mean_unseen` averages.
        seed: Seed of the bootstrap.
        replicates: Number of draws.

    Returns:
        For each pair one row per test set on which the metric is defined, and one for `mean` and for
        `mean_unseen`. A row has both values, their difference (positive if the first model is better), its
        95% interval, the two-sided p-value and the numbers of runs. Metrics for sets of fakes alone have
        neither means nor numbers of runs.

    Raises:
        UserError: If the score tables do not cover the same images.
    """
    names, draws = _draw(metric, [model for pair in pairs for model in pair], seed, replicates)
    sign = 1 if metric.higher_is_better else -1
    rows = []
    for first, second in pairs:
        if first.name not in draws or second.name not in draws:
            continue
        mine, theirs = draws[first.name], draws[second.name]
        generator = np.random.default_rng([seed, 1])
        drawn = _over_runs(mine.drawn, generator) - _over_runs(theirs.drawn, generator)
        parts = [
            metric.with_means(dict(zip(names, values, strict=True)), unseen)
            for values in (mine.point.mean(axis=0), theirs.point.mean(axis=0), sign * drawn.T)
        ]
        for name in parts[0]:
            ours, other, changes = (part[name] for part in parts)
            low, high = interval(changes, sign * (ours - other))
            row: dict[str, Any] = {"first": first.name, "second": second.name, "test_set": name}
            row |= {f"{metric.name}_first": _round(ours), f"{metric.name}_second": _round(other)}
            row |= {"difference": _round(sign * (ours - other)), "low": _round(low), "high": _round(high)}
            row |= {"p_value": _round(two_sided_p(changes))}
            if not metric.fakes_alone:
                row |= {"runs_first": len(first.runs), "runs_second": len(second.runs)}
            rows.append(row)
    return rows


def interval_over_runs(
    metric: Metric, model: Model, unseen: tuple[str, ...], seed: int, replicates: int
) -> dict[str, list[float]]:
    """95% intervals of a metric's mean over a model's runs; they cover the scatter of images and of seeds.

    A few runs say little about the scatter of seeds: with two runs, the interval is too narrow.

    Args:
        metric: The metric.
        model: The model with its runs.
        unseen: The test sets that `mean_unseen` averages.
        seed: Seed of the bootstrap.
        replicates: Number of draws.

    Returns:
        Lower and upper bound by test set, `mean` and `mean_unseen`; empty if the metric is defined nowhere.

    Raises:
        UserError: If the runs are not about the same images.
    """
    names, draws = _draw(metric, [model], seed, replicates)
    if not names:
        return {}
    found = draws[model.name]
    mean = _over_runs(found.drawn, np.random.default_rng([seed, 1]))
    estimates, values = (
        metric.with_means(dict(zip(names, of, strict=True)), unseen)
        for of in (found.point.mean(axis=0), mean.T)
    )
    return {
        name: [_round(bound) for bound in interval(value, estimates[name])] for name, value in values.items()
    }


def _draw(
    metric: Metric, models: Sequence[Model], seed: int, replicates: int
) -> tuple[list[str], dict[str, _Draws]]:
    """The test sets on which a metric is defined, and the metric of each model on them.

    Models without the threshold that the metric needs are left out.
    """
    reference = models[0].runs[0].test
    resampling = resample_groups(reference, seed)
    points: dict[str, list[list[float]]] = {}
    names: list[str] = []
    statistics: list[Statistic] = []
    for model in {model.name: model for model in models}.values():
        for run in model.runs:
            if (measure := metric.on(model.score, run.validation)) is not None:
                rows = _aligned(reference, run.test)
                points.setdefault(model.name, []).append(list(measure.values(rows).values()))
                by_set = measure.statistics(rows, resampling)
                names, statistics = list(by_set), statistics + list(by_set.values())
    if not statistics:
        return [], {}
    drawn = replicate(resampling, statistics, replicates).reshape(replicates, -1, len(names))
    ends = np.cumsum([len(runs) for runs in points.values()])
    parts = np.split(drawn, ends[:-1], axis=1)
    return names, {
        name: _Draws(np.array(runs), part) for (name, runs), part in zip(points.items(), parts, strict=True)
    }


def _over_runs(
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
            "the score tables do not cover the same images",
            expected=f"the same {len(wanted)} pairs of test_set and key in each",
            found=f"{len(found)} rows, {int(wanted.isin(found.index).sum())} of them shared",
            fix="compare models that were scored on the same manifests",
        )
    ordered = found.loc[wanted].reset_index()
    if not np.array_equal(ordered["label"].to_numpy(), reference["label"].to_numpy()):
        raise UserError("the score tables give an image different labels")
    return ordered


def _round(value: Any) -> float:
    return round(float(value), DIGITS)
