"""The summary of a protocol: the detector and threshold to use, their error rates, and warnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scipy.special import expit

from fakeforensics.metrics.chance import NoEvidence
from fakeforensics.metrics.table import has_both_classes
from fakeforensics.reporting.blocks import Block, Cell, Column, Facts, Row, Table, Text
from fakeforensics.reporting.columns import ScoreColumn
from fakeforensics.reporting.results import ProtocolResults
from fakeforensics.reporting.tables import mean
from fakeforensics.thresholds.advice import SetRates, rates_text, set_rates
from fakeforensics.thresholds.doubts import doubts, no_evidence
from fakeforensics.thresholds.policy import Decision
from fakeforensics.wording import percent

_ENDS = (
    "Below the share of reals called fake: its 95% interval (Clopper-Pearson), which counts a video, or a "
    "photograph with its edits, as one image. The threshold was chosen on validation images; no test set was "
    "used."
)


@dataclass(frozen=True)
class Pick:
    """The detector to use, chosen on validation, and its policy.

    Args:
        column: The score that decides.
        precision: The detector's highest average precision on validation, in percent.
        decision: Its policy; None if there is none.
        rates: The error rates of its threshold on each test set with both classes.
        doubts: Reasons not to use it, in sentences.
        no_evidence: Set if validation does not show that it is better than chance.
    """

    column: ScoreColumn
    precision: float
    decision: Decision | None
    rates: tuple[SetRates, ...] = ()
    doubts: tuple[str, ...] = ()
    no_evidence: NoEvidence | None = None

    @property
    def threshold(self) -> str:
        """The threshold on the score's own scale; empty if there is none."""
        return "" if self.decision is None else f"{self.decision.threshold:.4g}".replace("-", "−")

    @property
    def sigmoid(self) -> str:
        """The sigmoid of the threshold, such as `a sigmoid of 0.457`; empty if the score is not a logit."""
        if self.decision is None or self.column.spec.scale != "logit":
            return ""
        return f"a sigmoid of {expit(self.decision.threshold):.3g}"

    @property
    def both(self) -> str:
        """The threshold, with its sigmoid in parentheses if there is one."""
        return f"{self.threshold} ({self.sigmoid})" if self.sigmoid else self.threshold


def pick(results: ProtocolResults) -> Pick | None:
    """The detector whose best score has the highest average precision on validation; of several, the last.

    `predict` uses the same detector. None if validation lacks a class and so cannot choose.
    """
    found = {
        name: max(precision.values())
        for name, metrics in results.metrics.items()
        if (precision := metrics.get("validation", {}).get("ap"))
    }
    if not found:
        return None
    name = max(reversed(found), key=lambda one: found[one])
    decision = results.decisions.get(name)
    columns = {column.spec.name: column for column in results.columns if column.detector == name}
    column = columns.get(decision.score if decision else "") or next(iter(columns.values()))
    table = results.scores(name) if decision else None
    rates: tuple[SetRates, ...] = ()
    if table is not None and decision is not None:
        both = table.groupby("test_set", sort=False).filter(has_both_classes)
        found_rates = set_rates(both, column.spec.column, decision.threshold) if len(both) else ()
        order = {test_set: place for place, test_set in enumerate(results.protocol.test)}
        rates = tuple(sorted(found_rates, key=lambda one: order.get(one.test_set, len(order))))
    known = results.cards[name], results.metrics[name], decision
    return Pick(column, 100 * found[name], decision, rates, tuple(doubts(*known)), no_evidence(*known))


def short_blocks(results: ProtocolResults, chosen: Pick | None) -> list[Block]:
    """The answers in words, then the warnings; nothing if nothing was measured.

    Args:
        results: The protocol's results.
        chosen: From `pick`.
    """
    if not results.metrics:
        return []
    return [Facts(tuple(facts(results, chosen))), *(Text(one, "warning") for one in warnings(results))]


def facts(results: ProtocolResults, chosen: Pick | None) -> Iterator[tuple[str, str]]:
    """The detector and threshold to use, their error rates, and the training data, as (title, answer).

    Args:
        results: The protocol's results.
        chosen: From `pick`.
    """
    yield "Use", _use(chosen)
    if chosen is not None and chosen.decision is not None:
        yield "Expect", _expect(results, chosen, chosen.decision)
    columns = [chosen.column] if chosen else list(results.columns)
    unseen = [name for name in results.ranked if name in results.protocol.unseen]
    seen = [name for name in results.ranked if name not in unseen]
    for title, sets, kind in (("Unseen methods", unseen, "mean_unseen"), ("Seen methods", seen, "")):
        for column in columns[:1]:
            if text := _precision(results, column, sets, kind):
                yield title, text
    if text := _others(results):
        yield "Other scores", text
    yield "Trained", _trained(results)


def _trained(results: ProtocolResults) -> str:
    cards = results.detectors.values()
    ours = [card.label for card in cards if card.sees != "elsewhere"]
    foreign = [card.label for card in cards if card.sees == "elsewhere"]
    counts = (results.counts or {}).get("train")
    parts = []
    if ours and counts:
        methods = [
            name.rpartition("/")[2] for name in counts.get("methods", {}) if name.rpartition("/")[2] != "real"
        ]
        by = f" made by {listed(list(dict.fromkeys(methods)))}" if methods else ""
        parts.append(f"{listed(ours)}, on {counts['real']:,} real images and {counts['fake']:,} fakes{by}.")
    elif ours:
        parts.append(f"{listed(ours)}.")
    if foreign:
        parts.append(f"Trained elsewhere, on images that are not known here: {listed(foreign)}.")
    return " ".join(parts)


def _use(chosen: Pick | None) -> str:
    if chosen is None:
        return (
            "No detector can be recommended: validation lacks real images or fakes, so it cannot choose one."
        )
    if chosen.no_evidence is not None and chosen.no_evidence.has_too_few_images:
        return f"Unknown, because validation has too few images. {chosen.column.name} is the best on them."
    if chosen.no_evidence is not None:
        return (
            f"None of these detectors. {chosen.column.name} is the best on validation, but cannot be "
            "distinguished from a random guess there."
        )
    why = (
        "Of these detectors, it has the highest average precision on validation "
        f"({chosen.precision:.1f}%). The fakes in validation are made by the methods in training."
    )
    if chosen.decision is None:
        return f"{chosen.column.name}. {why} It has no threshold, so there are scores but no verdicts."
    return (
        f"{chosen.column.name}. Call an image fake if its score is at least {chosen.both}, the threshold "
        f"with {chosen.decision.chosen}. {why}"
    )


def _expect(results: ProtocolResults, chosen: Pick, decision: Decision) -> str:
    parts = []
    if decision.expected_fpr is not None:
        upper = decision.expected_fpr_upper
        most = "" if upper is None else f" (at most {percent(upper)})"
        missed = decision.expected_fnr
        fakes = "" if missed is None else f", and {percent(missed)} of the fakes called real"
        parts.append(
            f"On images like those in validation: {percent(decision.expected_fpr)} of the reals called "
            f"fake{most}{fakes}."
        )
    if chosen.rates:
        parts.append(rates_text(chosen.rates, results.label))
    return " ".join(parts) or "No error rate was measured."


def _precision(results: ProtocolResults, column: ScoreColumn, sets: Sequence[str], kind: str) -> str:
    """The mean average precision over test sets in words, next to chance, with the worst and the best set."""
    values = {name: results.ap(column, name) for name in sets}
    average = mean(values.values())
    if average is None:
        return ""
    bounds = results.ap_interval(column, kind) if len(sets) > 1 else results.ap_interval(column, sets[0])
    chance = results.chance(sets)
    within = ""
    if bounds is not None:
        low, high = (f"{bound:.1f}%" for bound in bounds)
        within = f" (95% interval {low} to {high})"
        if low == high:
            within = " (the same in at least 95% of the resamples)"
    guess = "" if chance is None else f"; a random guess has {chance:.1f}%"
    text = f"{column.name} has an average precision of {average:.1f}%{within}{guess}."
    if len(sets) > 1:
        by_value = sorted(sets, key=lambda name: values[name] or 0.0)
        worst, best = by_value[0], by_value[-1]
        text = text.replace("an average precision", "a mean average precision").replace(
            f"{guess}.", f" over {len(sets)} test sets{guess}."
        )
        text += (
            f" Worst: {results.label(worst)} with {values[worst]:.1f}%; best: {results.label(best)} with "
            f"{values[best]:.1f}%."
        )
    if bounds is not None and chance is not None and bounds[0] <= chance:
        text += " This cannot be distinguished from chance."
    return text


def _others(results: ProtocolResults) -> str:
    """The result of the paired comparison with the baseline, over the unseen sets if there are any."""
    rows = (results.comparison or {}).get("ap_difference", [])
    kind = "mean_unseen" if any(row["test_set"] == "mean_unseen" for row in rows) else "mean"
    names = {"/".join(column.key): column.name for column in results.columns}
    mine = [
        row for row in rows if row["test_set"] == kind and row["first"] in names and row["second"] in names
    ]
    if not mine:
        return ""
    said = []
    for row in sorted(mine, key=lambda row: -row["difference"]):
        verdict = "better" if row["low"] > 0 else "worse" if row["high"] < 0 else "no clear difference"
        points = f"{100 * row['difference']:+.1f} points, {100 * row['low']:+.1f} to {100 * row['high']:+.1f}"
        said.append(f"{names[row['first']]} {verdict} ({points.replace('-', '−')})")
    where = "the unseen test sets" if kind == "mean_unseen" else "the test sets"
    return (
        f"Compared with {names[mine[0]['second']]} on the same images of {where}: {'; '.join(said)}. The "
        "intervals account only for the choice of test images; another training seed would also change "
        "these values."
    )


def warnings(results: ProtocolResults) -> list[str]:
    """The warnings to read first: doubtful detectors, and files whose coding gives the label away."""
    found = [
        f"{results.detectors[name].label}: {doubt}"
        for name in results.detectors
        for doubt in doubts(results.cards[name], results.metrics[name], results.decisions.get(name))
    ]
    if results.telling:
        places = [
            "the training images" if name == "train" else results.label(name) for name in results.telling
        ]
        found.append(
            f"The file format alone tells real from fake in {listed(places)}. A detector may learn that "
            "instead of the forgery, so figures on marked test sets are weak evidence. The section “Audit of "
            "the images” says which properties differ."
        )
    return found


def rate_table(results: ProtocolResults, chosen: Pick | None) -> list[Block]:
    """The error rates of the recommended threshold on each test set; nothing without a threshold."""
    if chosen is None or not chosen.rates:
        return []
    rows = tuple(
        Row(
            results.label(one.test_set),
            (
                Cell(f"{100 * one.fpr:.1f}", f"{100 * one.low:.1f} … {100 * one.high:.1f}"),
                Cell(f"{100 * one.recall:.1f}"),
            ),
            unseen=one.test_set in results.protocol.unseen,
            mark=results.mark(one.test_set),
        )
        for one in chosen.rates
    )
    caption = f"Error rates of {chosen.column.name} with the threshold {chosen.both}, in percent."
    columns = (Column("Reals called fake"), Column("Fakes found"))
    return [Table(caption, "Test set", columns, rows, (_ENDS,))]


def listed(items: Sequence[str]) -> str:
    """`a, b and c`."""
    *first, last = items or ("nothing",)
    return f"{', '.join(first)} and {last}" if first else last
