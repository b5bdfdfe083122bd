"""The table of average precision per test set, ours beside the thesis's (tables 4.3 to 4.9)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fakeforensics.reporting.columns import ScoreColumn, headings
from fakeforensics.reporting.contents import EMPTY, Cell, Row, Table
from fakeforensics.reporting.project import ProtocolResults
from fakeforensics.reporting.thesis import ApReference

AVERAGES = {
    "average": "mean",
    "average_unseen": "mean_unseen",
}  # as the thesis's data and our metrics call them


def ap_table(results: ProtocolResults, reference: ApReference | None) -> Table:
    """Average precision in percent, a row for each test set, a column for each score of each detector.

    The rows are in the thesis's order where it has the table; sets that it lacks follow in the protocol's
    order. Averages are the thesis's: over all sets, and over the unseen ones.
    """
    sets = row_order(results, reference)
    rows = [_set_row(results, reference, name) for name in sets]
    rows += average_rows(results, reference, sets)
    beside = reference if any(cell.reference for row in rows for cell in row.cells) else None
    notes = tuple(_notes(results, beside, rows))
    columns = headings(results.columns)
    return Table(_caption(results, beside), "Testing set", columns, tuple(rows), notes)


def row_order(results: ProtocolResults, reference: ApReference | None) -> list[str]:
    """The protocol's test sets with both classes in the thesis's order, those that the thesis lacks last.

    A set of the thesis's table that the protocol does not test is kept, so that it shows as missing. Sets of
    fakes alone have no average precision and stand in a table of their own.
    """
    thesis = list(reference.rows) if reference else []
    others = [name for name in results.protocol.test if name not in results.fakes_alone]
    return thesis + [name for name in others if name not in thesis]


def mean(values: Iterable[float | None]) -> float | None:
    """The mean, or None if a value is missing: an average over fewer sets is another quantity."""
    known = list(values)
    if not known or any(value is None for value in known):
        return None
    return sum(value for value in known if value is not None) / len(known)


def average_rows(results: ProtocolResults, reference: ApReference | None, sets: Sequence[str]) -> list[Row]:
    """The rows of averages: over all sets, and over the unseen ones where these are several but not all."""
    unseen = [name for name in sets if name in results.protocol.unseen]
    rows = []
    if len(sets) > 1:
        rows.append(_average_row(results, reference, f"Average of all {len(sets)}", "average", sets))
    if 1 < len(unseen) < len(sets):
        title = f"Average of the {len(unseen)} unseen"
        rows.append(_average_row(results, reference, title, "average_unseen", unseen))
    return rows


def thesis_average(
    reference: ApReference, column: ScoreColumn, kind: str, sets: Sequence[str]
) -> float | None:
    """The thesis's average in percent: as printed, else the mean of its rows, else None."""
    if kind in reference.averages:
        return reference.averages[kind].get(column.key)
    return mean(reference.rows.get(name, {}).get(column.key) for name in sets)


def _set_row(results: ProtocolResults, reference: ApReference | None, name: str) -> Row:
    theirs = reference.rows.get(name, {}) if reference else {}
    cells = [
        _cell(results.ap(column, name), theirs.get(column.key), results.ap_interval(column, name))
        for column in results.columns
    ]
    unseen = name in results.protocol.unseen
    return Row(results.label(name), mark_best(cells), set_detail(results, name), unseen)


def _average_row(
    results: ProtocolResults, reference: ApReference | None, title: str, kind: str, sets: Sequence[str]
) -> Row:
    cells = []
    # The metrics' own means are over the protocol's sets, which may lack one of the thesis's.
    complete = set(sets) <= set(results.protocol.test)
    for column in results.columns:
        ours = mean(results.ap(column, name) for name in sets)
        theirs = thesis_average(reference, column, kind, sets) if reference else None
        interval = results.ap_interval(column, AVERAGES[kind]) if complete else None
        cells.append(_cell(ours, theirs, interval))
    return Row(title, mark_best(cells), summary=True)


def _cell(ours: float | None, thesis: float | None, interval: tuple[float, float] | None) -> Cell:
    return Cell(
        text=EMPTY if ours is None else f"{ours:.2f}",
        interval="" if interval is None else f"{interval[0]:.1f} … {interval[1]:.1f}",
        reference="" if thesis is None else f"{thesis:.2f}",
        difference=None if ours is None or thesis is None else ours - thesis,
    )


def mark_best(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Mark the highest value of a row; ties at the shown precision are all marked."""
    values = [float(cell.text) for cell in cells if cell.text != EMPTY]
    if len(values) < 2:
        return tuple(cells)
    best = max(values)
    return tuple(
        Cell(cell.text, cell.interval, cell.reference, cell.difference, best=True)
        if cell.text != EMPTY and float(cell.text) == best
        else cell
        for cell in cells
    )


def set_detail(results: ProtocolResults, name: str) -> str:
    """A test set's size, and its share of fakes: the AP of a detector that guesses."""
    count = (results.counts or {}).get("test", {}).get(name)
    if not count:
        return ""
    real, fake = count["real"], count["fake"]
    if not real:
        return f"{fake:,} fake"
    return f"{real:,} real, {fake:,} fake; chance {100 * fake / (real + fake):.1f}"


def _caption(results: ProtocolResults, reference: ApReference | None) -> str:
    thesis = f" beside table {reference.number} of the thesis" if reference else ""
    demo = "Demo data: " if results.protocol.is_demo else ""
    start = "average" if demo else "Average"
    return f"{demo}{start} precision per test set in percent{thesis and ','}{thesis}."


def _notes(results: ProtocolResults, reference: ApReference | None, rows: Sequence[Row]) -> list[str]:
    notes = []
    if any(row.unseen for row in rows):
        notes.append("Unseen: training saw nothing of this forgery method, or nothing of this domain.")
    if any(cell.interval for row in rows for cell in row.cells):
        notes.append(
            "Beside or below a value: its 95 % interval from a bootstrap over groups (a video with its "
            "frames, a photograph with its edits), which says how far another draw of test images would "
            "move it."
        )
    if results.counts:
        notes.append("Chance: the share of fakes, which is what a detector that guesses would get.")
    if reference and not reference.averages:
        notes.append("The thesis prints no average for this table: its averages here are those of its rows.")
    return notes
