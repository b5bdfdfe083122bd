"""Average precision by video, with and without the videos in which no face was found."""

from __future__ import annotations

from typing import Any

from fakeforensics.reporting.columns import ScoreColumn, headings
from fakeforensics.reporting.contents import EMPTY, Block, Cell, Row, Table
from fakeforensics.reporting.project import ProtocolResults

_NOTE = (
    "A video's score is the mean over its frames. A video in which no face was found raises no alarm: it "
    "counts as called real where it says so, and is left out of the other values."
)


def video_blocks(results: ProtocolResults) -> list[Block]:
    """A row for each test set with videos; nothing where there is none."""
    found = {
        (detector, row["score"], row["test_set"]): row
        for detector, details in results.details.items()
        for row in details.get("details", ())
        if row["level"] == "video"
    }
    sets = [name for name in results.protocol.test if any(key[2] == name for key in found)]
    if not sets:
        return []
    rows = tuple(
        Row(
            results.label(name),
            tuple(_cell(_of(found, column, name)) for column in results.columns),
            detail=_detail(next(row for key, row in found.items() if key[2] == name)),
            unseen=name in results.protocol.unseen,
        )
        for name in sets
    )
    demo = "Demo data: average" if results.protocol.is_demo else "Average"
    return [
        Table(
            caption=f"{demo} precision by video, in percent.",
            stub="Testing set",
            columns=headings(results.columns),
            rows=rows,
            notes=(_NOTE,),
        )
    ]


def _of(
    found: dict[tuple[str, str, str], dict[str, Any]], column: ScoreColumn, name: str
) -> dict[str, Any] | None:
    return found.get((column.detector, column.spec.name, name))


def _cell(row: dict[str, Any] | None) -> Cell:
    if row is None:
        return Cell(EMPTY)
    low, high = row["ap_interval"]
    interval = f"{100 * low:.1f} … {100 * high:.1f}"
    if any(row["undetected"].values()):
        interval += f",\n{100 * row['with_undetected']['ap']:.1f} with undetected"
    return Cell(f"{100 * row['ap']:.1f}", interval)


def _detail(row: dict[str, Any]) -> str:
    missing = row["undetected"]
    lost = f"; no face in {missing['reals']} real, {missing['fakes']} fake" if any(missing.values()) else ""
    return f"{row['reals']:,} real, {row['fakes']:,} fake{lost}"
