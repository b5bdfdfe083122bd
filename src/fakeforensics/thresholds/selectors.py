"""All threshold selectors, each labeled with the information it uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from fakeforensics.metrics.operating import conformal_threshold, deployed_threshold, sweep
from fakeforensics.metrics.ranking import rank
from fakeforensics.metrics.table import VALIDATION
from fakeforensics.params import ThresholdsParams
from fakeforensics.thresholds.adapt import METHODS, ValidationSummary, histogram
from fakeforensics.thresholds.calibrate import fit_calibrator
from fakeforensics.thresholds.targets import Target

Prevalence = float | None  # None leaves the set as it is
Information = Literal["oracle", "validation", "universal", "unlabelled", "reals"]
Aim = Literal["mean", "worst"]

AIMS: tuple[Aim, ...] = ("mean", "worst")
INFORMATION_USED: dict[Information, str] = {
    "oracle": "the set's own labels: a bound, not a result",
    "validation": "validation scores and labels",
    "universal": "the other test sets' scores and labels",
    "unlabelled": "the set's own scores without labels, and validation",
    "reals": "a few known reals of the set's domain",
}
MEASURED_AT_LEAST = 10  # groups of reals that must be left to measure on


@dataclass(frozen=True)
class Selection:
    """A selected threshold.

    Attributes:
        selector: Name of the selector.
        information: What it used, a key of `INFORMATION_USED`.
        target: The set's place in the list of targets.
        prevalences: The prevalences at which it selects this threshold.
        called: For each image, whether it is called fake; for random calibration sets, the share of the draws
            that call it fake.
        threshold: The threshold, or its mean over the draws.
        note: For the reader.
        is_fallback: Whether this is validation's threshold, as the selector found none.
    """

    selector: str
    information: Information
    target: int
    prevalences: tuple[Prevalence, ...]
    called: Float[np.ndarray, " n"]
    threshold: float
    note: str = ""
    is_fallback: bool = False


@dataclass(frozen=True)
class Unavailable:
    """A selector that does not apply to a set: `Selection` without a threshold, and `note` says why."""

    selector: str
    information: Information
    target: int
    note: str


@dataclass(frozen=True)
class ConformalDraws:
    """What the conformal threshold does on a set, over many random calibration sets.

    Attributes:
        called: For each image, the share of the draws that call it fake, among those that leave it in the
            evaluation; NaN if none does.
        thresholds: Of each draw.
        fpr: Of each draw, over the reals of the groups that gave no known real.
        fpr_by_group: Mean over the groups of the share of their reals called fake: the guaranteed rate.
    """

    called: Float[np.ndarray, " n"]
    thresholds: Float[np.ndarray, " draws"]
    fpr: Float[np.ndarray, " draws"]
    fpr_by_group: float


def select_thresholds(
    targets: list[Target], validation: Target, params: ThresholdsParams, seed: int
) -> Iterator[Selection | Unavailable]:
    """Apply every selector to every set, at its own and each given prevalence.

    Args:
        targets: The test sets.
        validation: The validation images.
        params: Which selectors are tried, and where.
        seed: Of the draws of known reals.
    """
    chosen = deployed_threshold(validation.ranking, params.criterion, VALIDATION)
    summary = _summarize(validation, chosen)
    everywhere = (None, *params.fake_shares)
    for place, target in enumerate(targets):
        cut = partial(_cut, place, target)
        for prevalence in everywhere:
            yield cut("oracle", "oracle", (prevalence,), oracle_threshold(target, prevalence))
        yield cut(VALIDATION, "validation", everywhere, chosen)
        universal = leave_one_set_out(target, targets)
        for aim in AIMS:
            if universal is None:
                note = "no other set is left without what it shares with this one"
                yield Unavailable(f"universal_{aim}", "universal", place, note)
            else:
                yield cut(f"universal_{aim}", "universal", everywhere, universal[aim])
        for prevalence in everywhere:
            scores = histogram(target.scores, target.weights(prevalence))
            for selector, method in METHODS.items():
                found = method(scores, summary)
                note = "finds no threshold: validation's is used" if found is None else ""
                yield cut(selector, "unlabelled", (prevalence,), chosen if found is None else found, note)
        yield from _select_by_known_reals(place, target, params, seed)


def oracle_threshold(target: Target, prevalence: Prevalence) -> float:
    """The threshold with the highest accuracy at a prevalence, over all operating points."""
    points = sweep(target.ranking)
    share = target.prevalence if prevalence is None else prevalence
    return points.best(share * points.tp / points.fakes + (1 - share) * (1 - points.fp / points.reals))


def leave_one_set_out(target: Target, others: Sequence[Target]) -> dict[Aim, float] | None:
    """The best thresholds over all other sets.

    Images of the target, and of groups that occur in it, leave the other sets first. A set that loses a class
    by that is left out altogether: judged by the other class alone it would only pull the threshold to its
    side. So CRN and IMLE, whose reals are the same, leave each other out.

    Args:
        target: The set that the threshold is for; its scores are not used.
        others: All sets; the target itself is skipped.

    Returns:
        For `mean` the threshold with the highest mean of the sets' accuracies, for `worst` that with the
        highest of their minima, over all operating points of the pooled scores. None if no set is left.
    """
    left = [clean for other in others if (clean := other.without_shared(target)) is not None]
    if not left:
        return None
    pooled = np.concatenate([other.scores for other in left])
    ranking = rank(pooled, np.concatenate([other.fake for other in left]).astype(np.int8), "the other sets")
    owner = np.repeat(np.arange(len(left)), [other.fake.size for other in left])[ranking.order]
    # With nothing called fake every real is right; lowering the threshold past an image changes one answer.
    gain = 2 * ranking.labels - 1
    accuracies = np.empty((len(left), ranking.ends.size + 1))
    for number, other in enumerate(left):
        gained = np.append(0, np.cumsum(np.where(owner == number, gain, 0))[ranking.ends])
        accuracies[number] = (np.count_nonzero(~other.fake) + gained) / other.fake.size
    points = sweep(ranking)
    return {"mean": points.best(accuracies.mean(axis=0)), "worst": points.best(accuracies.min(axis=0))}


def conformal_draws(
    target: Target, size: int, alphas: tuple[float, ...], draws: int, seed: int
) -> dict[float, ConformalDraws] | str:
    """Draw calibration sets from a set's reals, select the conformal threshold, and evaluate on the rest.

    A draw takes one image of each of `size` random groups of reals. These groups leave the evaluation with
    all their images, fakes included: what is known is not predicted.

    What is exchangeable with the known reals is one random real of a further random group. Its probability of
    being called fake, averaged over draws, is at most alpha: every group counts once, however many images it
    has. The rate over images weighs groups by their size. Both are the same where groups are of equal size;
    elsewhere the rate over images has no guarantee, and lies above alpha where large groups score higher.

    Args:
        target: The set.
        size: k, the number of known reals.
        alphas: False-positive rates asked for.
        draws: Number of draws.
        seed: Of the draws.

    Returns:
        The result for each attainable alpha; or, as text, why there is none.
    """
    reals = np.flatnonzero(~target.fake)
    unit = np.unique(target.unit, return_inverse=True)[1]
    groups, group_of_real = np.unique(unit[reals], return_inverse=True)
    if groups.size < size + MEASURED_AT_LEAST:
        return f"{groups.size} groups of reals do not leave {MEASURED_AT_LEAST} to measure on"
    attainable = [alpha for alpha in alphas if alpha >= 1 / (size + 1) - 1e-12]
    if not attainable:
        return _not_attainable(size)
    order = np.argsort(group_of_real, kind="stable")
    sizes = np.bincount(group_of_real)
    firsts = np.append(0, np.cumsum(sizes))[:-1]
    generator = np.random.default_rng([seed, size])
    calibration = np.empty((draws, size))
    known = np.zeros((draws, unit.max() + 1), dtype=bool)
    for draw in range(draws):
        chosen = generator.choice(groups.size, size, replace=False, shuffle=False)
        picked = order[firsts[chosen] + (generator.random(size) * sizes[chosen]).astype(np.int64)]
        calibration[draw] = target.scores[reals[picked]]
        known[draw, groups[chosen]] = True
    judged = ~known[:, unit]
    judgments = judged.sum(axis=0)
    found = {}
    for alpha in attainable:
        thresholds = np.array([conformal_threshold(one, alpha) for one in calibration], dtype=np.float64)
        called = judged & (target.scores >= thresholds[:, None])
        share = np.full(target.scores.size, np.nan)
        np.divide(called.sum(axis=0), judgments, out=share, where=judgments > 0)
        fpr = called[:, reals].sum(axis=1) / judged[:, reals].sum(axis=1)
        by_group = pd.Series(share[reals]).groupby(group_of_real).mean().mean()
        found[alpha] = ConformalDraws(share, thresholds, fpr, float(by_group))
    return found


def _cut(
    place: int,
    target: Target,
    selector: str,
    information: Information,
    prevalences: tuple[Prevalence, ...],
    threshold: float,
    fallback: str = "",
) -> Selection:
    called = (target.scores >= threshold).astype(np.float64)
    return Selection(selector, information, place, prevalences, called, threshold, fallback, bool(fallback))


def _select_by_known_reals(
    place: int, target: Target, params: ThresholdsParams, seed: int
) -> Iterator[Selection | Unavailable]:
    rates = params.false_positive_rates
    for size in params.known_reals:
        found = conformal_draws(target, size, rates, params.draws, seed)
        for rate in rates:
            selector = f"reals_k{size}_fpr{100 * rate:g}"
            if isinstance(found, str) or rate not in found:
                note = found if isinstance(found, str) else _not_attainable(size)
                yield Unavailable(selector, "reals", place, note)
                continue
            result = found[rate]
            # An image that no draw judged gets its class's mean, which changes no rate.
            judged = pd.Series(result.called)
            called = judged.fillna(judged.groupby(target.fake).transform("mean")).to_numpy()
            low, high = np.quantile(result.fpr, [0.05, 0.95])
            note = (
                f"FPR by group, as guaranteed: {result.fpr_by_group:.4f}; "
                f"over images in single draws: 5% below {low:.4f}, 5% above {high:.4f}"
            )
            mean, everywhere = float(result.thresholds.mean()), (None, *params.fake_shares)
            yield Selection(selector, "reals", place, everywhere, called, mean, note)


def _not_attainable(size: int) -> str:
    return f"not attainable: below 1 / (k + 1) = {1 / (size + 1):.4f}"


def _summarize(validation: Target, threshold: float) -> ValidationSummary:
    scores, labels = validation.scores, validation.fake.astype(np.int64)
    slope, intercept = 0.0, 0.0
    if labels.any():  # without fakes the odds are unknown, and methods that need them find no threshold
        platt = fit_calibrator("platt", scores, labels)
        slope, intercept = platt.slope, platt.intercept
    mean, std = float(scores.mean()), float(scores.std())
    if histogram(scores, validation.weights(None)).std == 0:  # the formula leaves a rounding error
        std = 0.0
    return ValidationSummary(threshold, mean, std, slope, intercept, validation.prevalence)
