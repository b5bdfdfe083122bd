"""All threshold selectors, each labeled with the information it uses.

A selector is a rule that chooses a threshold for a test set. Prevalence is the share of fakes in a set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from fakeforensics.metrics.operating import deployed_threshold, sweep
from fakeforensics.metrics.ranking import rank
from fakeforensics.metrics.spec import VALIDATION
from fakeforensics.params import ThresholdsParams
from fakeforensics.thresholds.adapt import METHODS, ValidationSummary, histogram
from fakeforensics.thresholds.calibrate import fit_calibrator
from fakeforensics.thresholds.known_reals import KnownReals, ScoreCells, conformal_draws, fill_unjudged
from fakeforensics.thresholds.targets import Target

Prevalence = float | None  # None is the set's own share of fakes
KnownDraws = dict[int, KnownReals | str]  # by k, the number of known reals; a text says why there are none
Information = Literal["oracle", "validation", "universal", "unlabelled", "reals", "reals_and_scores"]
Aim = Literal["mean", "worst"]

AIMS: tuple[Aim, ...] = ("mean", "worst")
INFORMATION_USED: dict[Information, str] = {
    "oracle": "the set's own labels: a bound, not a result",
    "validation": "validation scores and labels",
    "universal": "the other test sets' scores and labels",
    "unlabelled": "the set's own scores without labels, and validation",
    "reals": "a few known reals of the set's domain",
    "reals_and_scores": "a few known reals, the set's own scores without labels, and validation's threshold",
}


class Estimate(NamedTuple):
    """A selector's estimate of the share of fakes, averaged over its draws of known reals.

    Attributes:
        mean: The share of fakes.
        low: Lower end of its 95% interval.
        high: Upper end of that interval.
        fallbacks: Share of the draws for which the share of fakes is unclear.
    """

    mean: float
    low: float
    high: float
    fallbacks: float


@dataclass(frozen=True)
class Selection:
    """A selected threshold.

    Attributes:
        selector: Name of the selector.
        information: The information it used, a key of `INFORMATION_USED`.
        target: The position of the set in the list of targets.
        prevalences: The prevalences at which it selects this threshold.
        called: For each image 1 if it is called fake, else 0; with random draws of known reals, the share of
            the draws that call it fake.
        threshold: The threshold, or its mean over the draws.
        note: A remark for the reader.
        is_fallback: Whether this is validation's threshold, because the selector found none.
        estimate: The estimated share of fakes; None if the selector does not estimate it.
    """

    selector: str
    information: Information
    target: int
    prevalences: tuple[Prevalence, ...]
    called: Float[np.ndarray, " n"]
    threshold: float
    note: str = ""
    is_fallback: bool = False
    estimate: Estimate | None = None


@dataclass(frozen=True)
class Unavailable:
    """A selector that does not apply to a test set; `note` says why. For the other fields see `Selection`."""

    selector: str
    information: Information
    target: int
    note: str


def select_thresholds(
    targets: list[Target], validation: Target, params: ThresholdsParams, known: Sequence[KnownDraws]
) -> Iterator[Selection | Unavailable]:
    """Apply every selector to every set, at the set's own prevalence and at each prevalence of the settings.

    Args:
        targets: The test sets.
        validation: The validation images.
        params: The settings of the group `thresholds`.
        known: The draws of known reals, for each test set.
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
        yield from _select_by_known_reals(place, target, known[place], chosen, params)


def oracle_threshold(target: Target, prevalence: Prevalence) -> float:
    """The threshold with the highest accuracy at a prevalence, over all operating points."""
    points = sweep(target.ranking)
    share = target.prevalence if prevalence is None else prevalence
    return points.best(share * points.tp / points.fakes + (1 - share) * (1 - points.fp / points.reals))


def leave_one_set_out(target: Target, others: Sequence[Target]) -> dict[Aim, float] | None:
    """The thresholds that are best for all other test sets.

    Images of the target, and images of groups that occur in the target, are first removed from the other
    sets. A set that loses a class by that is left out, because the other class alone would only push the
    threshold to one side. For example CRN and IMLE, which have the same reals, leave each other out.

    Args:
        target: The set that the threshold is for; its scores are not used.
        others: All test sets; the target itself is skipped.

    Returns:
        By `mean`, the threshold with the highest mean of the sets' accuracies; by `worst`, the threshold with
        the highest minimum of the sets' accuracies. Candidates are all operating points of the pooled scores.
        None if no set is left.
    """
    left = [clean for other in others if (clean := other.without_shared(target)) is not None]
    if not left:
        return None
    # Each set is sorted already. Sorting a few sorted runs is faster than sorting numbers in any order.
    pooled = np.concatenate([other.ranking.scores for other in left])
    ranking = rank(pooled, np.concatenate([other.ranking.labels for other in left]), "the other sets")
    sizes = [other.fake.size for other in left]
    owner = np.repeat(np.arange(len(left), dtype=np.int16), sizes)[ranking.order]
    by_owner = np.argsort(owner, kind="stable")
    # The first operating point at which each image is called fake; at point 0 nothing is.
    is_end = np.zeros(owner.size, dtype=bool)
    is_end[ranking.ends] = True
    first = np.cumsum(is_end) - is_end + 1
    total, worst = np.zeros(ranking.ends.size + 1), np.full(ranking.ends.size + 1, np.inf)
    for other, places in zip(left, np.split(by_owner, np.cumsum(sizes)[:-1]), strict=True):
        # At point 0 every real is right. Each image that is then called fake changes one answer, and between
        # two images of the set nothing changes.
        gained = np.cumsum(2 * ranking.labels[places] - 1)
        right = np.append(0, gained) + np.count_nonzero(~other.fake)
        steps = np.diff(first[places], prepend=0, append=total.size)
        accuracy = np.repeat(right / other.fake.size, steps)
        total += accuracy
        np.minimum(worst, accuracy, out=worst)
    points = sweep(ranking)
    return {"mean": points.best(total / len(left)), "worst": points.best(worst)}


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
    place: int, target: Target, known: KnownDraws, chosen: float, params: ThresholdsParams
) -> Iterator[Selection | Unavailable]:
    """The selectors that are given known reals; `chosen` is validation's threshold."""
    everywhere = (None, *params.fake_shares)
    for size, drawn in known.items():
        found = {} if isinstance(drawn, str) else conformal_draws(target, drawn, params.false_positive_rates)
        for rate in params.false_positive_rates:
            selector = f"reals_k{size}_fpr{100 * rate:g}"
            if rate not in found:
                note = drawn if isinstance(drawn, str) else _not_attainable(size)
                yield Unavailable(selector, "reals", place, note)
                continue
            result = found[rate]
            low, high = np.quantile(result.fpr, [0.05, 0.95])
            note = (
                f"FPR by group, as guaranteed: {result.fpr_by_group:.4f}; "
                f"over images in single draws: 5% below {low:.4f}, 5% above {high:.4f}"
            )
            called, mean = fill_unjudged(result.called, target.fake), float(result.thresholds.mean())
            yield Selection(selector, "reals", place, everywhere, called, mean, note)
    for size, drawn in known.items():
        yield from _select_at_any_share(place, target, size, drawn, chosen, everywhere)


def _select_at_any_share(
    place: int,
    target: Target,
    size: int,
    drawn: KnownReals | str,
    chosen: float,
    everywhere: tuple[Prevalence, ...],
) -> Iterator[Selection | Unavailable]:
    selector = f"any_share_k{size}"
    if isinstance(drawn, str):
        yield Unavailable(selector, "reals_and_scores", place, drawn)
        return
    cells = ScoreCells(target, drawn)
    for prevalence in everywhere:
        found = cells.any_share(prevalence, chosen)
        if isinstance(found, str):
            yield Unavailable(selector, "reals_and_scores", place, found)
            return
        low, high = found.interval
        note = (
            f"estimated share of fakes {found.fake_share:.3f}, interval {low:.3f} to {high:.3f} (means over "
            f"draws); {100 * found.fallbacks:.1f}% of the draws leave it open: known reals alone decide there"
        )
        yield Selection(
            selector,
            "reals_and_scores",
            place,
            (prevalence,),
            fill_unjudged(found.called, target.fake),
            float(found.thresholds.mean()),
            note,
            estimate=Estimate(found.fake_share, low, high, found.fallbacks),
        )


def _not_attainable(size: int) -> str:
    return f"not attainable: below 1 / (k + 1) = {1 / (size + 1):.4f}"


def _summarize(validation: Target, threshold: float) -> ValidationSummary:
    scores, labels = validation.scores, validation.fake.astype(np.int64)
    slope, intercept = 0.0, 0.0
    if labels.any():  # without fakes the odds are unknown, and a slope of 0 says so
        platt = fit_calibrator("platt", scores, labels)
        slope, intercept = platt.slope, platt.intercept
    mean, std = float(scores.mean()), float(scores.std())
    if histogram(scores, validation.weights(None)).std == 0:  # NumPy's may not be exactly 0 for equal scores
        std = 0.0
    return ValidationSummary(threshold, mean, std, slope, intercept, validation.prevalence)
