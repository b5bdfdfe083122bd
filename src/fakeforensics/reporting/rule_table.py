"""What each way to a threshold is worth: mean accuracy over the test sets, by rule and score."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from fakeforensics.metrics.spec import FUSED
from fakeforensics.reporting.columns import ScoreColumn, headings
from fakeforensics.reporting.contents import EMPTY, Block, Cell, Column, Row, Table
from fakeforensics.reporting.project import ProtocolResults

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
        (detector, row["score"], row["rule"]): row
        for detector, analysis in results.thresholds.items()
        for row in analysis.get("deployable", ())
        if row["fake_share"] == _AS_THEY_ARE
    }
    if not found:
        return []
    rules = {rule: row["saw"] for (_, _, rule), row in found.items()}
    fused = {detector for detector, score, _ in found if score == FUSED}
    columns = [
        column
        for detector, scores in groupby(results.columns, key=lambda column: column.detector)
        for column in _columns(detector, list(scores), detector in fused)
    ]
    rows = tuple(
        Row(
            rule.replace("_", " "),
            tuple(_cell(found.get((detector, score, rule))) for detector, score, _ in columns),
            detail=f"looks at {saw}",
        )
        for rule, saw in sorted(rules.items(), key=lambda item: item[0] != _BOUND)
    )
    demo = "Demo data: mean" if results.protocol.is_demo else "Mean"
    caption = f"{demo} accuracy over the test sets, in percent, by the rule that sets the threshold."
    return [Table(caption, "Rule", tuple(column for _, _, column in columns), rows, _NOTES)]


def _columns(detector: str, scores: list[ScoreColumn], is_fused: bool) -> list[tuple[str, str, Column]]:
    """The columns of one detector, each with the names by which its values are found."""
    columns = [
        (detector, one.spec.name, heading) for one, heading in zip(scores, headings(scores), strict=True)
    ]
    together = Column("both" if len(scores) == 2 else "all", scores[0].group)
    return [*columns, *([(detector, FUSED, together)] if is_fused else [])]


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
