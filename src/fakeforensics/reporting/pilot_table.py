"""The pilot study's tables 3.1 to 3.6: accuracy on fake-only sets by number of seen instances."""

from __future__ import annotations

from typing import Any

from fakeforensics.reporting.contents import EMPTY, Cell, Column, Row, Table
from fakeforensics.reporting.project import ProtocolResults
from fakeforensics.reporting.thesis import PilotReference

_NAMES = {"bce": "BCE", "sad": "SAD", "joint": "BCE+SAD"}


def pilot_tables(results: ProtocolResults, reference: PilotReference | None) -> list[Table]:
    """One table for each objective that was measured by accuracy; the thesis trained with BCE alone."""
    return [
        _table(results, objective, metrics["accuracy"], reference if objective == "bce" else None)
        for objective, metrics in results.metrics.items()
        if "accuracy" in metrics and "ap" not in metrics
    ]


def _table(
    results: ProtocolResults,
    objective: str,
    accuracy: dict[str, dict[str, Any]],
    reference: PilotReference | None,
) -> Table:
    theirs = dict(reference.accuracy) if reference else {}
    sets = list(theirs) + [name for name in accuracy if name not in theirs]
    instances = sorted(
        {int(n) for values in accuracy.values() for n in values}
        | {n for values in theirs.values() for n in values}
    )
    rows = [
        Row(
            str(n),
            tuple(_cell(accuracy.get(name, {}).get(str(n)), theirs.get(name, {}).get(n)) for name in sets),
        )
        for n in instances
    ]
    seen = f"# seen {reference.train} instances" if reference else "# seen instances"
    beside = f", beside table {reference.number} of the thesis" if reference else ""
    demo = "Demo data: " if results.protocol.is_demo else ""
    what = "accuracy on fake-only test sets at probability 0.5, in percent"
    return Table(
        caption=f"{demo}{_NAMES[objective]}: {what}{beside}.",
        stub=seen,
        columns=tuple(Column(results.label(name)) for name in sets),
        rows=tuple(rows),
        notes=("Training sees the same number of fakes whatever the number of instances.",),
    )


def _cell(ours: float | None, thesis: float | None) -> Cell:
    mine = None if ours is None else 100 * float(ours)
    return Cell(
        text=EMPTY if mine is None else f"{mine:.2f}",
        reference="" if thesis is None else f"{thesis:.2f}",
        difference=None if mine is None or thesis is None else mine - thesis,
    )
