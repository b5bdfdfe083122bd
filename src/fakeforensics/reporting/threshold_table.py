"""Table 4.10 for our models: each test set's best threshold, and what the one from validation gives there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fakeforensics.reporting.ap_table import row_order
from fakeforensics.reporting.columns import ScoreColumn
from fakeforensics.reporting.contents import EMPTY, Block, Cell, Column, Row, Table, Text
from fakeforensics.reporting.project import ProtocolResults
from fakeforensics.reporting.thesis import ApReference, optimal_thresholds, thresholds_column

CRITERIA = {
    "accuracy": "highest accuracy",
    "f1": "highest F1",
    "youden": "highest Youden's J",
    "eer": "equal error rates",
}
_ORACLE, _VALIDATION = "Best on this set (oracle)", "From validation"
_LEFT = (
    Column("Threshold", _ORACLE),
    Column("Precision", _ORACLE),
    Column("Recall", _ORACLE),
    Column("Accuracy", _ORACLE),
    Column("Precision", _VALIDATION),
    Column("Recall", _VALIDATION),
    Column("Accuracy", _VALIDATION),
    Column("Accuracy lost"),
)
_THESIS = (Column("Threshold", "Thesis, table 4.10"), Column("Accuracy", "Thesis, table 4.10"))


class Thresholds(NamedTuple):
    """What is known of one score's thresholds.

    Args:
        oracle: Test set → the outcome at that set's own best threshold, which needs its labels.
        validation: Test set → the outcome at the one threshold that validation chose; of a set of fakes alone
            no more than its recall and false negatives.
    """

    oracle: dict[str, dict[str, Any]]
    validation: dict[str, dict[str, Any]]

    @property
    def chosen(self) -> float | None:
        """The threshold from validation on the score's own scale."""
        for row in self.validation.values():
            return float(row["threshold"])
        return None


def thresholds_of(results: ProtocolResults, column: ScoreColumn, criterion: str) -> Thresholds:
    """The threshold analysis of one score by one criterion; empty where there is none."""
    analysis = results.thresholds.get(column.detector, {})
    rows = [*analysis.get("table_4_10", ()), *analysis.get("fakes_alone", {}).get("rows", ())]
    mine = [row for row in rows if (row["score"], row["criterion"]) == (column.spec.name, criterion)]
    by_choice = {
        choice: {str(row["test_set"]): row for row in mine if row["chosen_on"] == choice}
        for choice in ("oracle", "validation")
    }
    return Thresholds(by_choice["oracle"], by_choice["validation"])


def threshold_blocks(results: ProtocolResults, reference: ApReference | None, criterion: str) -> list[Block]:
    """A table for each score: oracle beside validation."""
    blocks: list[Block] = []
    sets = row_order(results, reference)
    for column in results.columns:
        known = thresholds_of(results, column, criterion)
        if known.oracle:
            blocks.append(_table(results, reference, column, known, sets, criterion))
    if not blocks:
        return []
    explanation = (
        "An oracle threshold is picked with the test set's own labels: it bounds what could be had, and no "
        "user has it. The one from validation is what a user would deploy; it has seen nothing of the unseen "
        "test sets."
    )
    return [Text(explanation), *blocks]


def _table(
    results: ProtocolResults,
    reference: ApReference | None,
    column: ScoreColumn,
    known: Thresholds,
    sets: Sequence[str],
    criterion: str,
) -> Table:
    # The thesis names neither the model nor the criterion of its table; a sigmoid's output it must be.
    beside = column.key == thresholds_column() and reference is not None and reference.number == "4.3"
    rows = [
        Row(
            results.label(name),
            (*_cells(known, name), *(_thesis_cells(name) if beside else ())),
            unseen=name in results.protocol.unseen,
        )
        for name in sets
    ]
    demo = "Demo data: " if results.protocol.is_demo else ""
    first = next(iter(known.validation.values()), None)
    deployed = f" Validation chose {show_threshold(first)}." if first else ""
    kind = "probabilities" if column.spec.even_odds is not None else f"values of the {column.spec.title}"
    notes = [f"Thresholds are {kind}; fake means at least the threshold. Rates are in percent."]
    if beside:
        notes.append(
            "Table 4.10 names neither its model nor its criterion, and its accuracies do not fit table 4.3's "
            "models: compare the spread of the thresholds, not their values."
        )
    return Table(
        caption=f"{demo}{column.name}: thresholds with the {CRITERIA[criterion]}.{deployed}",
        stub="Testing set",
        columns=_LEFT + (_THESIS if beside else ()),
        rows=tuple(rows),
        notes=tuple(notes),
    )


def _cells(known: Thresholds, name: str) -> tuple[Cell, ...]:
    oracle, validation = known.oracle.get(name), known.validation.get(name)
    if oracle is None or validation is None:
        return tuple(Cell(EMPTY) for _ in _LEFT)
    rates = ("precision", "recall", "accuracy")
    lost = 100 * (float(oracle["accuracy"]) - float(validation["accuracy"]))
    return (
        Cell(show_threshold(oracle)),
        *(Cell(_percent(oracle[rate])) for rate in rates),
        *(Cell(_percent(validation[rate])) for rate in rates),
        Cell(f"{lost:.1f}"),
    )


def _thesis_cells(name: str) -> tuple[Cell, ...]:
    theirs = optimal_thresholds().get(name)
    if theirs is None:
        return (Cell(EMPTY), Cell(EMPTY))
    return (Cell(f"{theirs.threshold:.3g}"), Cell(f"{theirs.accuracy:.1f}"))


def show_threshold(row: dict[str, Any]) -> str:
    """A threshold as the thesis shows it: as a probability where the score has one."""
    return f"{float(row.get('probability', row['threshold'])):.3g}"


def _percent(value: float) -> str:
    return f"{100 * float(value):.1f}"
