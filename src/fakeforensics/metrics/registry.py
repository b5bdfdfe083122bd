"""The metrics: one entry of `METRICS` each.

All code that measures loops over the entries: the metrics of a run, their bootstrap intervals, the details by
frame and by video, the comparison of detectors, robustness, and `fakeforensics evaluate`. A new metric is
one new entry. This entry would appear in all of them, with intervals:

    Metric("balanced", "balanced", balanced_accuracy, title="balanced accuracy", cut=at_validation)

Here `balanced_accuracy(scores, labels, weights, threshold)` is a function of arrays. `weights` is None, or
counts how often the bootstrap drew each image; most functions of scikit-learn take it as `sample_weight`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Integer

from fakeforensics.metrics.bootstrap import Resampling, Statistic, WeightedRanking, weighted_ranking
from fakeforensics.metrics.operating import validation_threshold
from fakeforensics.metrics.ranking import (
    Vector,
    average_precision,
    equal_error_rate,
    rank,
    roc_auc,
    tpr_at_fpr,
)
from fakeforensics.metrics.spec import Scores, ScoreSpec
from fakeforensics.metrics.table import by_test_set, has_both_classes

Place = Literal["summary", "details", "interval", "comparison", "robustness"]
EVERYWHERE: tuple[Place, ...] = ("summary", "details", "interval", "comparison", "robustness")


class Cut(NamedTuple):
    """A threshold that was chosen without the test images.

    Attributes:
        threshold: The threshold on the score's own scale.
        chosen: How it was chosen, in words.
        suffix: The end of the metric's key in `metrics/<protocol>/<detector>.json`.
    """

    threshold: float
    chosen: str
    suffix: str = ""


@dataclass(frozen=True)
class Metric:
    """A number that is computed from the scores of one test set.

    Args:
        name: Its key in JSON files and its column in tables.
        label: Short name for headings.
        value: The function of scores, labels and weights, and of a threshold if there is a `cut`.
        title: Full name for pictures and captions; empty if it is the same as the label.
        higher_is_better: Whether a better detector has a higher value.
        needs_both_classes: Whether it is undefined if a class is absent; such sets are then left out.
        fakes_alone: Whether it applies only to test sets without reals. It is not averaged over sets.
        where: The places that show it. `summary`: `metrics/<protocol>/<detector>.json`. `details`: the
            details by frame and by video. `interval`: the details show its bootstrap interval. `comparison`:
            the comparison of detectors. `robustness`: the table of corruptions; the loss under a corruption
            has an interval if `comparison` is a place as well.
        cut: Chooses the threshold for a score and the validation scores, which may be None. It returns None
            if the metric does not apply to that score.
        fast: A faster form of `value` for the bootstrap: a function of a sorted set and of the counts of its
            groups; None if there is no such form.
    """

    name: str
    label: str
    value: Callable[..., float]
    title: str = ""
    higher_is_better: bool = True
    needs_both_classes: bool = True
    fakes_alone: bool = False
    where: tuple[Place, ...] = EVERYWHERE
    cut: Callable[[ScoreSpec, pd.DataFrame | None], Cut | None] | None = None
    fast: Callable[[WeightedRanking, Integer[np.ndarray, " groups"]], float] | None = None

    def is_defined(self, rows: pd.DataFrame) -> bool:
        """Whether the metric is defined on the rows of a test set."""
        if self.needs_both_classes:
            return has_both_classes(rows)
        return not self.fakes_alone or bool((rows["label"] == 1).all())

    def on(self, score: ScoreSpec, validation: pd.DataFrame | None) -> Measure | None:
        """Apply the metric to a score and choose its threshold, if it needs one.

        Args:
            score: The score.
            validation: Validation scores to choose the threshold on; None if there are none.

        Returns:
            None if the metric does not apply to the score, or has no threshold without validation.

        Raises:
            UserError: If validation has no reals or a score is not finite.
        """
        cut = self.cut and self.cut(score, validation)
        return None if self.cut and cut is None else Measure(self, score, cut)

    def with_means(self, values: dict[str, Any], unseen: tuple[str, ...]) -> dict[str, Any]:
        """The values by test set, with `mean` over all sets and `mean_unseen` over the unseen ones, if any.

        Metrics for sets of fakes alone have no means.
        """
        if self.fakes_alone or not values:
            return values
        found = values | {"mean": np.mean(list(values.values()), axis=0)}
        if chosen := [value for name, value in values.items() if name in unseen]:
            found["mean_unseen"] = np.mean(chosen, axis=0)
        return found


@dataclass(frozen=True)
class Measure:
    """A metric of one score, with the chosen threshold if it needs one."""

    metric: Metric
    score: ScoreSpec
    cut: Cut | None

    @property
    def key(self) -> str:
        """The key in `metrics/<protocol>/<detector>.json`."""
        return self.metric.name + (self.cut.suffix if self.cut else "")

    def value(self, scores: Vector, labels: Vector, weights: Vector | None = None) -> float:
        """The value on one set.

        Args:
            scores: Finite; higher is more likely fake.
            labels: 0 real, 1 fake.
            weights: How often each image counts; by default once.
        """
        threshold = () if self.cut is None else (self.cut.threshold,)
        return float(self.metric.value(scores, labels, weights, *threshold))

    def values(self, table: pd.DataFrame) -> dict[str, float]:
        """The value on each test set on which the metric is defined.

        Raises:
            UserError: If a score is not finite.
        """
        found = {}
        for name, scores, labels, _ in self._sets(table):
            rank(scores, labels, f"{name}, {self.score.name}")  # refuses NaN and infinity
            found[name] = self.value(scores, labels)
        return found

    def statistics(self, table: pd.DataFrame, resampling: Resampling) -> dict[str, Statistic]:
        """The metric of each test set on which it is defined, as a function of the counts of the groups.

        Args:
            table: The rows of a score table, with an index from 0.
            resampling: The groups of these rows.

        Raises:
            UserError: If a score is not finite.
        """
        found: dict[str, Statistic] = {}
        for name, scores, labels, places in self._sets(table):
            unit = resampling.unit[places]
            if self.metric.fast is None:
                found[name] = partial(self._weighted, scores, labels, unit)
            else:
                ranking = weighted_ranking(rank(scores, labels, name), unit)
                found[name] = partial(self.metric.fast, ranking)
        return found

    def _weighted(
        self, scores: Vector, labels: Vector, unit: Vector, counts: Integer[np.ndarray, " groups"]
    ) -> float:
        return self.value(scores, labels, counts[unit])

    def _sets(self, table: pd.DataFrame) -> list[tuple[str, Vector, Vector, Vector]]:
        return [
            (name, rows[self.score.column].to_numpy(), rows["label"].to_numpy(), rows.index.to_numpy())
            for name, rows in by_test_set(table)
            if self.metric.is_defined(rows)
        ]


def measures(place: Place, scores: Scores, validation: pd.DataFrame | None) -> list[Measure]:
    """The metrics that a place shows, for each score.

    A metric is left out for the scores that it does not apply to, and if it needs validation scores and there
    are none.

    Raises:
        UserError: If validation has no reals or a score is not finite.
    """
    placed = [metric for metric in METRICS if place in metric.where]
    found = [metric.on(score, validation) for metric in placed for score in scores]
    return [measure for measure in found if measure is not None]


def at_validation(score: ScoreSpec, validation: pd.DataFrame | None) -> Cut | None:
    """The threshold with the highest accuracy on validation; None without validation."""
    if validation is None:
        return None
    chosen = "highest accuracy on the validation images"
    return Cut(validation_threshold(validation, score.column), chosen)


def at_even_odds(score: ScoreSpec, validation: pd.DataFrame | None) -> Cut | None:
    """Probability 0.5, as in chapter 3 of the thesis; `at_validation` for a score without a probability."""
    if score.even_odds is not None:
        return Cut(score.even_odds, "probability 0.5")
    cut = at_validation(score, validation)
    return cut and cut._replace(suffix="_at_validation_threshold")


def accuracy(scores: Vector, labels: Vector, weights: Vector | None, threshold: float) -> float:
    """Share of the images that are classified correctly; on fakes alone this is the recall."""
    right = (np.asarray(scores) >= threshold) == (np.asarray(labels) == 1)
    return float(np.average(right, weights=weights))


METRICS = [
    Metric("ap", "AP", average_precision, title="average precision", fast=WeightedRanking.average_precision),
    Metric("auc", "AUC", roc_auc, where=("summary", "details", "interval"), fast=WeightedRanking.roc_auc),
    Metric("eer", "EER", equal_error_rate, higher_is_better=False, where=("summary", "details")),
    Metric("tpr_at_fpr_1", "TPR at FPR 1%", partial(tpr_at_fpr, limit=0.01), where=("details",)),
    Metric("tpr_at_fpr_5", "TPR at FPR 5%", partial(tpr_at_fpr, limit=0.05), where=("details",)),
    Metric(
        "accuracy",
        "accuracy",
        accuracy,
        title="accuracy at validation's threshold",
        needs_both_classes=False,
        where=("details", "robustness"),
        cut=at_validation,
    ),
    Metric(
        "accuracy",
        "accuracy",
        accuracy,
        title="accuracy on fakes alone",
        needs_both_classes=False,
        fakes_alone=True,
        where=("summary", "interval", "comparison"),
        cut=at_even_odds,
    ),
]
