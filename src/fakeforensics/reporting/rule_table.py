"""What each way to a threshold is worth: mean accuracy over the test sets, by rule and score."""

from __future__ import annotations

from typing import Any

from fakeforensics.reporting.columns import COLUMNS
from fakeforensics.reporting.contents import EMPTY, Block, Cell, Column, Row, Table
from fakeforensics.reporting.project import ProtocolResults

_COLUMNS = tuple((column.objective, column.score, Column(column.title, column.group)) for column in COLUMNS)
_FUSED = ("joint", "fused", Column("both", "BCE+SAD"))
_AS_THEY_ARE = "own"  # the share of fakes that the test sets have
_BOUND = "oracle"


def rule_blocks(results: ProtocolResults) -> list[Block]:
    """One table, a row for each rule; nothing where the threshold analysis tried none."""
    found = {
        (objective, row["score"], row["rule"]): row
        for objective, analysis in results.thresholds.items()
        for row in analysis.get("deployable", ())
        if row["fake_share"] == _AS_THEY_ARE
    }
    if not found:
        return []
    rules = {rule: row["saw"] for (_, _, rule), row in found.items()}
    columns = [*_COLUMNS, _FUSED] if any(score == "fused" for _, score, _ in found) else list(_COLUMNS)
    rows = tuple(
        Row(
            rule.replace("_", " "),
            tuple(_cell(found.get((objective, score, rule))) for objective, score, _ in columns),
            detail=f"looks at {saw}",
        )
        for rule, saw in sorted(rules.items(), key=lambda item: item[0] != _BOUND)
    )
    demo = "Demo data: mean" if results.protocol.is_demo else "Mean"
    caption = f"{demo} accuracy over the test sets, in percent, by the rule that sets the threshold."
    note = "The oracle is a bound that no user reaches. Elsewhere, what a rule looks at must be at hand."
    return [Table(caption, "Rule", tuple(column for _, _, column in columns), rows, (note,))]


def _cell(row: dict[str, Any] | None) -> Cell:
    if row is None:
        return Cell(EMPTY)
    low, high = row["accuracy_interval"]
    some = f",\n{row['sets']} of {row['of_sets']} sets" if row["sets"] != row["of_sets"] else ""
    return Cell(f"{100 * row['accuracy']:.1f}", f"{100 * low:.1f} … {100 * high:.1f}{some}")
