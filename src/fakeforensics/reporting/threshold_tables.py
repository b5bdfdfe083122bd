"""Tables of thresholds: the best of each test set, validation's, all rules', and inconclusive verdicts."""

from __future__ import annotations

from itertools import groupby
from typing import Any, NamedTuple, cast

from fakeforensics.metrics.operating import CRITERIA, Criterion
from fakeforensics.metrics.spec import FUSED
from fakeforensics.reporting.blocks import EMPTY, Block, Cell, Column, Row, Table, Text
from fakeforensics.reporting.columns import ScoreColumn
from fakeforensics.reporting.reference import Reference, ThresholdReference
from fakeforensics.reporting.results import ProtocolResults
from fakeforensics.wording import percent

_BEST, _VALIDATION = "Best on this set (oracle)", "From validation"
_LEFT = (
    *(Column(title, _BEST) for title in ("Threshold", "Precision", "Recall", "Accuracy")),
    *(Column(title, _VALIDATION) for title in ("Precision", "Recall", "Accuracy")),
    Column("Accuracy lost"),
)
_RATES = ("precision", "recall", "accuracy")
_OWN_SHARE, _ORACLE = "own", "oracle"
_SHOWN_RATE = 0.05  # error rate of the verdicts to show if the policy has no inconclusive verdicts
_SHARES = {
    "reals_called_fake": "reals called fake",
    "fakes_called_real": "fakes called real",
    "reals_inconclusive": "reals",
    "fakes_inconclusive": "fakes",
}
_VERDICT_NOTES = (
    "Inconclusive: the score is compatible with real and with fake images, or with neither.",
    "The stated rate is an average for images like those it was fitted to: reals like validation's (or like "
    "the known reals), and fakes made by the methods in validation. Errors above it, in red, are due to "
    "unseen methods and image domains.",
)
_RULE_NOTES = (
    "The oracle is an upper bound that no user can reach. Other rules use only the data named below them.",
    "Closes: how much of the gap between validation and oracle the rule closes, over the test sets to which "
    "it applies; below 0% it does worse than validation. Omitted where the gap may be due to chance.",
    "Sensitive: the rule's errors depend on the prevalence of fakes, so it looks better on test sets with as "
    "many fakes as reals than in use.",
)
_ANY_SHARE_NOTES = (
    "Closes: as above. Worst set: the accuracy minus that of validation's threshold, on the test set where "
    "this difference is lowest.",
    "Estimated: the share of fakes with its 95% interval, as means over the test sets. If it is unclear "
    "whether few or many images are fakes, the known reals alone determine the threshold.",
)
# Rule → its name in words. `rule_name` builds the names of rules that contain numbers.
_RULES = {
    _ORACLE: "the set's own best threshold (oracle)",
    "validation": "best on validation",
    "universal_mean": "best on the other test sets, on average",
    "universal_worst": "best on the other test sets, for the worst of them",
    "prior_shift": "best on validation, adapted to the share of fakes estimated from the set's scores",
    "mixture": "where two normal distributions fitted to the set's scores cross",
    "valley": "the valley between the two peaks of the set's scores",
    "standardise": "best on validation, scaled to the mean and spread of the set's scores",
}
_NO_GAP = 1e-3  # no recovered share is stated for a mean gap of at most this accuracy


class Thresholds(NamedTuple):
    """The thresholds of one score, chosen by one criterion.

    Args:
        oracle: Test set → the error rates at that set's own best threshold, which needs its labels.
        validation: Test set → the error rates at the one threshold chosen on validation images; for a set of
            fakes alone only recall and false-negative rate.
    """

    oracle: dict[str, dict[str, Any]]
    validation: dict[str, dict[str, Any]]

    @property
    def chosen(self) -> float | None:
        """The threshold from validation on the score's own scale."""
        return next((float(row["threshold"]) for row in self.validation.values()), None)


def thresholds_of(results: ProtocolResults, column: ScoreColumn, criterion: str) -> Thresholds:
    """The threshold analysis of one score by one criterion; empty if there is none."""
    analysis = results.thresholds.get(column.detector, {})
    rows = [*analysis.get("table_4_10", ()), *analysis.get("fakes_alone", {}).get("rows", ())]
    mine = [row for row in rows if (row["score"], row["criterion"]) == (column.spec.name, criterion)]
    by_choice = {
        choice: {str(row["test_set"]): row for row in mine if row["chosen_on"] == choice}
        for choice in ("oracle", "validation")
    }
    return Thresholds(by_choice["oracle"], by_choice["validation"])


def threshold_blocks(results: ProtocolResults, criterion: Criterion) -> list[Block]:
    """A table per score: each test set's best threshold and the one from validation."""
    known = {column: thresholds_of(results, column, criterion) for column in results.columns}
    tables = [
        _threshold_table(results, column, found, criterion) for column, found in known.items() if found.oracle
    ]
    tables += [_published_table(results, column) for column in known if _is_published(results, column)]
    explanation = (
        "An oracle threshold is chosen with the test set's own labels, which no user has; it is an upper "
        "bound. The threshold from validation is the one you would deploy; no test set was used to choose it."
    )
    return [Text(explanation), *tables] if tables else []


def _threshold_table(
    results: ProtocolResults, column: ScoreColumn, known: Thresholds, criterion: Criterion
) -> Table:
    rows = tuple(
        Row(results.label(name), tuple(_threshold_cells(known, name)), unseen=name in results.protocol.unseen)
        for name in results.ranked
    )
    first = next(iter(known.validation.values()), None)
    deployed = f" Validation chose {_threshold(first)}." if first else ""
    kind = "probabilities" if column.spec.even_odds is not None else f"values of the {column.spec.title}"
    note = f"Thresholds are {kind}; a score at or above the threshold means fake. Rates are in percent."
    return Table(
        caption=f"{column.name}: thresholds with the {CRITERIA[criterion]}.{deployed}",
        stub="Test set",
        columns=_LEFT,
        rows=rows,
        notes=(note,),
    )


def _is_published(results: ProtocolResults, column: ScoreColumn) -> bool:
    published = results.reference.thresholds if results.reference else None
    return bool(
        published
        and published.key == column.key
        and thresholds_of(results, column, published.criterion).oracle
    )


def _published_table(results: ProtocolResults, column: ScoreColumn) -> Table:
    """The best threshold of each set by a published criterion, next to the published threshold."""
    reference = cast(Reference, results.reference)
    published = cast(ThresholdReference, reference.thresholds)
    ours = thresholds_of(results, column, published.criterion).oracle
    rows = []
    for name in results.ranked:
        found, printed = ours.get(name), published.rows.get(name)
        threshold = Cell(
            _threshold(found) if found else EMPTY, reference=f"{printed.threshold:.4g}" if printed else ""
        )
        rates = tuple(
            _rate_cell(
                100 * float(found[rate]) if found else None, getattr(printed, rate) if printed else None
            )
            for rate in _RATES
        )
        rows.append(Row(results.label(name), (threshold, *rates), unseen=name in results.protocol.unseen))
    return Table(
        caption=f"{column.name}: each test set's own threshold with the {CRITERIA[published.criterion]} (an "
        f"oracle), next to {published.title}. Rates are in percent.",
        stub="Test set",
        columns=tuple(map(Column, ("Threshold", "Precision", "Recall", "Accuracy"))),
        rows=tuple(rows),
        notes=(published.note,),
        owner=reference.owner,
    )


def _rate_cell(ours: float | None, printed: float | None) -> Cell:
    """A rate in percent with one digit, next to the published rate."""
    return Cell(
        text=EMPTY if ours is None else f"{ours:.1f}",
        reference="" if printed is None else f"{printed:.1f}",
        difference=None if ours is None or printed is None else ours - printed,
    )


def _threshold_cells(known: Thresholds, name: str) -> list[Cell]:
    oracle, validation = known.oracle.get(name), known.validation.get(name)
    if oracle is None or validation is None:
        return [Cell(EMPTY) for _ in _LEFT]
    lost = float(oracle["accuracy"]) - float(validation["accuracy"])
    rates = [float(row[rate]) for row in (oracle, validation) for rate in _RATES]
    return [Cell(_threshold(oracle)), *(Cell(f"{100 * rate:.1f}") for rate in (*rates, lost))]


def _threshold(row: dict[str, Any]) -> str:
    """A threshold as text; as a probability if the score has one."""
    return f"{float(row.get('probability', row['threshold'])):.4g}"


def rule_name(rule: str) -> str:
    """The name of a rule in words, such as `5% false alarms on 50 known reals` for `reals_k50_fpr5`."""
    if rule in _RULES:
        return _RULES[rule]
    kind, _, number = rule.partition("_k")
    known, _, rate = number.partition("_fpr")
    if kind == "reals" and rate:
        return f"{rate}% false alarms on {known} known reals"
    return f"{known} known reals and the set's scores" if kind == "any_share" else rule.replace("_", " ")


def rule_blocks(results: ProtocolResults) -> list[Block]:
    """Mean accuracy over the test sets by threshold-selection rule and score; nothing without rules."""
    found = {
        (detector, row["score"], row["rule"]): row
        for detector, analysis in results.thresholds.items()
        for row in analysis.get("deployable", ())
        if row["fake_share"] == _OWN_SHARE
    }
    if not found:
        return []
    rules = {rule: row["saw"] for (_, _, rule), row in found.items()}
    columns: list[tuple[str, str, Column]] = []
    for detector, group in groupby(results.columns, key=lambda column: column.detector):
        scores = list(group)
        columns += [(detector, one.spec.name, Column(one.title, one.group)) for one in scores]
        if any((detector, FUSED, rule) in found for rule in rules):
            together = Column("both" if len(scores) == 2 else "all", scores[0].group)
            columns.append((detector, FUSED, together))
    rows = tuple(
        Row(
            rule_name(rule),
            tuple(_rule_cell(found.get((detector, score, rule))) for detector, score, _ in columns),
            detail=f"uses {saw}",
        )
        for rule, saw in sorted(rules.items(), key=lambda item: item[0] != _ORACLE)
    )
    caption = "Mean accuracy over the test sets, in percent, by the rule that selects the threshold."
    table = Table(caption, "Rule", tuple(column for _, _, column in columns), rows, _RULE_NOTES)
    return [table, *_any_share_tables(results), *_method_tables(results)]


def _any_share_tables(results: ProtocolResults) -> list[Block]:
    """A table per detector: the accuracy with thresholds from known reals and unlabeled scores."""
    tables: list[Block] = []
    for detector, analysis in results.thresholds.items():
        found: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = {}
        for row in analysis.get("any_share", ()):
            rule = found.setdefault((row["rule"], row["score"]), {})
            rule.setdefault(row["fake_share"], []).append(row)
        if not found:
            continue
        card = results.detectors[detector]
        labels = {spec.name: spec.label for spec in card.scores} | {FUSED: "all scores"}
        shares = list(dict.fromkeys(share for by_share in found.values() for share in by_share))
        rows = tuple(
            Row(
                f"{rule.removeprefix('any_share_k')} known reals",
                tuple(_any_share_cell(by_share.get(share, [])) for share in shares),
                detail=labels.get(score, score),
            )
            for (rule, score), by_share in found.items()
        )
        columns = tuple(Column(_share_title(share), "Share of fakes") for share in shares)
        caption = (
            f"{card.label}: mean accuracy over the test sets, in percent, of the "
            "threshold from known reals and unlabeled scores."
        )
        tables.append(Table(caption, "Given", columns, rows, _ANY_SHARE_NOTES))
    return tables


def _method_tables(results: ProtocolResults) -> list[Block]:
    """A table per score: the recall of each forgery method, worst first, and the AUC over all sets."""
    tables: list[Block] = []
    for column in results.columns:
        analysis = results.thresholds.get(column.detector, {})
        mine = [row for row in analysis.get("recall_by_method", ()) if row["score"] == column.spec.name]
        if not mine:
            continue
        rates = list(dict.fromkeys(row["false_positive_rate"] for row in mine))
        found = {(row["method"], row["false_positive_rate"]): row for row in mine}
        shown = _SHOWN_RATE if _SHOWN_RATE in rates else rates[0]
        rows = tuple(
            Row(
                row["method"],
                tuple(_recall_cell(found[row["method"], rate]) for rate in rates),
                detail=f"{row['fakes']} fakes",
            )
            for row in mine
            if row["false_positive_rate"] == shown
        )
        of_rate = {row["false_positive_rate"]: row for row in mine}
        columns = tuple(Column(f"at {100 * rate:g}%{_attained(of_rate[rate])}") for rate in rates)
        pooled = [row for row in analysis.get("pooled_auc", ()) if row["score"] == column.spec.name]
        caption = (
            f"{column.name}: recall of each forgery method in percent, with one threshold for all test sets. "
            "The heading of a column states the share of the validation reals that its threshold calls fake. "
            f"Methods are sorted by their recall at {100 * shown:g}%, lowest first."
        )
        notes = tuple(
            f"AUC of all sets together, with one threshold for all: {100 * row['auc']:.1f}{_mean_auc(row)}."
            for row in pooled
        )
        tables.append(Table(caption, "Method", columns, rows, notes))
    return tables


def _attained(row: dict[str, Any]) -> str:
    return "" if row["fpr"] is None else f" (test reals: {percent(row['fpr'])})"


def _mean_auc(row: dict[str, Any]) -> str:
    return "" if row["mean_of_sets"] is None else f"; mean of their own: {100 * row['mean_of_sets']:.1f}"


def _recall_cell(row: dict[str, Any]) -> Cell:
    recall, low, high = (100 * row[name] for name in ("recall", "recall_low", "recall_high"))
    return Cell(f"{recall:.1f}", f"{low:.1f} … {high:.1f}")


def _share_title(share: str) -> str:
    return "as it is" if share == _OWN_SHARE else f"{100 * float(share):g}%"


def _any_share_cell(rows: list[dict[str, Any]]) -> Cell:
    if not rows:
        return Cell(EMPTY)
    won = [row["accuracy"] - row["validation_accuracy"] for row in rows]
    gap = sum(row["oracle_accuracy"] - row["validation_accuracy"] for row in rows)
    mean, low, high = (
        100 * sum(row[f"estimate_{name}"] for row in rows) / len(rows) for name in ("mean", "low", "high")
    )
    remarks = [_closes(sum(won) / gap)] if gap > _NO_GAP * len(rows) else []
    remarks += [f"worst set {100 * min(won):+.1f}", f"estimated {mean:.0f}%\n({low:.0f}% … {high:.0f}%)"]
    return Cell(f"{100 * sum(row['accuracy'] for row in rows) / len(rows):.1f}", ",\n".join(remarks))


def _closes(share: float) -> str:
    """The closed share of the gap; a small gap makes large negative shares, whose size means nothing."""
    return "closes <-100%" if share < -1 else f"closes {percent(share, digits=0)}"


def _rule_cell(row: dict[str, Any] | None) -> Cell:
    if row is None:
        return Cell(EMPTY)
    low, high = row["accuracy_interval"]
    remarks = [f"{100 * low:.1f} … {100 * high:.1f}"]
    if row["sets"] != row["of_sets"]:
        remarks.append(f"{row['sets']} of {row['of_sets']} sets")
    if row["gap_closed"] is not None and row["rule"] not in ("validation", _ORACLE):
        remarks.append(_closes(row["gap_closed"]))
    if row["leans_on_fake_share"]:
        remarks.append("sensitive")
    return Cell(f"{100 * row['accuracy']:.1f}", ",\n".join(remarks))


def verdict_blocks(results: ProtocolResults, error_rate: float | None) -> list[Block]:
    """Errors and inconclusive verdicts on each test set, a table per detector; nothing if none were measured.

    Args:
        results: The protocol's results.
        error_rate: The policy's stated error rate; None if it gives no inconclusive verdicts.
    """
    tables = []
    for detector, analysis in results.thresholds.items():
        rows = analysis.get("inconclusive", ())
        rates = sorted({float(row["error_rate"]) for row in rows})
        if rates:
            wanted = error_rate or _SHOWN_RATE
            rate = wanted if wanted in rates else rates[0]
            tables.append(
                _verdict_table(results, detector, [row for row in rows if row["error_rate"] == rate])
            )
    return list(tables)


def _verdict_table(results: ProtocolResults, detector: str, found: list[dict[str, Any]]) -> Table:
    rate = float(found[0]["error_rate"])
    by_place = {(row["reals_from"], row["test_set"]): row for row in found}
    origins = sorted(
        {origin for origin, _ in by_place}, key=lambda origin: (origin != "validation", len(origin))
    )
    rows = []
    for name in (*results.ranked, *results.fake_only):
        cells = [
            _share_cell(by_place.get((origin, name), {}).get(share), rate if "called" in share else 1.0)
            for origin in origins
            for share in _SHARES
        ]
        rows.append(Row(results.label(name), tuple(cells), unseen=name in results.protocol.unseen))
    columns = tuple(
        Column(title, f"{_origin_name(origin)}: {'errors' if 'called' in share else 'inconclusive'}")
        for origin in origins
        for share, title in _SHARES.items()
    )
    column = next(one for one in results.columns if one.key == (detector, found[0]["score"]))
    caption = (
        f"{column.name}: verdicts with a stated error rate of {100 * rate:g}% for “real” and for “fake”, in "
        "percent of the reals or of the fakes."
    )
    return Table(caption, "Test set", columns, tuple(rows), _VERDICT_NOTES)


def _origin_name(origin: str) -> str:
    if origin == "validation":
        return "Validation reals"
    return f"{origin.removeprefix('reals_k')} known reals"


def _share_cell(value: float | None, stated: float) -> Cell:
    return Cell(EMPTY) if value is None else Cell(f"{100 * value:.1f}", alarm=value > stated)
