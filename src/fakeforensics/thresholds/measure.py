"""Error rates of each threshold selector on each test set, and how much of the accuracy gap it recovers.

The oracle is the best threshold of a set by its own labels. The gap is the accuracy of the oracles minus the
accuracy of validation's threshold, summed over the sets. Prevalence is the share of fakes. FPR is the share
of the reals called fake, FNR the share of the fakes called real. All rates are fractions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Int

from fakeforensics.metrics.bootstrap import GroupSums
from fakeforensics.metrics.spec import VALIDATION
from fakeforensics.params import ThresholdsParams
from fakeforensics.thresholds.known_reals import draw_known_reals
from fakeforensics.thresholds.selectors import (
    INFORMATION_USED,
    KnownDraws,
    Prevalence,
    Selection,
    Unavailable,
    select_thresholds,
)
from fakeforensics.thresholds.targets import Target, WorkingScore, make_targets

AT_ONCE = 50  # selections whose intervals are computed in one call
SENSITIVE = 0.02  # a selector is prevalence-sensitive if its mean balanced accuracy moves by more than this
QUANTILES = (0.025, 0.975)
RATES = ("accuracy", "balanced_accuracy", "fpr", "fnr")

Row = dict[str, Any]


@dataclass(frozen=True)
class ErrorRates:
    """Error rates of a selected threshold.

    Attributes:
        selection: The selected threshold.
        fpr: FPR on the set, followed by FPR on each bootstrap replicate.
        fnr: FNR in the same order.
    """

    selection: Selection
    fpr: Float[np.ndarray, " replicates_1"]
    fnr: Float[np.ndarray, " replicates_1"]

    def rates(self, prevalence: float) -> dict[str, np.ndarray]:
        """Accuracy at a prevalence, and the rates that do not depend on it."""
        return {
            "accuracy": (1 - prevalence) * (1 - self.fpr) + prevalence * (1 - self.fnr),
            "balanced_accuracy": 1 - (self.fpr + self.fnr) / 2,
            "fpr": self.fpr,
            "fnr": self.fnr,
        }


def measure_selectors(
    table: pd.DataFrame,
    validation: pd.DataFrame,
    working: Sequence[WorkingScore],
    params: ThresholdsParams,
    seed: int,
    drawn: GroupSums,
) -> tuple[pd.DataFrame, list[Row]]:
    """Try every selector on every set, score and prevalence.

    Args:
        table: The score table of the test images, with the test sets in the protocol's order. Sets with one
            class are ignored.
        validation: The score table of the validation images.
        working: The scores on their working scales.
        params: The settings of the group `thresholds`. Thresholds are not selected again for a bootstrap
            replicate.
        seed: Seed of the draws of known reals.
        drawn: The bootstrap draws of the table's groups.

    Returns:
        One row for each (score, selector, prevalence, set): threshold, accuracy, balanced accuracy, FPR and
        FNR with 95% intervals; or a note, if the selector does not apply to the set. And a summary for each
        (score, selector, prevalence): means over the sets, the worst set, and the recovered share of the gap.
        Both are empty if no set holds both classes.

    Raises:
        UserError: If validation has no reals.
    """
    labels = validation["label"].to_numpy()
    outside = -1 - np.arange(labels.size)  # test sets share no image and no group with validation
    by_score = [make_targets(table, score.test, drawn.resampling.unit) for score in working]
    if not by_score[0]:
        return pd.DataFrame(), []
    known: list[KnownDraws] = [
        {size: draw_known_reals(target, size, params.draws, seed) for size in params.known_reals}
        for target in by_score[0]
    ]
    found = []
    for score, targets in zip(working, by_score, strict=True):
        source = Target(VALIDATION, score.validation, labels == 1, outside, outside)
        found.append(list(select_thresholds(targets, source, params, known)))
    selections = [one for of_score in found for one in of_score if isinstance(one, Selection)]
    everything = iter(measure(by_score[0], selections, drawn))
    rows: list[Row] = []
    summary: list[Row] = []
    for score, targets, of_score in zip(working, by_score, found, strict=True):
        measured = [next(everything) for one in of_score if isinstance(one, Selection)]
        rows += _rows(score, targets, measured)
        rows += [
            _head(score, one, "any") | {"test_set": targets[one.target].name, "note": one.note}
            for one in of_score
            if isinstance(one, Unavailable)
        ]
        mine = [row for at in (None, *params.fake_shares) for row in _summary(score, targets, measured, at)]
        _mark_sensitive(mine)
        summary += mine
    return pd.DataFrame(rows), summary


def measure(targets: Sequence[Target], selections: Sequence[Selection], drawn: GroupSums) -> list[ErrorRates]:
    """The error rates of each selection on its set and on joint bootstrap draws of the groups of all sets.

    Args:
        targets: The test sets, for any of the scores. Their scores are not used.
        selections: The selected thresholds.
        drawn: The draws.

    Returns:
        The error rates in the order of the selections.
    """
    given = [[one for one in selections if one.target == number] for number in range(len(targets))]
    counts = [
        [_count_by_group(target, mine, fake=fake) for fake in (False, True)]
        for target, mine in zip(targets, given, strict=True)
    ]
    asked = [[drawn.ask(*of_kind) for of_kind in kinds] for kinds in counts]
    shares = [
        [
            _shares(np.vstack([of_group.sum(axis=0, dtype=np.float64), sums()])).T.copy()
            for (_, of_group), sums in zip(kinds, of_kinds, strict=True)
        ]
        for kinds, of_kinds in zip(counts, asked, strict=True)
    ]
    rates = [zip(fpr, fnr, strict=True) for fpr, fnr in shares]
    return [ErrorRates(one, *next(rates[one.target])) for one in selections]


def _shares(sums: Float[np.ndarray, "... columns"]) -> Float[np.ndarray, "... selections"]:
    """Each column divided by the first one, which holds the number of images."""
    found: np.ndarray = sums[..., 1:] / sums[..., :1]
    return found


def _count_by_group(
    target: Target, selections: list[Selection], *, fake: bool
) -> tuple[Int[np.ndarray, " groups"], Float32[np.ndarray, "groups columns"]]:
    """The groups of a set's reals or fakes, and for each group the number of images and of errors.

    The first column counts the images, each further column the errors of one selection.
    """
    mine = target.fake == fake
    units, place = np.unique(target.unit[mine], return_inverse=True)
    columns = [np.ones(place.size)]
    columns += [1 - one.called[mine] if fake else one.called[mine] for one in selections]
    counts = [np.bincount(place, column, units.size) for column in columns]
    return units, np.stack(counts, axis=1).astype(np.float32, order="C")


def _head(score: WorkingScore, selection: Selection | Unavailable, prevalence: str) -> Row:
    return {
        "score": score.name,
        "rule": selection.selector,
        "saw": INFORMATION_USED[selection.information],
        "fake_share": prevalence,
    }


def _rows(score: WorkingScore, targets: Sequence[Target], measured: Sequence[ErrorRates]) -> list[Row]:
    rows: list[Row] = []
    for begin in range(0, len(measured), AT_ONCE):
        some = measured[begin : begin + AT_ONCE]
        rates = [_rates_at_shares(one, targets[one.selection.target]) for one in some]
        places = np.cumsum([len(of) for of in rates])[:-1]
        every = np.stack([values[1:] for of in rates for values in of])
        bounds = np.split(np.quantile(every, QUANTILES, axis=1).T, places)
        for one, mine, ends in zip(some, rates, bounds, strict=True):
            rows += _rows_of(score, one.selection, targets[one.selection.target], mine, ends)
    return rows


def _rates_at_shares(one: ErrorRates, target: Target) -> list[np.ndarray]:
    """The accuracy at each prevalence, then the rates that do not depend on it, as in `RATES`."""
    at = [target.prevalence if share is None else share for share in one.selection.prevalences]
    by_share = [one.rates(share) for share in at]
    return [*(of["accuracy"] for of in by_share), *(by_share[0][name] for name in RATES[1:])]


def _rows_of(
    score: WorkingScore,
    selection: Selection,
    target: Target,
    rates: list[np.ndarray],
    bounds: Float[np.ndarray, "rates 2"],
) -> Iterator[Row]:
    """A row for each prevalence at which the selector selects this threshold."""
    shares = len(selection.prevalences)
    for place, prevalence in enumerate(selection.prevalences):
        row = _head(score, selection, _name(prevalence))
        row |= {"test_set": target.name, "threshold": score.native(selection.threshold)}
        for name, number in zip(RATES, (place, *range(shares, len(rates))), strict=True):
            low, high = bounds[number]
            row |= {
                name: _round(rates[number][0]),
                f"{name}_low": _round(low),
                f"{name}_high": _round(high),
            }
        yield row | {"note": selection.note} | _estimate(selection)


def _estimate(selection: Selection) -> Row:
    estimate = selection.estimate
    return (
        {} if estimate is None else {f"estimate_{key}": _round(of) for key, of in estimate._asdict().items()}
    )


def _summary(
    score: WorkingScore, targets: Sequence[Target], measured: Sequence[ErrorRates], prevalence: Prevalence
) -> list[Row]:
    at = [target.prevalence if prevalence is None else prevalence for target in targets]
    here: dict[str, dict[int, Selection]] = {}
    rates: dict[str, dict[int, dict[str, np.ndarray]]] = {}
    for one in measured:
        if prevalence in one.selection.prevalences:
            selector, number = one.selection.selector, one.selection.target
            here.setdefault(selector, {})[number] = one.selection
            rates.setdefault(selector, {})[number] = one.rates(at[number])
    rows = []
    for selector, by_set in rates.items():
        accuracy = np.mean([of["accuracy"] for of in by_set.values()], axis=0)
        worst = min(by_set, key=lambda number: float(by_set[number]["accuracy"][0]))
        selections = list(here[selector].values())
        gap = (selector, "oracle", VALIDATION)
        rows.append(
            _head(score, selections[0], _name(prevalence))
            | {"sets": len(by_set), "of_sets": len(targets)}
            | {"fallbacks": sum(one.is_fallback for one in selections)}
            | {"accuracy": _round(accuracy[0]), "accuracy_interval": _interval(accuracy)}
            | {name: _round(np.mean([of[name][0] for of in by_set.values()])) for name in RATES[1:]}
            | {"worst_set": targets[worst].name, "worst_accuracy": _round(by_set[worst]["accuracy"][0])}
            | _gap(*([rates[name][number]["accuracy"] for number in by_set] for name in gap))
        )
    return rows


def _gap(mine: list[np.ndarray], oracle: list[np.ndarray], validation: list[np.ndarray]) -> Row:
    """The gap over the sets that a selector applies to, and the share of it that the selector recovers.

    Each argument has one array per set: the accuracy on the set, followed by that on each replicate. There is
    no share if the 95% interval of the gap reaches 0.
    """
    gap = closed = np.zeros(mine[0].size)
    for own, best, base in zip(mine, oracle, validation, strict=True):
        gap, closed = gap + best - base, closed + own - base
    row = {"gap": _round(gap[0]), "gap_interval": _interval(gap)}
    if np.quantile(gap[1:], QUANTILES[0]) <= 0:
        return row | {"gap_closed": None, "gap_closed_interval": None}
    shares = closed / np.maximum(gap, 1e-12)
    return row | {"gap_closed": _round(shares[0]), "gap_closed_interval": _interval(shares)}


def _mark_sensitive(rows: list[Row]) -> None:
    """Mark selectors whose mean balanced accuracy differs by more than `SENSITIVE` between prevalences."""
    for selector in dict.fromkeys(row["rule"] for row in rows):
        mine = [row for row in rows if row["rule"] == selector]
        found = [row["balanced_accuracy"] for row in mine if row["fake_share"] != "own"]
        sensitive = selector != "oracle" and max(found, default=0) - min(found, default=0) > SENSITIVE
        for row in mine:
            row["leans_on_fake_share"] = bool(sensitive)


def _interval(values: Float[np.ndarray, " replicates_1"]) -> list[float]:
    return [_round(value) for value in np.quantile(values[1:], QUANTILES)]


def _name(prevalence: Prevalence) -> str:
    return "own" if prevalence is None else f"{prevalence:g}"


def _round(value: Any) -> float:
    return round(float(value), 6)
