"""Likelihood ratios: fitted on validation, limited to what validation supports, measured on every set.

A likelihood ratio (LR) says how many times more probable a score is among fakes than among reals. Cllr is the
cost of log-likelihood ratios, Cllr_min the least cost that the ranking of the images allows; see
`metrics.likelihood`. No LR is measured on images that it was fitted on: validation is measured by
cross-fitting, which fits on all folds but one and answers for that one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float32, Int, Shaped

from fakeforensics.metrics.bootstrap import GroupSums, group_names, interval
from fakeforensics.metrics.likelihood import cllr, cllr_min, costs, empirical_bounds, tippett
from fakeforensics.metrics.ranking import check_both_classes
from fakeforensics.metrics.spec import VALIDATION, Scores
from fakeforensics.metrics.summary import thin
from fakeforensics.metrics.table import by_test_set
from fakeforensics.params import LikelihoodRatioKind
from fakeforensics.thresholds.calibrate import fit_calibrator
from fakeforensics.thresholds.policy import LikelihoodRatio

Row = dict[str, Any]
Vector = Float[np.ndarray, " n"]
Labels = Shaped[np.ndarray, " n"]
Groups = Int[np.ndarray, " n"]
Answers = Callable[[np.ndarray], np.ndarray]
Sums = Callable[[], Float32[np.ndarray, "replicates columns"]]

KINDS: tuple[LikelihoodRatioKind, ...] = get_args(LikelihoodRatioKind)
FOLDS = 5
DIGITS = 6
POINTS = 200  # the most points of a Tippett curve
CURVES = ("score", "calibrator", "test_set", "label", "log10_lr", "share")
NO_FAKES = "validation holds no fakes, so it is unknown how probable a score is among fakes"


@dataclass(frozen=True)
class LikelihoodAnalysis:
    """The likelihood ratios of a run and their quality.

    Attributes:
        fitted: The fitted functions, by the score's name and the kind.
        estimates: The rows without intervals.
        sums: For each test set the positions of its rows that get an interval, and what gives the sums that
            `_ask_for_sums` asked for.
        curves: Tippett curves with the columns score, calibrator, test_set, label, log10_lr and share (of the
            label's images at or above that value).
        missing: Why there are no likelihood ratios; None if there are.
    """

    fitted: dict[tuple[str, LikelihoodRatioKind], LikelihoodRatio]
    estimates: list[Row]
    sums: list[tuple[list[int], Sums]]
    curves: pd.DataFrame
    missing: str | None = None

    @cached_property
    def rows(self) -> list[Row]:
        """The quality of the likelihood ratios; the groups are drawn when this is first read.

        A row for each score, kind and set, validation first: numbers of reals and fakes; Cllr and Cllr_min if
        the set has both; the 95% interval of Cllr on test sets; and the shares of misleading answers, which
        are reals with LR > 1 and fakes with LR < 1.
        """
        rows = [*self.estimates]
        for places, sums in self.sums:
            fakes, reals, *totals = sums().T
            of_fakes, of_reals = totals[: len(places)], totals[len(places) :]
            for place, mine, others in zip(places, of_fakes, of_reals, strict=True):
                drawn = (mine / fakes + others / reals).astype(np.float64) / 2
                bounds = interval(drawn, rows[place]["cllr"])
                rows[place] = rows[place] | {"cllr_interval": [round(bound, DIGITS) for bound in bounds]}
        return rows

    def of_decision(self, score: str, kind: LikelihoodRatioKind) -> dict[str, Any]:
        """The fields of a `Decision` that are about likelihood ratios.

        Args:
            score: Name of the deciding score.
            kind: The kind of likelihood ratio that the policy uses.
        """
        return {
            "likelihood_ratio": self.fitted.get((score, kind)),
            "no_likelihood_ratio": self.missing,
        }

    def summary(
        self, kind: LikelihoodRatioKind, unseen: tuple[str, ...]
    ) -> dict[str, dict[str, dict[str, float]]]:
        """Cllr and Cllr_min of one kind of likelihood ratio.

        Args:
            kind: The kind.
            unseen: The test sets that `mean_unseen` averages.

        Returns:
            `cllr` or `cllr_min` → score → set → value in bits, validation first. `mean` and `mean_unseen`
            are over the test sets. Empty if there are no likelihood ratios.
        """
        found: dict[str, dict[str, dict[str, float]]] = {}
        for name in ("cllr", "cllr_min"):
            for row in self.rows:
                if row["calibrator"] == kind and name in row:
                    found.setdefault(name, {}).setdefault(row["score"], {})[row["test_set"]] = row[name]
            for by_set in found.get(name, {}).values():
                tested = {one: value for one, value in by_set.items() if one != VALIDATION}
                groups = {"mean": list(tested.values())}
                groups["mean_unseen"] = [value for one, value in tested.items() if one in unseen]
                by_set |= {
                    mean: round(math.fsum(values) / len(values), DIGITS)
                    for mean, values in groups.items()
                    if values
                }
        return found


def analyze_likelihood(
    table: pd.DataFrame, validation: pd.DataFrame, scores: Scores, seed: int, drawn: GroupSums
) -> LikelihoodAnalysis:
    """Fit every kind of likelihood ratio to every score on validation, and measure it on every set.

    Args:
        table: The score table of the test images, with the test sets in the protocol's order.
        validation: The score table of the validation images.
        scores: The scores that both tables hold.
        seed: Seed of the folds.
        drawn: The bootstrap draws of the table's groups, for the intervals. The functions are not fitted
            again for a draw.

    Raises:
        UserError: If validation has no reals, or a score is not finite.
    """
    labels = validation["label"].to_numpy()
    if (labels == 0).all():
        return LikelihoodAnalysis({}, [], [], pd.DataFrame(columns=list(CURVES)), NO_FAKES)
    groups = pd.factorize(group_names(validation))[0]
    fitted: dict[tuple[str, LikelihoodRatioKind], LikelihoodRatio] = {}
    rows: list[Row] = []
    curves: list[pd.DataFrame] = []
    costs_of: dict[str, dict[int, np.ndarray]] = {}
    for score in scores:
        values = validation[score.column].to_numpy(dtype=np.float64)
        unit, sets = {}, {}
        for name, images in by_test_set(table):
            sets[name] = images[score.column].to_numpy(dtype=np.float64), images["label"].to_numpy()
            unit[name] = drawn.resampling.unit[images.index]
        least = {name: cllr_min(*one) for name, one in sets.items() if _has_both(one[1])}
        least[VALIDATION] = cllr_min(values, labels)
        for kind in KINDS:
            found = fit_likelihood_ratio(kind, values, labels, groups, seed)
            fitted[score.name, kind] = found
            answers = {VALIDATION: (cross_fitted(kind, values, labels, groups, seed), labels)}
            answers |= {name: (found(of_set), truth) for name, (of_set, truth) in sets.items()}
            for name, (log10_lr, truth) in answers.items():
                where = {"score": score.name, "calibrator": kind, "test_set": name}
                if name in unit and name in least:
                    costs_of.setdefault(name, {})[len(rows)] = costs(log10_lr, truth)
                rows.append(where | _worth(log10_lr, truth, least.get(name)))
                curves += [part.assign(**where) for part in _curves(log10_lr, truth)]
    fake = {name: truth == 1 for name, (_, truth) in sets.items()}
    sums = [
        ([*by_row], _ask_for_sums(np.stack([*by_row.values()]), fake[name], unit[name], drawn))
        for name, by_row in costs_of.items()
    ]
    return LikelihoodAnalysis(fitted, rows, sums, pd.concat(curves, ignore_index=True)[list(CURVES)])


def _has_both(labels: Labels) -> bool:
    return bool(0 < np.count_nonzero(labels) < labels.size)


def _worth(log10_lr: Vector, labels: Labels, least: float | None) -> Row:
    """Cllr and the shares of misleading answers on one set; a set with one class has no Cllr.

    Args:
        log10_lr: log10 LR of each image.
        labels: 0 real, 1 fake.
        least: Cllr_min of the set; None if it has one class.
    """
    row: Row = {"reals": int((labels == 0).sum()), "fakes": int((labels == 1).sum())}
    if least is not None:
        row |= {"cllr": cllr(log10_lr, labels), "cllr_min": least}
    if row["reals"]:
        row["misleading_reals"] = float(np.mean(log10_lr[labels == 0] > 0))
    if row["fakes"]:
        row["misleading_fakes"] = float(np.mean(log10_lr[labels == 1] < 0))
    return {name: round(value, DIGITS) if isinstance(value, float) else value for name, value in row.items()}


def _ask_for_sums(
    bits: Float[np.ndarray, "rows n"], fake: Bool[np.ndarray, " n"], unit: Groups, drawn: GroupSums
) -> Sums:
    """Ask for the sums of a test set that its intervals of Cllr are computed from.

    Args:
        bits: The cost of each image in bits, for each row of the set.
        fake: Which images are fakes.
        unit: The group number of each image.
        drawn: The draws.

    Returns:
        What gives the numbers of fakes and of reals, then each row's costs of the fakes, then of the reals.
    """
    groups, place = np.unique(unit, return_inverse=True)
    columns = np.concatenate([fake[None], ~fake[None], bits * fake, bits * ~fake])
    by_group = [np.bincount(place, column) for column in columns]
    return drawn.ask(groups, np.stack(by_group, axis=1).astype(np.float32))


def _curves(log10_lr: Vector, labels: Labels) -> list[pd.DataFrame]:
    parts = []
    for label in (0, 1):
        if (labels == label).any():
            x, share = tippett(log10_lr[labels == label])
            kept = thin(x, share, POINTS)
            points = {"log10_lr": x[kept].round(DIGITS), "share": share[kept].round(DIGITS)}
            parts.append(pd.DataFrame(points).assign(label=label))
    return parts


def fit_likelihood_ratio(
    kind: LikelihoodRatioKind, scores: Vector, labels: Labels, groups: Groups, seed: int
) -> LikelihoodRatio:
    """Fit a likelihood ratio to validation scores, and limit it to the bounds that they support.

    The bounds are the `empirical_bounds` of answers by cross-fitting, where each group counts once. If all
    images of a class are in one group, cross-fitting is impossible and both bounds are 0, so LR is always 1.

    Args:
        kind: `logistic`: Platt's regression of the label on the score, minus the log odds of fake in
            validation. `isotonic`: isotonic regression, minus the same log odds. Before that, one misleading
            image beyond all others is added to each class, so that no LR is 0 or infinite.
        scores: Finite, on any scale; higher is more likely fake.
        labels: 0 real, 1 fake.
        groups: The group number of each image. Images of a group are not independent.
        seed: Seed of the folds.

    Returns:
        A non-decreasing function. LR is always 1 if all fakes score below all reals, or all scores are equal.

    Raises:
        UserError: If a class is absent or a score is not finite.

    Source:
        Brümmer and du Preez, Application-independent evaluation of speaker detection, Computer Speech and
        Language 20, 2006. For the bounds Vergeer et al., Science and Justice 56, 2016.
    """
    check_both_classes(scores, labels, VALIDATION)
    found = _fit(kind, scores, labels, groups)

    def fit(kept: np.ndarray) -> Answers:
        return _fit(kind, scores[kept], labels[kept], groups[kept]).unbounded

    answers = _cross_fit(scores, labels, groups, seed, fit)
    lower, upper = empirical_bounds(answers, labels, group_weights(labels, groups))
    return found.model_copy(update={"lower": lower, "upper": upper})


def cross_fitted(
    kind: LikelihoodRatioKind, scores: Vector, labels: Labels, groups: Groups, seed: int
) -> Vector:
    """log10 LR of each image, from a function and bounds that were fitted without the image's fold.

    Args:
        kind: The kind of likelihood ratio.
        scores: Finite; higher is more likely fake.
        labels: 0 real, 1 fake.
        groups: The group number of each image; a group is in one fold.
        seed: Seed of the folds.
    """

    def fit(kept: np.ndarray) -> Answers:
        return fit_likelihood_ratio(kind, scores[kept], labels[kept], groups[kept], seed)

    return _cross_fit(scores, labels, groups, seed, fit)


def _cross_fit(
    scores: Vector, labels: Labels, groups: Groups, seed: int, fit: Callable[[np.ndarray], Answers]
) -> Vector:
    """The answer for each image by the function that `fit` returns for the other folds.

    The answer is 0 if the other folds lack a class. `fit` gets a mask of the images to fit to.
    """
    fold = folds(labels, groups, seed)
    answers = np.zeros(scores.size)
    for number in range(fold.max() + 1):
        kept = fold != number
        if _has_both(labels[kept]):
            answers[~kept] = fit(kept)(scores[~kept])
    return answers


def folds(labels: Labels, groups: Groups, seed: int) -> Groups:
    """The fold of each image, from 0. A group is in one fold, and each class is in every fold.

    There are `FOLDS` folds, or as many as the rarer class has groups if these are fewer.

    Args:
        labels: 0 real, 1 fake.
        groups: The group number of each image.
        seed: Seed of the assignment.
    """
    names, place = np.unique(groups, return_inverse=True)
    holds = np.zeros((2, names.size), dtype=bool)
    for label in (0, 1):
        holds[label, place[labels == label]] = True
    number = min(FOLDS, int(holds.sum(axis=1).min()))
    # In the order reals alone, both classes, fakes alone, the groups of either class are adjacent.
    kind = holds[1].astype(np.int64) - holds[0]
    order = np.lexsort((np.random.default_rng(seed).random(names.size), kind))
    fold = np.empty(names.size, dtype=np.int64)
    fold[order] = np.arange(names.size) % max(number, 1)
    return fold[place]


def group_weights(labels: Labels, groups: Groups) -> Vector:
    """The weight of each image: 1 over the number of images of its class in its group."""
    place, counts = np.unique(2 * groups + (labels == 1), return_inverse=True, return_counts=True)[1:]
    return 1 / counts[place]


def _fit(kind: LikelihoodRatioKind, scores: Vector, labels: Labels, groups: Groups) -> LikelihoodRatio:
    """Fit a likelihood ratio. Its bounds are not known yet and are 0."""
    reals, fakes = int(np.count_nonzero(labels == 0)), int(np.count_nonzero(labels == 1))
    fields: dict[str, Any] = {"kind": kind, "lower": 0.0, "upper": 0.0}
    fields |= {name: np.unique(groups[labels == at]).size for at, name in enumerate(("reals", "fakes"))}
    if kind == "isotonic":
        values, place = np.unique(scores, return_inverse=True)
        fake = np.bincount(place, labels).astype(np.float64)
        images = np.bincount(place).astype(np.float64)
        fake[0] += 1  # the added fake has the lowest score, the added real the highest
        images[[0, -1]] += 1 if values.size > 1 else 2
        from sklearn.isotonic import IsotonicRegression

        share = IsotonicRegression().fit_transform(
            np.arange(values.size), fake / images, sample_weight=images
        )
        log10_lr = np.log10(share / (1 - share)) - math.log10((fakes + 1) / (reals + 1))
        # The two ends of a block of equal values are enough to interpolate it.
        ends = np.flatnonzero(np.diff(log10_lr))
        kept = np.unique(np.concatenate([[0], ends, ends + 1, [values.size - 1]]))
        fields |= {"x": values[kept].tolist(), "y": log10_lr[kept].tolist()}
    elif (platt := fit_calibrator("platt", scores, labels)).slope > 0:
        intercept = platt.intercept - math.log(fakes / reals)
        fields |= {"slope": platt.slope / math.log(10), "intercept": intercept / math.log(10)}
    return LikelihoodRatio(**fields)
