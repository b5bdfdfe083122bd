"""The first chapter: every protocol at a glance."""

from __future__ import annotations

from collections.abc import Sequence

from fakeforensics.reporting.ap_table import mark_best, mean, row_order, thesis_average
from fakeforensics.reporting.columns import ScoreColumn, headings, union
from fakeforensics.reporting.contents import EMPTY, Block, Cell, Chapter, Row, Section, Table, Text
from fakeforensics.reporting.pilot_table import instance_order
from fakeforensics.reporting.project import ProtocolResults
from fakeforensics.reporting.thesis import ApReference, PilotReference

Reference = ApReference | PilotReference | None


def overview(everything: Sequence[tuple[ProtocolResults, Reference]]) -> Chapter:
    """Average precision over the unseen test sets of each protocol, the pilot study, and what is missing."""
    columns = union(results.columns for results, _ in everything)
    rows = [_row(results, reference, columns) for results, reference in everything if results.has_ap]
    blocks: list[Block] = []
    if rows:
        blocks.append(
            Table(
                "Mean average precision over each protocol's unseen test sets, in percent.",
                "Protocol",
                headings(columns),
                tuple(rows),
            )
        )
    pilot = [
        row
        for results, reference in everything
        for row in _pilot_rows(results, reference if isinstance(reference, PilotReference) else None, columns)
    ]
    if pilot:
        blocks.append(
            Table(
                "Accuracy on fakes alone, in percent, of the models that saw most instances. Scores "
                "that have a probability are cut at 0.5, the others at the threshold from validation.",
                "Protocol",
                headings(columns),
                tuple(pilot),
            )
        )
    blocks += [_missing(results) for results, _ in everything if results.missing]
    blocks += [note for results, _ in everything for note in left_out_notes(results)]
    return Chapter("overview", "At a glance", "Overview", (), (Section("Unseen test sets", tuple(blocks)),))


def left_out_notes(results: ProtocolResults) -> list[Text]:
    """Which detectors the protocol does not run, and why."""
    return [
        Text(f"`{results.name}` leaves out the detector `{detector}`: {reason}", "note")
        for detector, reason in results.left_out.items()
    ]


def _row(results: ProtocolResults, reference: Reference, columns: Sequence[ScoreColumn]) -> Row:
    ap_reference = reference if isinstance(reference, ApReference) else None
    sets = row_order(results, ap_reference)
    unseen = [name for name in sets if name in results.protocol.unseen]
    kind = "average" if len(unseen) in (0, len(sets)) else "average_unseen"
    averaged = unseen or sets
    cells = []
    for column in columns:
        ours = mean(results.ap(column, name) for name in averaged)
        theirs = thesis_average(ap_reference, column, kind, averaged) if ap_reference else None
        cells.append(_cell(ours, theirs))
    share = f"{len(unseen)} unseen of" if unseen else "none unseen: all"
    what = f"{share} {len(sets)} test sets"
    demo = "Demo data; " if results.protocol.is_demo else ""
    detail = f"{results.protocol.title}. {demo}{what}."
    return Row(results.name, mark_best(cells), detail, link=results.name)


def _pilot_rows(
    results: ProtocolResults, reference: PilotReference | None, columns: Sequence[ScoreColumn]
) -> list[Row]:
    """A row for each set of fakes alone; the thesis averages none of them, nor do we."""
    found = {column.key: results.accuracies(column) for column in columns}
    rows = []
    for name in results.protocol.test:
        numbers = {number for by_set in found.values() for number in by_set.get(name, ())}
        if not numbers:
            continue
        most = max(numbers, key=instance_order)
        theirs = reference.accuracy.get(name, {}).get(instance_order(most)) if reference else None
        cells = [
            _cell(
                found[column.key].get(name, {}).get(most),
                theirs if reference and column.key == reference.column else None,
            )
            for column in columns
        ]
        seen = f" {most} instances seen." if most.isdigit() else ""
        detail = f"{results.protocol.title}.{seen}"
        label = f"{results.name}: {results.label(name)}"
        rows.append(Row(label, mark_best(cells), detail, link=results.name))
    return rows


def _cell(ours: float | None, thesis: float | None) -> Cell:
    return Cell(
        EMPTY if ours is None else f"{ours:.2f}",
        reference="" if thesis is None else f"{thesis:.2f}",
        difference=None if ours is None or thesis is None else ours - thesis,
    )


def _missing(results: ProtocolResults) -> Text:
    files = ", ".join(f"`{name}`" for name in results.missing)
    return Text(
        f"{results.name}: not there when this report was made: {files}. What would come from them is left "
        "out; `dvc repro` makes them.",
        "warning",
    )
