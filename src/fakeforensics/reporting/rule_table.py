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
_ENDS = ("validation", _BOUND)
_NOTES = (
    "The oracle is a bound that no user reaches. Elsewhere, what a rule looks at must be at hand.",
    "Closes: the share of the gap between validation and oracle that the rule closes, over the sets that it "
    "answers for; below 0 it does worse than validation. None is given where the gap may be chance.",
    "Leans: its errors depend on the share of fakes, so that it looks better on half fakes than in use.",
)


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
    return [Table(caption, "Rule", tuple(column for _, _, column in columns), rows, _NOTES)]


def _cell(row: dict[str, Any] | None) -> Cell:
    if row is None:
        return Cell(EMPTY)
    low, high = row["accuracy_interval"]
    remarks = [f"{100 * low:.1f} … {100 * high:.1f}"]
    if row["sets"] != row["of_sets"]:
        remarks.append(f"{row['sets']} of {row['of_sets']} sets")
    if row["gap_closed"] is not None and row["rule"] not in _ENDS:
        remarks.append(f"closes {100 * row['gap_closed']:.0f} %")
    if row["leans_on_fake_share"]:
        remarks.append("leans")
    return Cell(f"{100 * row['accuracy']:.1f}", ",\n".join(remarks))
