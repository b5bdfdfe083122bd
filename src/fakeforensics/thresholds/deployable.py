"""What each threshold rule is worth on each set: rates with intervals, and how much of the gap it closes.

The gap is what validation's threshold loses against the oracle's, in accuracy, summed over the sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from fakeforensics.metrics.bootstrap import resample_groups
from fakeforensics.metrics.spec import Scores
from fakeforensics.thresholds.measure import Measured, accuracy, measure
from fakeforensics.thresholds.rules import SAW, Answer, Settings, Share, answers
from fakeforensics.thresholds.target import Target, make_targets, make_validation
from fakeforensics.thresholds.views import View, make_views

LEANING = (
    0.02  # a rule whose mean balanced accuracy moves by more than this with the share of fakes leans on it
)
QUANTILES = (0.025, 0.975)


def deployable(
    table: pd.DataFrame, validation: pd.DataFrame, scores: Scores, settings: Settings, replicates: int
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Try every rule on every set, score and share of fakes.

    Args:
        table: The test scores in the protocol's order of sets; sets with one class take no part.
        validation: The validation scores.
        scores: What the scores are.
        settings: Which rules are tried, and how.
        replicates: Draws of the group bootstrap; thresholds are held fixed in it.

    Returns:
        One row for each (score, rule, share, set): threshold, accuracy, balanced accuracy, FPR and FNR with
        95% intervals. And a summary for each (score, rule, share): means over the sets, the worst set, and
        the share of the gap that the rule closes. Empty if no set holds both classes.

    Raises:
        UserError: If validation lacks a class or a score, or a score is not finite.
    """
    resampling = resample_groups(table, settings.seed)
    views = make_views(table, validation, scores)
    by_view = [make_targets(table, view.test, resampling.unit) for view in views]
    if not by_view[0]:
        return pd.DataFrame(), []
    found = []
    for view, targets in zip(views, by_view, strict=True):
        seen = make_validation(view.validation, validation["label"].to_numpy())
        found.append(list(answers(targets, seen, settings)))
    everything = measure(by_view[0], found, resampling, replicates)
    rows: list[dict[str, Any]] = []
    summary: list[dict[str, Any]] = []
    for view, targets, measured, given in zip(views, by_view, everything, found, strict=True):
        rows += _rows(view, targets, measured)
        rows += [_silent(view, targets, answer) for answer in given if answer.called is None]
        of_view = [row for share in settings.all_shares for row in _summary(view, targets, measured, share)]
        _mark_leaning(of_view)
        summary += of_view
    return pd.DataFrame(rows), summary


def _rows(view: View, targets: Sequence[Target], measured: Sequence[Measured]) -> list[dict[str, Any]]:
    rows = []
    for one in measured:
        answer, target = one.answer, targets[one.answer.target]
        assert answer.threshold is not None
        rates = {"balanced_accuracy": 1 - (one.fpr + one.fnr) / 2, "fpr": one.fpr, "fnr": one.fnr}
        fixed = {name: _with_interval(values) for name, values in rates.items()}
        for share in answer.shares:
            values = {
                "accuracy": _with_interval(accuracy(one, target.share if share is None else share)),
                **fixed,
            }
            rows.append(
                {"score": view.name, "rule": answer.rule, "saw": SAW[answer.kind], "fake_share": _name(share)}
                | {"test_set": target.name, "threshold": view.native(answer.threshold)}
                | {
                    f"{name}{suffix}": value
                    for name, triple in values.items()
                    for suffix, value in zip(("", "_low", "_high"), triple, strict=True)
                }
                | {"note": answer.note}
            )
    return rows


def _silent(view: View, targets: Sequence[Target], answer: Answer) -> dict[str, Any]:
    return {
        "score": view.name,
        "rule": answer.rule,
        "saw": SAW[answer.kind],
        "fake_share": "any",
        "test_set": targets[answer.target].name,
        "note": answer.note,
    }


def _summary(
    view: View, targets: Sequence[Target], measured: Sequence[Measured], share: Share
) -> list[dict[str, Any]]:
    here: dict[str, dict[int, Measured]] = {}
    for one in measured:
        if share in one.answer.shares:
            here.setdefault(one.answer.rule, {})[one.answer.target] = one
    rows = []
    for rule, by_set in here.items():
        values = {
            number: accuracy(one, targets[number].share if share is None else share)
            for number, one in by_set.items()
        }
        worst = min(values, key=lambda number: float(values[number][0]))
        mean = np.mean(list(values.values()), axis=0)
        low, high = np.quantile(mean[1:], QUANTILES)
        first = next(iter(by_set.values())).answer
        rows.append(
            {"score": view.name, "rule": rule, "saw": SAW[first.kind], "fake_share": _name(share)}
            | {"sets": len(by_set), "of_sets": len(targets)}
            | {"fallbacks": sum("validation's is used" in one.answer.note for one in by_set.values())}
            | {"accuracy": _round(mean[0]), "accuracy_interval": [_round(low), _round(high)]}
            | {
                "balanced_accuracy": _round(
                    np.mean([1 - (one.fpr[0] + one.fnr[0]) / 2 for one in by_set.values()])
                ),
                "fpr": _round(np.mean([one.fpr[0] for one in by_set.values()])),
                "fnr": _round(np.mean([one.fnr[0] for one in by_set.values()])),
                "worst_set": targets[worst].name,
                "worst_accuracy": _round(values[worst][0]),
            }
            | _gap(values, here, targets, share)
        )
    return rows


def _gap(
    values: dict[int, np.ndarray],
    here: dict[str, dict[int, Measured]],
    targets: Sequence[Target],
    share: Share,
) -> dict[str, Any]:
    """The gap over the sets that the rule answers for, and the share of it that the rule closes."""
    gap: np.ndarray = np.zeros(next(iter(values.values())).size)
    closed = gap.copy()
    for number, mine in values.items():
        at = targets[number].share if share is None else share
        base = accuracy(here["validation"][number], at)
        gap = gap + accuracy(here["oracle"][number], at) - base
        closed = closed + mine - base
    low, high = np.quantile(gap[1:], QUANTILES)
    result: dict[str, Any] = {"gap": _round(gap[0]), "gap_interval": [_round(low), _round(high)]}
    if low <= 0:
        return result | {"gap_closed": None, "gap_closed_interval": None}
    share_low, share_high = np.quantile(closed[1:] / np.maximum(gap[1:], 1e-12), QUANTILES)
    return result | {
        "gap_closed": _round(closed[0] / gap[0]),
        "gap_closed_interval": [_round(share_low), _round(share_high)],
    }


def _mark_leaning(rows: list[dict[str, Any]]) -> None:
    """Label the rules whose worth depends on the share of fakes: at the benchmark's share they flatter."""
    for rule in dict.fromkeys(row["rule"] for row in rows):
        mine = [row for row in rows if row["rule"] == rule]
        at_shares = [row["balanced_accuracy"] for row in mine if row["fake_share"] != "own"]
        leans = rule != "oracle" and max(at_shares, default=0) - min(at_shares, default=0) > LEANING
        for row in mine:
            row["leans_on_fake_share"] = bool(leans)


def _with_interval(values: Float[np.ndarray, " replicates_1"]) -> tuple[float, float, float]:
    low, high = np.quantile(values[1:], QUANTILES)
    return _round(values[0]), _round(low), _round(high)


def _name(share: Share) -> str:
    return "own" if share is None else f"{share:g}"


def _round(value: Any) -> float:
    return round(float(value), 6)
