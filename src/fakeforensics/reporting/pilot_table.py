"""The pilot study's tables 3.1 to 3.6: accuracy on fake-only sets by number of seen instances."""

from __future__ import annotations

from fakeforensics.reporting.columns import ScoreColumn
from fakeforensics.reporting.contents import EMPTY, Block, Cell, Column, Row, Table, Text
from fakeforensics.reporting.project import ProtocolResults
from fakeforensics.reporting.thesis import PilotReference

_AT_HALF = "at probability 0.5"
_AT_VALIDATION = "at the threshold of highest accuracy on each model's own validation images"
_REMARKS = (
    "The number of fakes in training is the same whatever the number of instances. Beside or below a value: "
    "its 95 % interval from a bootstrap over groups of images.",
    "These test sets hold fakes alone: average precision, curves and a best threshold are undefined. "
    "A score without a probability cannot be cut at 0.5; its threshold is each model's own, from validation.",
)


def pilot_blocks(results: ProtocolResults, reference: PilotReference | None) -> list[Block]:
    """A table for each score that was measured by accuracy; the thesis has one of them."""
    tables = [
        _table(results, column, reference if reference and column.key == reference.column else None)
        for column in results.columns
        if results.accuracies(column)
    ]
    return [*tables, *(Text(remark, "note") for remark in _REMARKS)] if tables else []


def instance_order(number: str) -> int:
    """Numbers of instances ascending; `all`, where the number is not varied, before them."""
    return int(number) if number.isdigit() else 0


def _table(results: ProtocolResults, column: ScoreColumn, reference: PilotReference | None) -> Table:
    ours, intervals = results.accuracies(column), results.accuracy_intervals(column)
    theirs = dict(reference.accuracy) if reference else {}
    sets = list(theirs) + [name for name in results.protocol.test if name in ours and name not in theirs]
    numbers = {n for values in ours.values() for n in values} | {
        str(n) for values in theirs.values() for n in values
    }
    rows = [
        Row(
            number,
            tuple(
                _cell(
                    ours.get(name, {}).get(number),
                    theirs.get(name, {}).get(instance_order(number)),
                    intervals.get((name, number)),
                )
                for name in sets
            ),
        )
        for number in sorted(numbers, key=instance_order)
    ]
    beside = f", beside table {reference.number} of the thesis" if reference else ""
    demo = "Demo data: accuracy" if results.protocol.is_demo else "Accuracy"
    cut = _AT_VALIDATION if column.spec.even_odds is None else _AT_HALF
    what = f"{demo} of {column.name} on fake-only test sets {cut}, in percent"
    return Table(
        caption=f"{what}{beside}.",
        stub=_stub(reference),
        columns=tuple(Column(results.label(name)) for name in sets),
        rows=tuple(rows),
    )


def _stub(reference: PilotReference | None) -> str:
    """As the thesis heads its tables."""
    if reference is None:
        return "# seen instances"
    if "+" in reference.train:
        return "# seen instances per architecture in training"
    return f"# seen {reference.train} instances in training"


def _cell(ours: float | None, thesis: float | None, interval: tuple[float, float] | None) -> Cell:
    return Cell(
        text=EMPTY if ours is None else f"{ours:.2f}",
        interval="" if interval is None else f"{interval[0]:.1f} … {interval[1]:.1f}",
        reference="" if thesis is None else f"{thesis:.2f}",
        difference=None if ours is None or thesis is None else ours - thesis,
    )
