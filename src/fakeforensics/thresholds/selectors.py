"""All threshold selectors, each labeled with the information it uses."""

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

Prevalence = float | None  # None leaves the set as it is
KnownDraws = dict[int, KnownReals | str]  # by k
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
    """What a selector estimates besides the threshold: means over its draws.

    Attributes:
        mean: The share of fakes.
        low: Lower end of its 95% interval.
        high: Upper end.
        fallbacks: Share of the draws that leave it open.
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
        information: What it used, a key of `INFORMATION_USED`.
        target: The set's place in the list of targets.
        prevalences: The prevalences at which it selects this threshold.
        called: For each image, whether it is called fake; for random calibration sets, the share of the draws
            that call it fake.
        threshold: The threshold, or its mean over the draws.
        note: For the reader.
        is_fallback: Whether this is validation's threshold, as the selector found none.
        estimate: Of the share of fakes, where the selector makes one.
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
    """A selector that does not apply to a set: `Selection` without a threshold, and `note` says why."""

    selector: str
    information: Information
    target: int
    note: str


def select_thresholds(
    targets: list[Target], validation: Target, params: ThresholdsParams, known: Sequence[KnownDraws]
) -> Iterator[Selection | Unavailable]:
    """Apply every selector to every set, at its own and each given prevalence.

    Args:
        targets: The test sets.
        validation: The validation images.
        params: Which selectors are tried, and where.
        known: The draws of known reals, for each set.
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
    # Each set is sorted already, and sorted runs are merged faster than numbers in any order are sorted.
    pooled = np.concatenate([other.ranking.scores for other in left])
    ranking = rank(pooled, np.concatenate([other.ranking.labels for other in left]), "the other sets")
    owner = np.repeat(np.arange(len(left)), [other.fake.size for other in left])[ranking.order]
    # With nothing called fake every real is right; lowering the threshold past an image changes one answer.
    gain = 2 * ranking.labels - 1
    total, worst = np.zeros(ranking.ends.size + 1), np.full(ranking.ends.size + 1, np.inf)
    gained = np.zeros(ranking.ends.size + 1, dtype=np.int32)
    for number, other in enumerate(left):
        np.take(np.cumsum(gain * (owner == number), dtype=np.int32), ranking.ends, out=gained[1:])
        accuracy = (np.count_nonzero(~other.fake) + gained) / other.fake.size
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
    """The rules that are given known reals; `chosen` is validation's threshold."""
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
    if labels.any():  # without fakes the odds are unknown, and methods that need them find no threshold
        platt = fit_calibrator("platt", scores, labels)
        slope, intercept = platt.slope, platt.intercept
    mean, std = float(scores.mean()), float(scores.std())
    if histogram(scores, validation.weights(None)).std == 0:  # the formula leaves a rounding error
        std = 0.0
    return ValidationSummary(threshold, mean, std, slope, intercept, validation.prevalence)
