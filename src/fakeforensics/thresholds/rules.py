"""Every way to a threshold, each with what it looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from fakeforensics.metrics.operating import Criterion, deployed_threshold, sweep
from fakeforensics.thresholds.adapt import METHODS, Seen, histogram
from fakeforensics.thresholds.calibrate import Calibrator, fit_calibrator
from fakeforensics.thresholds.conformal import few_reals
from fakeforensics.thresholds.target import Target
from fakeforensics.thresholds.universal import AIMS, universal_thresholds

Share = float | None  # of fakes; None leaves the set as it is

SAW = {
    "oracle": "the set's own labels: a bound, not a result",
    "validation": "validation scores and labels",
    "universal": "the other test sets' scores and labels",
    "unlabelled": "the set's own scores without labels, and validation",
    "reals": "a few known reals of the set's domain",
}


@dataclass(frozen=True)
class Settings:
    """How the rules are tried.

    Args:
        criterion: What validation's threshold maximises.
        shares: Shares of fakes at which all is evaluated besides the set as it is.
        known_reals: Numbers k of known reals.
        false_positive_rates: Rates asked of them.
        draws: Draws of the known reals.
        seed: Of these draws.
    """

    criterion: Criterion = "accuracy"
    shares: tuple[float, ...] = (0.01, 0.1, 0.5, 0.9)
    known_reals: tuple[int, ...] = (10, 50, 200)
    false_positive_rates: tuple[float, ...] = (0.01, 0.05, 0.1)
    draws: int = 200
    seed: int = 0

    @property
    def all_shares(self) -> tuple[Share, ...]:
        """The set as it is, and each share."""
        return (None, *self.shares)


@dataclass(frozen=True)
class Answer:
    """What a rule says of a set.

    Attributes:
        rule: Its name.
        kind: Key of `SAW`.
        target: The set's place in the list of targets.
        shares: The shares of fakes at which it says this.
        called: For each image, whether it is called fake; for rules with drawn reals, in what share of the
            draws.
        threshold: The threshold, or the mean over the draws; None where the rule has no answer.
        note: What else is to be known.
    """

    rule: str
    kind: str
    target: int
    shares: tuple[Share, ...]
    called: Float[np.ndarray, " n"] | None
    threshold: float | None
    note: str = ""


def answers(targets: list[Target], validation: Target, settings: Settings) -> Iterator[Answer]:
    """Ask every rule about every set and share of fakes."""
    everywhere = settings.all_shares
    chosen = deployed_threshold(validation.ranking, settings.criterion, "validation")
    seen = _what_validation_says(validation, chosen)
    for place, target in enumerate(targets):
        for share in everywhere:
            yield _cut("oracle", "oracle", place, target, oracle_threshold(target, share), (share,))
        yield _cut("validation", "validation", place, target, chosen, everywhere)
        universal = universal_thresholds(target, targets)
        for aim in AIMS:
            rule = f"universal_{aim}"
            if universal is None:
                note = "no other set is left without what it shares with this one"
                yield Answer(rule, "universal", place, everywhere, None, None, note)
            else:
                yield _cut(rule, "universal", place, target, universal[aim], everywhere)
        for share in everywhere:
            scores = histogram(target.scores, target.weights(share))
            for rule, method in METHODS.items():
                found = method(scores, seen)
                note = "" if found is not None else "finds no threshold: validation's is used"
                threshold = chosen if found is None else found
                yield _cut(rule, "unlabelled", place, target, threshold, (share,), note)
        yield from _few_reals(place, target, settings)


def oracle_threshold(target: Target, share: Share) -> float:
    """The threshold of the highest accuracy at a share of fakes, over all order statistics.

    Among equals the one in the widest gap.
    """
    points = sweep(target.ranking)
    share = target.share if share is None else share
    accuracy = share * points.tp / points.fakes + (1 - share) * (1 - points.fp / points.reals)
    best = np.flatnonzero(accuracy >= accuracy.max() - 1e-12)
    return float(points.thresholds[best[np.argmax(points.margins[best])]])


def _cut(
    rule: str,
    kind: str,
    place: int,
    target: Target,
    threshold: float,
    shares: tuple[Share, ...],
    note: str = "",
) -> Answer:
    called = (target.scores >= threshold).astype(np.float64)
    return Answer(rule, kind, place, shares, called, threshold, note)


def _few_reals(place: int, target: Target, settings: Settings) -> Iterator[Answer]:
    everywhere = settings.all_shares
    rates = settings.false_positive_rates
    for known in settings.known_reals:
        found = few_reals(target, known, rates, settings.draws, settings.seed)
        for rate in rates:
            rule = f"reals_k{known}_fpr{100 * rate:g}"
            if isinstance(found, str):
                yield Answer(rule, "reals", place, everywhere, None, None, found)
            elif rate not in found:
                note = f"not attainable: below 1 / (k + 1) = {1 / (known + 1):.4f}"
                yield Answer(rule, "reals", place, everywhere, None, None, note)
            else:
                draws = found[rate]
                low, high = np.quantile(draws.fpr, [0.05, 0.95])
                note = (
                    f"FPR by group, as guaranteed: {draws.fpr_by_group:.4f}; "
                    f"over images in single draws: 5% below {low:.4f}, 5% above {high:.4f}"
                )
                called = _fill(draws.called, target)
                yield Answer(rule, "reals", place, everywhere, called, float(draws.thresholds.mean()), note)


def _fill(called: Float[np.ndarray, " n"], target: Target) -> Float[np.ndarray, " n"]:
    """Give images that no draw left in the evaluation their class's mean, which changes no rate."""
    filled = called.copy()
    for fake in (False, True):
        here = target.fake == fake
        filled[here & np.isnan(called)] = np.nanmean(called[here])
    return filled


def _what_validation_says(validation: Target, threshold: float) -> Seen:
    scores, labels = validation.scores, validation.fake.astype(np.int64)
    # Without fakes the odds of fake are not known; the rules that need them find no threshold.
    platt = fit_calibrator("platt", scores, labels) if labels.any() else Calibrator("platt", slope=0.0)
    return Seen(
        threshold=threshold,
        mean=float(scores.mean()),
        deviation=float(scores.std()),
        slope=platt.slope,
        intercept=platt.intercept,
        share=validation.share,
    )
