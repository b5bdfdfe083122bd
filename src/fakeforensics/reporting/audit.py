"""What the audit of a protocol's images found: formats, duplicates, formats that give fakes away."""

from __future__ import annotations

from fakeforensics.reporting.contents import Block, Cell, Column, Row, Table
from fakeforensics.reporting.facts import flatten
from fakeforensics.reporting.project import ProtocolResults


def audit_blocks(results: ProtocolResults) -> list[Block]:
    """The audit's findings, one a row; nothing where no audit was made."""
    audit = results.audit()
    if audit is None:
        return []
    rows = tuple(Row(name, (Cell(value),)) for name, value in flatten(audit))
    demo = "Demo data: what" if results.protocol.is_demo else "What"
    columns = (Column("Value", numeric=False),)
    return [Table(f"{demo} the audit of the manifests found.", "Finding", columns, rows)]
